/*
 * scope_life.h: how a scope of a script begins and ends, between scope.c and
 * scope_life.c. What the rest of the binding knows of scopes is in scope.h.
 */
#ifndef NEAP_LUA_SCOPE_LIFE_H
#define NEAP_LUA_SCOPE_LIFE_H

#include "lua/scope.h"

/* The userdata of a scope. Its user value: the coroutine that opened it. */
struct neapL_scope_box {
  struct neapL_scope *scope; /* NULL when it has ended */
  uint64_t id;
};

/* How a scope has ended. */
enum neapL_end {
  NEAPL_END_WELL,     /* by its block's results, or its block's own error */
  NEAPL_END_CHILD,    /* by a child's error, which is pushed */
  NEAPL_END_DEADLOCK, /* its tasks could not go on */
  NEAPL_END_AROUND,   /* a cancellation from around it has ended tasks */
  NEAPL_END_TIME,     /* by its deadline; its reason, nil, is pushed */
  NEAPL_END_CANCEL    /* by scope:cancel; its reason is pushed */
};

/* Opens a scope in which L stands from now on. due_ns limits it: 0 is over at
   once. May raise, with nothing opened. */
struct neapL_scope *neapL_scope_begin(lua_State *L, struct neapL *N,
                                      uint64_t due_ns);

/*
 * L's block is over, with the error on its top if failed. Waits for the tasks
 * in scope and frees it; pushes what enum neapL_end says. Three slots must be
 * free: does not raise.
 */
enum neapL_end neapL_scope_end(lua_State *L, struct neapL_scope *scope,
                               bool failed);

/* Raises what is not the scope's own doing: a deadlock, a cancellation from
   around it. */
void neapL_scope_raise_outside(lua_State *L, const struct neapL *N,
                               enum neapL_end how);

/*
 * Calls the function with its nargs arguments on L's top inside scope. Returns
 * the number of results on the top, or raises; -1 when the scope was cancelled:
 * *how says by what, and its reason is on the top.
 */
int neapL_scope_call(lua_State *L, struct neapL_scope *scope, int nargs,
                     enum neapL_end *how);

/* Nobody waits for the end of scope any more. */
void neapL_scope_disown(struct neapL_scope *scope);

#endif
