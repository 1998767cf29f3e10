/*
 * compat54.h: what differs between the Lua versions that neap serves: 5.4 from
 * 5.4.4 on, and 5.5. The only place that looks at LUA_VERSION_NUM.
 */
#ifndef NEAP_LUA_COMPAT54_H
#define NEAP_LUA_COMPAT54_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#if LUA_VERSION_NUM < 504 ||                                                   \
    (LUA_VERSION_NUM == 504 && LUA_VERSION_RELEASE_NUM < 50404)
/* In 5.4.0 and 5.4.1 a thread resumed without `from` gets a tenth of the C
   levels; 5.4.2 loses the error in lua_resetthread. */
#error "neap needs Lua 5.4.4 or later"
#endif

/* Up to 5.4 io writes the float 1.0 as "1", later as "1.0". */
#define NEAPL_IO_SHORT_FLOATS (LUA_VERSION_NUM < 505)

/* From 5.5 on a coroutine may close itself. */
#define NEAPL_CLOSES_ITSELF (LUA_VERSION_NUM >= 505)

/* Unwinds a thread that has ended with an error: runs its to-be-closed
   variables on this C stack. The error, or a later one, is on its top. */
static inline int neapL_unwind(lua_State *co) {
#if LUA_VERSION_RELEASE_NUM >= 50406
  return lua_closethread(co, NULL);
#else
  return lua_resetthread(co);
#endif
}

/* The same from L, and of a thread that has yielded or not begun as well. */
static inline int neapL_closethread(lua_State *co, lua_State *L) {
#if LUA_VERSION_RELEASE_NUM >= 50406
  return lua_closethread(co, L);
#else
  (void)L;
  return lua_resetthread(co);
#endif
}

#endif
