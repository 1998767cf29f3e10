/*
 * chan.h: the channel type, and what select takes of it.
 */
#ifndef NEAP_LUA_CHAN_H
#define NEAP_LUA_CHAN_H

#include "core/chan.h"
#include "lua/neapl.h"

/*
 * A channel. Its items stand for Lua values: booleans and integers up to 61
 * bits are in the item itself, for any other value it is a place in the
 * channel's userdata. So what is in a channel goes with it.
 *
 * The near places are user values. The far ones, for whom those don't suffice,
 * are in a table, in which a free place holds the number of the next free one:
 * giving a place back can't fail.
 */
struct neapL_chan {
  const void *mark; /* says that it is a channel, and not collected yet */
  struct neapL *N;
  struct neap_chan core;
  uint64_t near;     /* bit n: user value n is a free place */
  uint32_t far;      /* the first free one; 0: none */
  uint32_t far_most; /* in the table, 1 .. far_most */
  uint64_t items[];
};

/* The channel at index, or NULL when it is something else. */
struct neapL_chan *neapL_chan_test(lua_State *L, int index);

/* Makes sure that n values can be kept without raising. self: the channel's
   index, an absolute one. May raise. */
void neapL_chan_reserve(lua_State *L, struct neapL_chan *ch, int self,
                        uint32_t n);

/* The item for the value at index, which the channel keeps until it is taken
   back. May raise, unless there was a reserve. */
uint64_t neapL_chan_keep(lua_State *L, struct neapL_chan *ch, int self,
                         int index);

/* Pushes the value of an item, and forgets it. Does not raise. */
void neapL_chan_take(lua_State *L, struct neapL_chan *ch, int self,
                     uint64_t item);

/* Pushes what a send (value false) or receive on a closed channel returns. */
int neapL_chan_closed(lua_State *L, int err);

void neapL_chan_open(lua_State *L, struct neapL *N);

#endif
