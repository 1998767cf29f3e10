/*
 * formats.h: the formats of io's file:read, "l" "L" "a" "n" and counts, for
 * whatever has bytes to show: streams and files alike.
 */
#ifndef NEAP_LUA_FORMATS_H
#define NEAP_LUA_FORMATS_H

#include "include/neap.h"

#include <lua.h>

/*
 * What is read from. The peek functions wait, and return as neap_stream_peek_*
 * do (UV_EOF: the end, and nothing is left); what they show is not taken away
 * by them. Taken bytes are held until commit; rewind brings them back, also
 * those of an earlier call that an error ended.
 */
struct neapL_source {
  int (*peek_line)(void *self, neap_view *out);
  int (*peek_count)(void *self, size_t n, neap_view *out);
  int (*peek_all)(void *self, neap_view *out);
  int (*peek_number)(void *self, neap_view *out);
  void (*take)(void *self, size_t n);
  void (*commit)(void *self);
  void (*rewind)(void *self);
};

/* Raises unless each of the arguments first .. first + n - 1 is a format. */
void neapL_checkformats(lua_State *L, int first, int n);

/*
 * Reads by the n formats at index first and on, checked before; none: a line.
 * Waits. Pushes a value for each, nil for the first that the end leaves
 * without, none after that, and returns how many; or a negative code, with
 * nothing pushed and nothing taken away. May raise "not enough memory":
 * nothing is taken away then, either.
 */
int neapL_readformats(lua_State *L, const struct neapL_source *source,
                      void *self, int first, int n);

#endif
