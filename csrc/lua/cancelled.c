/* cancelled.c: cancellation values; what they are is told in cancelled.h. */
#include "lua/cancelled.h"

#include "lua/entry.h"
#include "lua/scope.h"
#include "lua/task.h"

#include <stdio.h>
#include <string.h>

#define TYPE "neap.cancelled"

/* Its user value is the reason. */
struct cancelled {
  uint64_t serial; /* the entry's; 0: the task itself was cancelled */
  uint64_t task;   /* the id of the task, or of the one that failed */
  double seconds;  /* of a deadline */
  uint8_t why;     /* enum neap_why */
  bool of_scope;   /* not of a task further out */
};

/* -- reasons */

void neapL_reason_set(lua_State *L, const struct neapL *N, const void *key) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->reasons_ref);
  lua_insert(L, -2);
  lua_rawsetp(L, -2, key);
  lua_pop(L, 1);
}

void neapL_reason_push(lua_State *L, const struct neapL *N, const void *key) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->reasons_ref);
  lua_rawgetp(L, -1, key);
  lua_remove(L, -2);
}

/* Sets a key that is there, or is not, to nil: that allocates nothing. */
void neapL_reason_clear(lua_State *L, const struct neapL *N, const void *key) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->reasons_ref);
  if (lua_rawgetp(L, -1, key) != LUA_TNIL) {
    lua_pushnil(L);
    lua_rawsetp(L, -3, key);
  }
  lua_pop(L, 2);
}

void neapL_reason_text(lua_State *L, const char *prefix) {
  if (lua_isnil(L, -1)) {
    lua_pushstring(L, prefix);
  } else {
    luaL_tolstring(L, -1, NULL);
    lua_pushfstring(L, "%s: %s", prefix, lua_tostring(L, -1));
    lua_remove(L, -2);
  }
  lua_remove(L, -2);
}

void neapL_error_push(lua_State *L, const char *code) {
  lua_createtable(L, 0, 3);
  lua_insert(L, -3);
  lua_setfield(L, -3, "reason");
  lua_setfield(L, -2, "message");
  lua_pushstring(L, code);
  lua_setfield(L, -2, "code");
  luaL_setmetatable(L, "neap.error");
}

/* -- the value */

static struct cancelled *to_cancelled(lua_State *L, int index,
                                      const struct neapL *N) {
  struct cancelled *c = lua_touserdata(L, index);
  if (c == NULL || !lua_getmetatable(L, index))
    return NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->cancelled_meta_ref);
  bool is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is ? c : NULL;
}

void neapL_cancelled_push(lua_State *L, struct neapL *N) {
  const struct neap_task *task = N->rt->sched.current;
  const struct neap_entry *cause =
      task->entry != NULL ? task->entry->cause : NULL;
  if (cause == neap__cancel_root_of(task))
    cause = NULL; /* the task itself, by name */
  struct cancelled *c = lua_newuserdatauv(L, sizeof *c, 1);
  memset(c, 0, sizeof *c);
  c->why = NEAP_WHY_ASKED;
  c->task = task->id;
  if (cause != NULL) {
    c->serial = cause->serial;
    c->why = cause->why;
    c->of_scope = cause->kind == NEAP_ENTRY_SCOPE;
    neapL_scope_tell(cause, &c->seconds, &c->task);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->cancelled_meta_ref);
  lua_setmetatable(L, -2);
  neapL_reason_push(L, N, cause != NULL ? (const void *)cause : task);
  lua_setiuservalue(L, -2, 1);
}

bool neapL_cancelled_belongs(lua_State *L, const struct neapL *N,
                             const struct neap_entry *entry) {
  const struct cancelled *c = to_cancelled(L, -1, N);
  return c != NULL && c->serial == entry->serial;
}

static bool is_around(const struct cancelled *c,
                      const struct neap_entry *entry) {
  for (; entry != NULL; entry = entry->outer)
    if (entry->serial == c->serial)
      return entry->why != 0;
  return false;
}

bool neapL_cancelled_ends(lua_State *L, const struct neapL *N,
                          const struct neap_task *task) {
  const struct cancelled *c = to_cancelled(L, -1, N);
  if (c == NULL)
    return false;
  if (c->serial == 0)
    return c->task == task->id && task->cancelled;
  return is_around(c, neap__cancel_root_of(task));
}

void neapL_cancelled_reason(lua_State *L) {
  lua_getiuservalue(L, -1, 1);
  lua_replace(L, -2);
}

/* neap.is_cancelled(err) -> boolean, reason. Does not wait. */
static int neap_is_cancelled(lua_State *L) {
  struct neapL *N = neapL_self(L);
  luaL_checkany(L, 1);
  const neap_rt *rt = neapL_rt(L);
  const struct neap_task *task = rt->sched.current;
  lua_settop(L, 1);
  const struct cancelled *c = to_cancelled(L, 1, N);
  bool is = false;
  if (c != NULL && task != NULL)
    is = c->serial == 0 ? c->task == task->id && task->cancelled
                        : is_around(c, neapL_entry_here(L, N));
  lua_pushboolean(L, is);
  if (!is)
    return 1;
  lua_getiuservalue(L, 1, 1);
  return 2;
}

/* What the value says without its reason. */
static const char *explain(const struct cancelled *c, char *text, size_t size) {
  unsigned long long id = c->task;
  switch (c->why) {
  case NEAP_WHY_TIMEOUT:
    snprintf(text, size, "cancelled: timed out after %.14g s", c->seconds);
    return text;
  case NEAP_WHY_CHILD:
    snprintf(text, size, "cancelled: task %llu failed", id);
    return text;
  case NEAP_WHY_BODY:
    return "cancelled: the scope's own block failed";
  case NEAP_WHY_ABANDONED:
    return "cancelled: the scope's block was abandoned";
  default:
    if (c->serial != 0)
      return c->of_scope ? "scope cancelled"
                         : "cancelled with the task whose scope this is in";
    snprintf(text, size, "task %llu was cancelled", id);
    return text;
  }
}

static int cancelled_tostring(lua_State *L) {
  const struct cancelled *c = luaL_checkudata(L, 1, TYPE);
  char text[80];
  lua_getiuservalue(L, 1, 1);
  neapL_reason_text(L, explain(c, text, sizeof text));
  return 1;
}

void neapL_cancelled_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {{"is_cancelled", neap_is_cancelled},
                                       {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  lua_pushcfunction(L, cancelled_tostring);
  lua_setfield(L, -2, "__tostring");
  N->cancelled_meta_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  neapL_setfuncs(L, N, functions);
}
