/*
 * sync.c: neap.mutex, semaphore, event and condition. None holds memory but
 * its own userdata.
 */
#include "lua/sync.h"

#include "core/sync.h"
#include "lua/select.h"
#include "lua/task.h"

#define MUTEX     "neap.mutex"
#define SEMAPHORE "neap.semaphore"
#define PERMIT    "neap.permit"
#define EVENT     "neap.event"
#define CONDITION "neap.condition"

/* Pushes nil, message, "EAGAIN"; the message is on the top. */
static int fail_try(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushliteral(L, "EAGAIN");
  return 3;
}

static int push_true(lua_State *L) {
  lua_pushboolean(L, true);
  return 1;
}

/* --- mutex ---------------------------------------------------------------- */

/* Pushes "task 7 worker". */
static const char *push_owner(lua_State *L, const struct neap_mutex *m) {
  const char *name = neapL_task_name(m->owner);
  return lua_pushfstring(L, "task %I%s%s", (LUAI_UACINT)m->owner->id,
                         name != NULL ? " " : "", name != NULL ? name : "");
}

/* Raises for what only a mistake in the program leads to. */
static void check_lock(lua_State *L, const struct neap_mutex *m, int err) {
  if (err == UV_EALREADY)
    luaL_error(L, "mutex is locked by this task already");
  if (err == UV_ESRCH)
    luaL_error(L, "mutex is locked for ever: %s ended without unlocking it",
               push_owner(L, m));
}

/* mutex:lock([timeout]) -> mutex | nil, message, code. Waits. The mutex is its
   own guard: `local guard <close> = mutex:lock()`. */
static int mutex_lock(lua_State *L) {
  struct neap_mutex *m = neapL_checkself(L, MUTEX);
  uint64_t due = neapL_opttimeout(L, 2);
  neapL_waitrt(L);
  int err = neap__sync_lock(m, due);
  check_lock(L, m, err);
  if (err < 0)
    return neapL_failwait(L, err, lua_tonumber(L, 2));
  lua_settop(L, 1);
  return 1;
}

/* Raises where no task is running. */
static void check_current(lua_State *L) {
  if (neapL_rt(L)->sched.current == NULL)
    luaL_error(L, "no task is running here (call from a task)");
}

/* mutex:try_lock() -> mutex | nil, message, code. Does not wait. */
static int mutex_try_lock(lua_State *L) {
  struct neap_mutex *m = neapL_checkself(L, MUTEX);
  check_current(L);
  int err = neap__sync_try_lock(m);
  check_lock(L, m, err);
  if (err < 0) {
    lua_pushfstring(L, "mutex is locked by %s", push_owner(L, m));
    return fail_try(L);
  }
  lua_settop(L, 1);
  return 1;
}

/* mutex:unlock() -> true. Does not wait. */
static int mutex_unlock(lua_State *L) {
  struct neap_mutex *m = neapL_checkself(L, MUTEX);
  neapL_rt(L);
  if (neap__sync_unlock(m) == 0)
    return push_true(L);
  if (m->owner == NULL)
    return luaL_error(L, "mutex is not locked");
  return luaL_error(L, "mutex is locked by %s, not by this one",
                    push_owner(L, m));
}

/* Unlocks it if the task has it still. */
static int mutex_close(lua_State *L) {
  struct neap_mutex *m = neapL_checkself(L, MUTEX);
  if (neapL_peekrt(L) != NULL && neap__sync_owns(m))
    neap__sync_unlock(m);
  return 0;
}

static int mutex_gc(lua_State *L) {
  struct neap_mutex *m = luaL_checkudata(L, 1, MUTEX);
  neapL_gc_enter(L, !neap__list_empty(&m->waiters));
  if (neapL_self(L)->rt != NULL)
    neap__sync_mutex_deinit(m);
  return 0;
}

static int mutex_tostring(lua_State *L) {
  const struct neap_mutex *m = luaL_checkudata(L, 1, MUTEX);
  if (neapL_peekrt(L) != NULL && m->owner != NULL)
    lua_pushfstring(L, "mutex (locked by %s)", push_owner(L, m));
  else
    lua_pushliteral(L, "mutex (not locked)");
  return 1;
}

/* neap.mutex() -> mutex. Does not wait. */
static int neap_mutex(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  struct neap_mutex *m = lua_newuserdatauv(L, sizeof *m, 0);
  neap__sync_mutex_init(m, rt);
  luaL_setmetatable(L, MUTEX);
  return 1;
}

/* --- semaphore ------------------------------------------------------------ */

/* One unit, taken; the semaphore is its user value. */
struct permit {
  struct neap_semaphore *semaphore; /* NULL: given back, or never taken */
};

/* A permit before its unit is there, with the semaphore at 1. */
static struct permit *new_permit(lua_State *L) {
  struct permit *p = lua_newuserdatauv(L, sizeof *p, 1);
  p->semaphore = NULL;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, PERMIT);
  return p;
}

/* semaphore:acquire([timeout]) -> permit | nil, message, code. Waits. */
static int semaphore_acquire(lua_State *L) {
  struct neap_semaphore *s = neapL_checkself(L, SEMAPHORE);
  uint64_t due = neapL_opttimeout(L, 2);
  neapL_waitrt(L);
  lua_settop(L, 2);
  struct permit *p = new_permit(L);
  int err = neap__sync_acquire(s, due);
  if (err < 0)
    return neapL_failwait(L, err, lua_tonumber(L, 2));
  p->semaphore = s;
  return 1;
}

/* semaphore:try_acquire() -> permit | nil, message, code. Does not wait. */
static int semaphore_try_acquire(lua_State *L) {
  struct neap_semaphore *s = neapL_checkself(L, SEMAPHORE);
  neapL_rt(L);
  struct permit *p = new_permit(L);
  if (neap__sync_try_acquire(s) < 0) {
    lua_pushliteral(L, "semaphore is used up");
    return fail_try(L);
  }
  p->semaphore = s;
  return 1;
}

static void release(lua_State *L, struct neap_semaphore *s) {
  if (neap__sync_release(s) < 0)
    luaL_error(L, "semaphore is released more often than acquired");
}

/* semaphore:release() -> true. Does not wait. */
static int semaphore_release(lua_State *L) {
  struct neap_semaphore *s = neapL_checkself(L, SEMAPHORE);
  neapL_rt(L);
  release(L, s);
  return push_true(L);
}

static int semaphore_tostring(lua_State *L) {
  const struct neap_semaphore *s = luaL_checkudata(L, 1, SEMAPHORE);
  lua_pushfstring(L, "semaphore (%I of %I)", (LUAI_UACINT)s->units,
                  (LUAI_UACINT)s->most);
  return 1;
}

/* permit:release() -> true. Does not wait. The first time alone counts. */
static int permit_release(lua_State *L) {
  struct permit *p = neapL_checkself(L, PERMIT);
  struct neap_semaphore *s = p->semaphore;
  p->semaphore = NULL;
  if (s != NULL && neapL_peekrt(L) != NULL)
    release(L, s);
  return push_true(L);
}

static int permit_tostring(lua_State *L) {
  const struct permit *p = luaL_checkudata(L, 1, PERMIT);
  lua_pushfstring(L, "permit (%s)", p->semaphore != NULL ? "held" : "released");
  return 1;
}

static int semaphore_gc(lua_State *L) {
  struct neap_semaphore *s = luaL_checkudata(L, 1, SEMAPHORE);
  neapL_gc_enter(L, !neap__list_empty(&s->waiters));
  return 0;
}

/* neap.semaphore(n) -> semaphore. Does not wait. */
static int neap_semaphore(lua_State *L) {
  lua_Integer units = luaL_checkinteger(L, 1);
  neap_rt *rt = neapL_rt(L);
  luaL_argcheck(L, units > 0, 1, "at least one unit expected");
  struct neap_semaphore *s = lua_newuserdatauv(L, sizeof *s, 0);
  neap__sync_semaphore_init(s, rt, (uint64_t)units);
  luaL_setmetatable(L, SEMAPHORE);
  return 1;
}

/* --- event ---------------------------------------------------------------- */

/* event:wait([timeout]) -> true | nil, message, code. Waits. */
static int event_wait(lua_State *L) {
  struct neap_event *e = neapL_checkself(L, EVENT);
  uint64_t due = neapL_opttimeout(L, 2);
  neapL_waitrt(L);
  int err = neap__sync_event_wait(e, due);
  return err < 0 ? neapL_failwait(L, err, lua_tonumber(L, 2)) : push_true(L);
}

/* event:set(). Does not wait. */
static int event_set(lua_State *L) {
  struct neap_event *e = neapL_checkself(L, EVENT);
  neapL_rt(L);
  neap__sync_event_set(e);
  return 0;
}

/* event:clear(). Does not wait. */
static int event_clear(lua_State *L) {
  struct neap_event *e = neapL_checkself(L, EVENT);
  neapL_rt(L);
  e->is_set = false;
  return 0;
}

/* event:is_set() -> boolean. Does not wait. */
static int event_is_set(lua_State *L) {
  const struct neap_event *e = neapL_checkself(L, EVENT);
  lua_pushboolean(L, e->is_set);
  return 1;
}

static int event_select(lua_State *L) {
  struct neap_event *e = luaL_checkudata(L, 1, EVENT);
  neapL_rt(L);
  if (!e->is_set && !lua_toboolean(L, 2))
    return neapL_select_later(L, &e->waiters, true, "event:wait");
  lua_pushboolean(L, true);
  lua_pushboolean(L, true);
  return 2;
}

static int event_tostring(lua_State *L) {
  const struct neap_event *e = luaL_checkudata(L, 1, EVENT);
  lua_pushfstring(L, "event (%s)", e->is_set ? "set" : "not set");
  return 1;
}

static int event_gc(lua_State *L) {
  struct neap_event *e = luaL_checkudata(L, 1, EVENT);
  neapL_gc_enter(L, !neap__list_empty(&e->waiters));
  return 0;
}

/* neap.event() -> event. Does not wait. */
static int neap_event(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  struct neap_event *e = lua_newuserdatauv(L, sizeof *e, 0);
  neap__sync_event_init(e, rt);
  luaL_setmetatable(L, EVENT);
  return 1;
}

/* --- condition ------------------------------------------------------------ */

/* condition:wait([timeout]) -> true | nil, message, code. Waits. */
static int condition_wait(lua_State *L) {
  struct neap_condition *c = neapL_checkself(L, CONDITION);
  uint64_t due = neapL_opttimeout(L, 2);
  neapL_waitrt(L);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, 1); /* the mutex or nil: held while we wait */
  struct neap_mutex *m = lua_touserdata(L, -1);
  int err = neap__sync_condition_wait(c, m, due);
  if (err == UV_EPERM)
    return luaL_error(L, "condition's mutex is not locked by this task");
  if (m != NULL)
    check_lock(L, m, err);
  return err < 0 ? neapL_failwait(L, err, lua_tonumber(L, 2)) : push_true(L);
}

/* condition:notify([n]) -> how many were woken. Does not wait. */
static int condition_notify(lua_State *L) {
  struct neap_condition *c = neapL_checkself(L, CONDITION);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, n >= 0, 2, "negative number");
  neapL_rt(L);
  lua_pushinteger(L, (lua_Integer)neap__sync_notify(c, (uint64_t)n));
  return 1;
}

/* condition:notify_all() -> how many were woken. Does not wait. */
static int condition_notify_all(lua_State *L) {
  struct neap_condition *c = neapL_checkself(L, CONDITION);
  neapL_rt(L);
  lua_pushinteger(L, (lua_Integer)neap__sync_notify(c, UINT64_MAX));
  return 1;
}

static int condition_gc(lua_State *L) {
  struct neap_condition *c = luaL_checkudata(L, 1, CONDITION);
  neapL_gc_enter(L, !neap__list_empty(&c->waiters));
  return 0;
}

/* neap.condition([mutex]) -> condition. Does not wait. */
static int neap_condition(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  if (!lua_isnoneornil(L, 1))
    luaL_checkudata(L, 1, MUTEX);
  lua_settop(L, 1);
  struct neap_condition *c = lua_newuserdatauv(L, sizeof *c, 1);
  neap__sync_condition_init(c, rt);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, CONDITION);
  return 1;
}

struct neap_list *neapL_sync_queue(lua_State *L, int index) {
  struct neap_event *e = luaL_testudata(L, index, EVENT);
  struct neap_condition *c = luaL_testudata(L, index, CONDITION);
  if (e != NULL)
    return e->is_set ? NULL : &e->waiters;
  return c != NULL ? &c->waiters : NULL;
}

/* --- tables --------------------------------------------------------------- */

static const luaL_Reg functions[] = {{"mutex", neap_mutex},
                                     {"semaphore", neap_semaphore},
                                     {"event", neap_event},
                                     {"condition", neap_condition},
                                     {NULL, NULL}};

static const luaL_Reg mutex_methods[] = {{"lock", mutex_lock},
                                         {"try_lock", mutex_try_lock},
                                         {"unlock", mutex_unlock},
                                         {NULL, NULL}};

static const luaL_Reg mutex_meta[] = {{"__tostring", mutex_tostring},
                                      {"__close", mutex_close},
                                      {"__gc", mutex_gc},
                                      {NULL, NULL}};

static const luaL_Reg semaphore_methods[] = {
    {"acquire", semaphore_acquire},
    {"try_acquire", semaphore_try_acquire},
    {"release", semaphore_release},
    {NULL, NULL}};

static const luaL_Reg semaphore_meta[] = {
    {"__tostring", semaphore_tostring}, {"__gc", semaphore_gc}, {NULL, NULL}};

static const luaL_Reg permit_methods[] = {{"release", permit_release},
                                          {NULL, NULL}};

static const luaL_Reg permit_meta[] = {
    {"__tostring", permit_tostring}, {"__close", permit_release}, {NULL, NULL}};

static const luaL_Reg event_methods[] = {{"set", event_set},
                                         {"clear", event_clear},
                                         {"wait", event_wait},
                                         {"is_set", event_is_set},
                                         {NULL, NULL}};

static const luaL_Reg event_meta[] = {{"__tostring", event_tostring},
                                      {"__select", event_select},
                                      {"__gc", event_gc},
                                      {NULL, NULL}};

static const luaL_Reg condition_methods[] = {
    {"wait", condition_wait},
    {"notify", condition_notify},
    {"notify_all", condition_notify_all},
    {NULL, NULL}};

static const luaL_Reg condition_meta[] = {{"__gc", condition_gc}, {NULL, NULL}};

void neapL_sync_open(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, MUTEX, mutex_methods, mutex_meta);
  neapL_newtype(L, N, SEMAPHORE, semaphore_methods, semaphore_meta);
  neapL_newtype(L, N, PERMIT, permit_methods, permit_meta);
  neapL_newtype(L, N, EVENT, event_methods, event_meta);
  neapL_newtype(L, N, CONDITION, condition_methods, condition_meta);
  neapL_setfuncs(L, N, functions);
}
