/*
 * game.c: a game with a frame loop of its own, 60 frames a second in an SDL
 * window. Each entity is a Lua task that moves, draws itself and waits for the
 * next frame; assets are read, and a console is served, while frames go on.
 *
 *   game [-f FRAMES] [-e ENTITIES] [-p PORT] SCRIPT [ASSET...]
 *   game -e 500 game.lua *.png        nc 127.0.0.1 PORT: neap.dump(console)
 *
 * It ends after FRAMES frames, when its window is closed, or when the script
 * calls engine.quit(), and says how long its frames took: the game's own work,
 * and that with neap's step.
 */
#include <SDL.h>
#include <lauxlib.h>
#include <lualib.h>
#include <neap_lua.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define WIDTH        640
#define HEIGHT       360
#define FRAME_NS     ((uint64_t)1000 * 1000 * 1000 / 60)
#define STEP_NS      ((uint64_t)4 * 1000 * 1000) /* for scripts */
#define MAX_ENTITIES 100000
#define MAX_SAMPLES  36000 /* ten minutes; later frames are not counted */

struct game {
  SDL_Window *window;
  SDL_Renderer *renderer;
  SDL_Rect *entities; /* of the size 0 until they are placed */
  unsigned nentities;
  bool ended;
  uint64_t *own, *whole; /* ns of each frame: without, and with neap's step */
  size_t nframes;
};

/* --- what scripts get: engine.place, engine.quit */

static struct game *game_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* engine.place(id, x, y, size): the entity is there from now on. */
static int engine_place(lua_State *L) {
  struct game *game = game_of(L);
  lua_Integer id = luaL_checkinteger(L, 1);
  luaL_argcheck(L, id >= 1 && id <= (lua_Integer)game->nentities, 1,
                "no such entity");
  game->entities[id - 1] =
      (SDL_Rect){(int)luaL_checkinteger(L, 2), (int)luaL_checkinteger(L, 3),
                 (int)luaL_checkinteger(L, 4), (int)luaL_checkinteger(L, 4)};
  return 0;
}

/* engine.quit(): this frame is the last. */
static int engine_quit(lua_State *L) {
  game_of(L)->ended = true;
  return 0;
}

static void add_engine(lua_State *L, struct game *game) {
  static const luaL_Reg functions[] = {
      {"place", engine_place}, {"quit", engine_quit}, {NULL, NULL}};
  luaL_newlibtable(L, functions);
  lua_pushlightuserdata(L, game);
  luaL_setfuncs(L, functions, 1);
  lua_pushinteger(L, WIDTH);
  lua_setfield(L, -2, "width");
  lua_pushinteger(L, HEIGHT);
  lua_setfield(L, -2, "height");
  lua_setglobal(L, "engine");
}

/* Runs the script's outermost lines, which start tasks, on our own stack: they
   can't wait there, what they start can. */
static int start_script(lua_State *L, struct game *game, int port, int argc,
                        char **argv) {
  int status = luaL_loadfile(L, argv[0]);
  if (status == LUA_OK) {
    lua_pushinteger(L, game->nentities);
    lua_pushinteger(L, port);
    luaL_checkstack(L, argc, "too many assets");
    for (int i = 1; i < argc; i++)
      lua_pushstring(L, argv[i]);
    status = lua_pcall(L, argc + 1, 0, 0);
  }
  if (status == LUA_OK)
    return 0;
  fprintf(stderr, "game: %s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
  return -1;
}

/* --- a frame */

static void take_events(struct game *game) {
  SDL_Event event;
  while (SDL_PollEvent(&event))
    if (event.type == SDL_QUIT)
      game->ended = true;
}

static void draw(struct game *game) {
  SDL_SetRenderDrawColor(game->renderer, 16, 24, 32, 255);
  SDL_RenderClear(game->renderer);
  SDL_SetRenderDrawColor(game->renderer, 240, 200, 80, 255);
  SDL_RenderFillRects(game->renderer, game->entities, (int)game->nentities);
  SDL_RenderPresent(game->renderer);
}

static int run(struct game *game, neap_rt *rt, size_t frames) {
  uint64_t due = uv_hrtime();
  for (size_t n = 0; !game->ended && (frames == 0 || n < frames); n++) {
    uint64_t began = uv_hrtime();
    take_events(game);
    draw(game);
    uint64_t drawn = uv_hrtime();
    int err = neap_step(rt, STEP_NS); /* never blocks */
    if (err < 0)
      return err;
    uint64_t now = uv_hrtime();
    if (game->nframes < MAX_SAMPLES) {
      game->own[game->nframes] = drawn - began;
      game->whole[game->nframes++] = now - began;
    }
    due += FRAME_NS;
    if (due > now)
      SDL_Delay((uint32_t)((due - now) / 1000000));
    else
      due = now; /* late: the frames that were missed are left out */
  }
  return 0;
}

/* --- the report */

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void print_percentiles(const char *what, uint64_t *ns, size_t n) {
  static const unsigned percents[] = {50, 95, 99, 100};
  qsort(ns, n, sizeof *ns, compare);
  printf("%-12s", what);
  for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
    printf(" %8.3f", (double)ns[(n - 1) * percents[i] / 100] / 1e6);
  printf("\n");
}

static void report(struct game *game) {
  printf("%zu frames, %u entities\n", game->nframes, game->nentities);
  if (game->nframes == 0)
    return;
  printf("%-12s %8s %8s %8s %8s\n", "ms a frame", "p50", "p95", "p99", "max");
  print_percentiles("without neap", game->own, game->nframes);
  print_percentiles("with neap", game->whole, game->nframes);
}

/* --- the beginning and the end */

static int open_window(struct game *game) {
  if (SDL_Init(SDL_INIT_VIDEO) < 0)
    return -1;
  game->window = SDL_CreateWindow("neap", SDL_WINDOWPOS_UNDEFINED,
                                  SDL_WINDOWPOS_UNDEFINED, WIDTH, HEIGHT, 0);
  if (game->window == NULL)
    return -1;
  game->renderer = SDL_CreateRenderer(game->window, -1, SDL_RENDERER_SOFTWARE);
  return game->renderer == NULL ? -1 : 0;
}

static int play(struct game *game, size_t frames, int port, int argc,
                char **argv) {
  lua_State *L = luaL_newstate();
  if (L == NULL)
    return -1;
  luaL_openlibs(L);
  /* As in Lua 5.4 by itself: a game that is closed in the middle of its
     entities' lives is no matter for a warning. */
  lua_warning(L, "@off", 0);
  add_engine(L, game);
  int err = neap_lua_open(L, NULL);
  if (err == 0)
    err = start_script(L, game, port, argc, argv);
  if (err == 0)
    err = run(game, neap_lua_runtime(L), frames);
  lua_close(L); /* unwinds the tasks, closes the console */
  return err;
}

static int usage(void) {
  fprintf(stderr, "usage: game [-f FRAMES] [-e ENTITIES] [-p PORT] SCRIPT "
                  "[ASSET...]\n");
  return 2;
}

int main(int argc, char **argv) {
  struct game game = {.nentities = 200};
  size_t frames = 0;
  int port = 0, option;
  while ((option = getopt(argc, argv, "f:e:p:")) != -1) {
    unsigned long number = optarg == NULL ? 0 : strtoul(optarg, NULL, 10);
    if (option == 'f')
      frames = number;
    else if (option == 'e' && number <= MAX_ENTITIES)
      game.nentities = (unsigned)number;
    else if (option == 'p' && number <= UINT16_MAX)
      port = (int)number;
    else
      return usage();
  }
  if (optind == argc)
    return usage();
  setvbuf(stdout, NULL, _IOLBF, 0); /* who starts us reads the console's port */
  game.entities = calloc(game.nentities + 1, sizeof *game.entities);
  game.own = calloc(MAX_SAMPLES, sizeof *game.own);
  game.whole = calloc(MAX_SAMPLES, sizeof *game.whole);
  int err = -1;
  if (game.entities == NULL || game.own == NULL || game.whole == NULL)
    fprintf(stderr, "game: not enough memory\n");
  else if (open_window(&game) < 0)
    fprintf(stderr, "game: %s\n", SDL_GetError());
  else if ((err = play(&game, frames, port, argc - optind, argv + optind)) == 0)
    report(&game);
  SDL_DestroyRenderer(game.renderer);
  SDL_DestroyWindow(game.window);
  SDL_Quit();
  free(game.entities);
  free(game.own);
  free(game.whole);
  return err < 0;
}
