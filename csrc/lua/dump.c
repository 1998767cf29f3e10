/* dump.c: neap.tasks, neap.dump and what a deadlock says; see dump.h. */
#include "lua/dump.h"

#include "core/info.h"
#include "lua/task_handle.h"
#include "lua/where.h"

#include <stdio.h>

#define TEXT "neap.text"

/* A deadlock's dump goes into an error message: shorter than one asked for. */
#define DEADLOCK_MAX ((size_t)16 * 1024)

/* --- neap.tasks ----------------------------------------------------------- */

/* neap.tasks() -> {task...}. Does not wait. Main is the first; a host's C tasks
   are not in it. */
static int neap_tasks(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neap_rt *rt = neapL_rt(L);
  uint32_t left = rt->sched.ntasks + 1, at = 0;
  struct neap_list *head = &rt->sched.tasks, *node = head->next;
  lua_createtable(L, (int)left, 0);
  /* Making handles may run finalizers, and those may spawn: only those
     there were. No task ends meanwhile. */
  for (; left > 0; left--) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    node = node->next;
    if (!neapL_task_is_lua(task))
      continue;
    neapL_task_push(L, N, task);
    lua_rawseti(L, -2, ++at);
  }
  return 1;
}

/* --- neap.dump ------------------------------------------------------------ */

/* A text in a userdata: whatever raises while it is held. */
static struct neap_text *push_text(lua_State *L, neap_rt *rt, size_t max) {
  struct neap_text *text = lua_newuserdatauv(L, sizeof *text, 0);
  neap__text_init(text, &rt->mem, max);
  luaL_setmetatable(L, TEXT);
  return text;
}

static int text_gc(lua_State *L) {
  neap__text_deinit(lua_touserdata(L, 1));
  return 0;
}

/* Pushes prefix and the dump. May raise. */
static void push_dump(lua_State *L, neap_rt *rt, const char *prefix,
                      size_t max) {
  struct neap_text *text = push_text(L, rt, max);
  neap__text_add(text, "%s", prefix);
  neap__info_dump(rt, text);
  if (text->base == NULL)
    neapL_nomem(L);
  lua_pushlstring(L, text->base, text->len);
  neap__text_deinit(text);
  lua_remove(L, -2);
}

/* neap.dump([file]). Writes what every task does to file (anything with a
   write method) or stderr. Does not wait itself. */
int neapL_dump_function(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  lua_settop(L, 1);
  if (!lua_isnil(L, 1)) {
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__index") == LUA_TNIL && !lua_istable(L, 1))
      return luaL_typeerror(L, 1, "file");
    lua_settop(L, 1);
  }
  push_dump(L, rt, "", NEAP_DUMP_MAX);
  if (lua_isnil(L, 1)) {
    fputs(lua_tostring(L, -1), stderr);
    fflush(stderr);
    return 0;
  }
  lua_getfield(L, 1, "write");
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -3);
  lua_call(L, 2, 0);
  return 0;
}

/* --- a deadlock ----------------------------------------------------------- */

/* For lua_pcall on N->work: (neapL). */
static int keep_deadlock(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  lua_pushfstring(L, "%s\n", neapL_strerror(NEAP_EDEADLK));
  push_dump(L, N->rt, lua_tostring(L, -1), DEADLOCK_MAX);
  lua_rawseti(L, LUA_REGISTRYINDEX, N->deadlock_ref);
  return 0;
}

/* The runtime's on_deadlock: main still waits, so that the dump says for what.
   On the driver's stack. */
static void on_deadlock(neap_rt *rt, void *binding) {
  struct neapL *N = binding;
  lua_State *work = N->work;
  (void)rt;
  lua_rawgetp(work, LUA_REGISTRYINDEX, neapL_strerror(NEAP_EDEADLK));
  lua_rawseti(work, LUA_REGISTRYINDEX, N->deadlock_ref);
  lua_pushcfunction(work, keep_deadlock);
  lua_pushlightuserdata(work, N);
  if (lua_pcall(work, 1, 0, 0) != LUA_OK)
    lua_pop(work, 1); /* no memory for the dump: the bare message */
}

void neapL_dump_pushdeadlock(lua_State *L, const struct neapL *N) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->deadlock_ref);
}

/* What struct neap_info asks for: where the task was spawned, if it is known.
 */
static void print_spawned(const struct neap_task *task, struct neap_text *text,
                          uint32_t indent) {
  const char *origin = neapL_task_origin(task);
  if (origin == NULL)
    return;
  neap__text_indent(text, indent);
  neap__text_add(text, "spawned at %s\n", origin);
}

void neapL_dump_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg text_meta[] = {{"__gc", text_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"tasks", neap_tasks}, {"dump", neapL_dump_function}, {NULL, NULL}};
  const char *bare = neapL_strerror(NEAP_EDEADLK);
  neapL_newtype(L, N, TEXT, none, text_meta);
  neapL_setfuncs(L, N, functions);
  lua_pushstring(L, bare);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, bare);
  N->deadlock_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void neapL_dump_attach(neap_rt *rt) {
  rt->info.name_of = neapL_task_name;
  rt->info.stack_hash = neapL_where_hash;
  rt->info.stack_print = neapL_where_print;
  rt->info.spawn_print = print_spawned;
  rt->on_deadlock = on_deadlock;
}
