/* where.c: where a task stands; the idea is in where.h. */
#include "lua/where.h"

#include "lua/task_handle.h"

#include <string.h>

/* Coroutines within each other. Each takes C levels, of which Lua has 200. */
#define MAX_THREADS 200

/* Frames that tell two stacks apart. */
#define HASHED 24

/* Frames of a stack that are printed: the innermost, and the outermost. */
#define INNERMOST 12
#define OUTERMOST 4

/* Whether t, another thread than co, has been resumed and is not suspended. */
static bool is_resumed(lua_State *t, const lua_State *co) {
  lua_Debug ar;
  return t != NULL && t != co && lua_status(t) == LUA_OK &&
         lua_getstack(t, 0, &ar) != 0;
}

/* The thread on work's top, which is taken off, if it has been resumed. */
static lua_State *take(lua_State *work, const lua_State *co) {
  lua_State *t = lua_tothread(work, -1);
  lua_pop(work, 1);
  return is_resumed(t, co) ? t : NULL;
}

/*
 * The thread that co has resumed, or NULL. lua_getlocal puts a value on co's
 * stack, and it is taken off at once: a C function's frame always has room for
 * it, so this can't raise.
 */
static lua_State *resumed_by(struct neapL *N, lua_State *co) {
  lua_State *work = N->work, *t = NULL;
  lua_Debug ar;
  if (lua_getstack(co, 0, &ar) == 0 || lua_getinfo(co, "S", &ar) == 0 ||
      ar.what[0] != 'C')
    return NULL;
  if (lua_getlocal(co, &ar, 1) != NULL) {
    lua_xmove(co, work, 1);
    t = take(work, co);
  }
  if (t != NULL)
    return t;
  lua_getinfo(work, "f", &ar); /* pushes the function here, not on co */
  for (int i = 1; t == NULL && lua_getupvalue(work, -1, i) != NULL; i++)
    t = take(work, co);
  lua_pop(work, 1);
  return t;
}

/* The thread that is `steps` resumes away from the task's own, or NULL. */
static lua_State *thread_at(struct neapL *N, const struct neap_task *task,
                            uint32_t steps) {
  lua_State *co = neapL_task_thread(N, task);
  while (co != NULL && steps-- > 0)
    co = resumed_by(N, co);
  return co;
}

/* How many threads the task's stack has. */
static uint32_t count_threads(struct neapL *N, const struct neap_task *task) {
  lua_State *co = neapL_task_thread(N, task);
  uint32_t n = 0;
  for (; co != NULL && n < MAX_THREADS; n++)
    co = resumed_by(N, co);
  return n;
}

void neapL_where_traceback(lua_State *L, struct neapL *N,
                           const struct neap_task *task) {
  static const char title[] = "stack traceback:";
  lua_pushstring(L, title);
  for (uint32_t i = count_threads(N, task); i-- > 0;) {
    luaL_traceback(L, thread_at(N, task, i), NULL, 0);
    lua_pushstring(L, lua_tostring(L, -1) + sizeof title - 1);
    lua_remove(L, -2);
    lua_concat(L, 2);
  }
}

/* --- for dumps ------------------------------------------------------------ */

static uint64_t add_hash(uint64_t hash, uint64_t value) {
  return (hash ^ value) * 0x9e3779b97f4a7c15u;
}

uint64_t neapL_where_hash(const struct neap_task *task) {
  if (!neapL_task_is_lua(task))
    return (uintptr_t)task->fn;
  struct neapL *N = neapL_task_binding(task);
  uint64_t hash = 0;
  uint32_t left = HASHED;
  lua_State *co = neapL_task_thread(N, task);
  for (uint32_t n = 0; co != NULL && n < MAX_THREADS && left > 0; n++) {
    lua_Debug ar;
    for (int level = 0; left > 0 && lua_getstack(co, level, &ar) != 0;
         level++, left--) {
      lua_getinfo(co, "Sln", &ar);
      hash = add_hash(hash, (uintptr_t)ar.source);
      hash = add_hash(hash, (uintptr_t)ar.name);
      hash = add_hash(hash, (uint64_t)ar.currentline);
    }
    co = resumed_by(N, co);
    hash = add_hash(hash, 1);
  }
  return hash;
}

static void print_frame(lua_State *co, lua_Debug *ar, struct neap_text *text,
                        uint32_t indent) {
  lua_getinfo(co, "Slnt", ar);
  neap__text_indent(text, indent);
  neap__text_add(text, "%s:", ar->short_src);
  if (ar->currentline > 0)
    neap__text_add(text, "%d:", ar->currentline);
  if (ar->name != NULL)
    neap__text_add(text, " in function '%.60s'\n", ar->name);
  else if (*ar->what == 'm')
    neap__text_add(text, " in main chunk\n");
  else if (*ar->what == 'C')
    neap__text_add(text, " in ?\n");
  else
    neap__text_add(text, " in function <%s:%d>\n", ar->short_src,
                   ar->linedefined);
}

/* How many frames co has. lua_getstack takes longer the deeper it goes, so they
   are not counted one by one. */
static int count_frames(lua_State *co) {
  lua_Debug ar;
  int less = 0, more = 1; /* there are more than less, and not more than more */
  while (lua_getstack(co, more - 1, &ar) != 0) {
    less = more;
    more *= 2;
  }
  while (more - less > 1) {
    int middle = less + (more - less) / 2;
    if (lua_getstack(co, middle - 1, &ar) != 0)
      less = middle;
    else
      more = middle;
  }
  return less;
}

static void print_thread(lua_State *co, struct neap_text *text,
                         uint32_t indent) {
  lua_Debug ar;
  int n = count_frames(co);
  int skipped = n > INNERMOST + OUTERMOST ? n - INNERMOST - OUTERMOST : 0;
  for (int level = 0; level < n && !text->cut; level++) {
    if (skipped > 0 && level == INNERMOST) {
      neap__text_indent(text, indent);
      neap__text_add(text, "... %d more\n", skipped);
      level += skipped;
    }
    if (lua_getstack(co, level, &ar) != 0)
      print_frame(co, &ar, text, indent);
  }
}

void neapL_where_print(const struct neap_task *task, struct neap_text *text,
                       uint32_t indent) {
  if (!neapL_task_is_lua(task))
    return;
  struct neapL *N = neapL_task_binding(task);
  for (uint32_t i = count_threads(N, task); i-- > 0 && !text->cut;)
    print_thread(thread_at(N, task, i), text, indent);
}
