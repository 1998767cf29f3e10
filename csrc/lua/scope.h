/*
 * scope.h: scopes, time limits and shields in Lua; what the rest of the binding
 * knows of them.
 */
#ifndef NEAP_LUA_SCOPE_H
#define NEAP_LUA_SCOPE_H

#include "core/scope.h"
#include "lua/neapl.h"

struct neapL_scope_box;

/* One neap.scope, timeout or time limit, while it has not ended. */
struct neapL_scope {
  struct neap_scope core;
  struct neapL *N;
  int error_ref; /* the first failure of a task in it: {error, traceback} */
  uint64_t failed_id;  /* whose; 0: none failed before its block did */
  uint32_t ncancelled; /* tasks in it that a cancellation has ended */
  bool body_failed;
  bool is_isolated; /* a failure in it is the task's own: it ends nothing */
  bool is_call;     /* of a function: ends with it */
  struct neapL_scope_box *box; /* what scripts see, or NULL */
  double seconds;              /* of a time limit */
};

/* Adds the functions to the module table on the top. May raise. */
void neapL_scope_open(lua_State *L, struct neapL *N);

/* The scope that task is in, if it is one of Lua's, or NULL. */
struct neapL_scope *neapL_scope_around(const struct neap_task *task);

/* The scope of a box, or NULL when it has ended. */
struct neap_scope *neapL_scope_in(const struct neapL_scope_box *box);

/* The scope that a spawn from L goes to, or NULL. Does not raise. */
struct neap_scope *neapL_scope_here(lua_State *L, struct neapL *N);

/*
 * A task in scope has failed. True when that is the first failure: the scope is
 * cancelled, and the table {error, traceback} on L's top, which is taken off,
 * is what it will raise. May raise before anything has happened.
 */
bool neapL_scope_fail(lua_State *L, struct neapL_scope *scope,
                      const struct neap_task *task);

/* The same without memory for the error. */
void neapL_scope_fail_bare(struct neapL_scope *scope,
                           const struct neap_task *task);

/* A task was ended by a cancellation; harmless if it is in no scope. */
void neapL_scope_cancelled(const struct neap_task *task);

/* What a cancellation value tells of the scope that is cancelled. */
void neapL_scope_tell(const struct neap_entry *entry, double *seconds,
                      uint64_t *failed_id);

#endif
