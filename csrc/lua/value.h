/*
 * value.h: deep copies of Lua values between states, also of other threads:
 * written into bytes here, read from them there. Nil, booleans, numbers,
 * strings, and tables of these: with cycles, and with one table met twice being
 * one table again.
 */
#ifndef NEAP_LUA_VALUE_H
#define NEAP_LUA_VALUE_H

#include <lua.h>

#include <stddef.h>

/* Values as bytes; all-zero: none. Any thread may free them. */
struct neapL_values {
  char *bytes;
  size_t len, capacity;
  int n; /* how many */
};

/*
 * Writes the n values at first and on of L into *out, which is empty. False
 * when there is one that can't be copied: *bad is its place, from 1, and a text
 * that says why, as "a function", is pushed. May raise, for want of memory;
 * *out is to be freed in any case.
 */
int neapL_value_write(lua_State *L, int first, int n, struct neapL_values *out,
                      int *bad);

/* Pushes copies of the values; returns how many. May raise, for want of memory
   or stack. */
int neapL_value_read(lua_State *L, const struct neapL_values *values);

/* Harmless for none. */
void neapL_value_free(struct neapL_values *values);

#endif
