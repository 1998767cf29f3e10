/*
 * neapl.h: the binding's helpers. One `struct neapL` per Lua state ties it to
 * its runtime; every function of ours has it as its first upvalue.
 */
#ifndef NEAP_LUA_NEAPL_H
#define NEAP_LUA_NEAPL_H

#include "core/rt.h"
#include "lua/compat54.h"

/* What a Lua state has of neap. Lies in a userdata, so it outlives the
   runtime: functions called after the end find rt NULL. */
struct neapL {
  neap_rt *rt;
  bool owns_rt; /* it ends with the state; else the host frees it */
  bool drive;   /* the state's own stack may wait, and drives the loop then */
  bool hosted;  /* by a program that is not the script's */
  lua_State *main; /* the state's main thread */
  lua_State *work; /* for results and reports; nobody ever waits on it */

  /* References in the registry. */
  int work_ref;    /* keeps `work` */
  int handles_ref; /* place -> task handle, weak values */
  int threads_ref; /* place -> Lua thread of a live task */
  int handle_meta_ref;
  int failed_ref; /* handles of tasks that failed in this turn */
  int first_ref;  /* the message of the first failure nobody heard */
  int on_error_ref;
  int sentinel_ref;
  const void *sentinel; /* the newest one; see open.c */
  int module_ref;
  int coentries_ref; /* coroutine -> its innermost entry, weak keys; entry.c */
  int reasons_ref;   /* task or entry -> the reason of its cancellation */
  int traces_ref;    /* place -> {error, traceback}; traceback.c */
  int contexts_ref;  /* place -> context */
  int starts_ref;    /* place -> who waits for neap.ready */
  int cancelled_meta_ref;
  int deadlock_ref; /* the message of the last one; dump.c */
  int trace_hooks_ref, trace_handles_ref; /* while has_trace_hooks; trace.c */
  int left_out_ref; /* names the host does not want, or LUA_NOREF; open.c */

  /* By place - 1, the live Lua task there or NULL: a handle that the weak table
     has let go of looks here whether its task is still alive. */
  struct neap_task **tasks;
  /* Free places: a stack with room for every place there is, so that giving
     one back can't fail. In the same block, behind tasks. */
  uint32_t *places;
  uint32_t nplaces, nthreads, capacity;

  struct neap_entry *main_entry; /* where the main thread stands; entry.c */
  uint32_t coblocks;             /* entries that coroutines have opened */
  bool traced, has_contexts;     /* there ever was one of these */

  struct neapL_quota *quota; /* quota.h; NULL: Lua's memory is not counted */
  struct neapL_preempt *preempt; /* preempt.h; NULL: never asked for */
  bool main_exempt;              /* main is in neap.nopreempt */
  struct neapL_runner *runner;   /* the neap command's, or NULL; runner.h */

  /* Why nobody may wait just now, whatever a script's function that is called
     does ("in a trace hook"), or NULL. */
  const char *no_wait;
  uint32_t nfailed;  /* in the table of failed_ref */
  uint32_t unheard;  /* failures reported and not taken back */
  uint32_t settling; /* tasks in testing.settle; testing.c */
  bool has_trace_hooks;
  struct neapL_trace_file *trace_file; /* or NULL */
  int exit_code;                       /* what neap.exit was given */
  void *failing; /* test builds: the allocator that fails on demand */
};

/* The state's neapL, from the first upvalue of the running C function. */
static inline struct neapL *neapL_self(lua_State *L) {
  return (struct neapL *)lua_touserdata(L, lua_upvalueindex(1));
}

/* The runtime; raises when it has ended. */
neap_rt *neapL_rt(lua_State *L);

/* The runtime, or NULL when it has ended. Never raises. */
neap_rt *neapL_peekrt(lua_State *L);

/*
 * The runtime, for a function that waits; raises where nobody may wait: in a
 * finalizer, on the driver's stack, while failures are reported, in a closing
 * runtime, on the main state while a task's stack is running.
 */
neap_rt *neapL_waitrt(lua_State *L);

/* The same where the neapL is at hand. */
neap_rt *neapL_waitrt_of(lua_State *L, struct neapL *N);

/* For the __gc of an object that tasks may be waiting on: if any are, the
   state is being closed, and the runtime is ended first. Raises when it is not
   Lua that has called the __gc. */
void neapL_gc_enter(lua_State *L, bool has_waiters);

/*
 * Pushes nil, "what: message", "CODE" for a negative err and returns 3; what
 * may be NULL. Raises instead for the codes that end a wait from outside
 * (cancellation, the runtime's end, Ctrl-C, deadlock).
 */
int neapL_fail(lua_State *L, int err, const char *what);

/* The state's neapL, in a function that has it in no upvalue; NULL: it has
   none. Does not raise. */
struct neapL *neapL_of(lua_State *L);

/* Whether the value at arg can be called; raises if not. */
bool neapL_iscallable(lua_State *L, int arg);
void neapL_checkcallable(lua_State *L, int arg);

/* The hook that ends stubborn tasks: whether L has it; takes it off L. */
bool neapL_is_stubborn(lua_State *L);
void neapL_unstubborn(lua_State *L);

/* The running task's waits raise err, NEAP_CANCELLED or NEAP_CLOSING: raises
   it, in a hook as well. */
void neapL_raise_interrupt(lua_State *L, struct neapL *N, int err);

/* Raises for one of NEAP_*, which end a wait from outside. */
void neapL_raise_outside(lua_State *L, int err);

/* What lua.c's lstop does, from wherever the main script waits. Raises. */
int neapL_raise_sigint(lua_State *L, struct neapL *N);

/* Raises if err is one of the codes that neapL_fail raises. */
static inline void neapL_raise(lua_State *L, int err) {
  if (err <= NEAP_CANCELLED)
    neapL_raise_outside(L, err);
}

/* Pushes nil, "timed out after 2.5 s", "ETIMEDOUT"; returns 3. */
int neapL_timedout(lua_State *L, double seconds);

/* Raises for memory that ran out, and what neapL_raise raises. */
void neapL_checkwait(lua_State *L, int err);

/* What a wait on something of ours, rather than the system's, returns that
   ended with err < 0: as neapL_timedout if its time was over, else as
   neapL_fail; memory that ran out is raised. */
int neapL_failwait(lua_State *L, int err, double seconds);

/* The code as scripts see it: libuv's name, or the system's or ours where
   libuv has none. Static text. */
const char *neapL_errname(int err);

/* The message that strerror gives for a system error, else libuv's. */
const char *neapL_strerror(int err);

/* Argument checks that name the argument and the value. Seconds are returned
   in ns: negative is 0, huge NEAP_FOREVER, NaN raises. */
uint64_t neapL_checkseconds(lua_State *L, int arg);
uint64_t neapL_optseconds(lua_State *L, int arg, uint64_t def);

/* An optional timeout in seconds as a due time; NEAP_FOREVER without one,
   NEAP_ONCE for 0. */
uint64_t neapL_opttimeout(lua_State *L, int arg);

/* How large a socket's buffer is to be, in bytes; 0 without one. */
int neapL_optbuffer(lua_State *L, int arg);

/* A path: a string without NUL. Valid as long as the argument. */
const char *neapL_checkpath(lua_State *L, int arg);

/* An optional table of options: none or nil is fine, anything else raises. */
void neapL_checkoptions(lua_State *L, int arg);

/* Pushes the field of the option table at arg, or nil: there is none, or no
   table. Returns whether it is there. */
bool neapL_pushfield(lua_State *L, int arg, const char *name);

/* Fields of the option table at arg, if there is one; a field of the wrong
   type or range raises, naming it. */
bool neapL_optfieldbool(lua_State *L, int arg, const char *name, bool def);
size_t neapL_optfieldsize(lua_State *L, int arg, const char *name, size_t def);
lua_Integer neapL_optfieldint(lua_State *L, int arg, const char *name,
                              lua_Integer min, lua_Integer max,
                              lua_Integer def);
uint64_t neapL_optfieldseconds(lua_State *L, int arg, const char *name,
                               uint64_t def);

/* The same of a string, and pushes it, or nil: it is valid while it stays on
   the stack. The table need not hold it: its __index may have made it up, and
   other tasks change it. */
const char *neapL_optfieldstring(lua_State *L, int arg, const char *name,
                                 const char *def);

/* Raises "bad argument #arg to '...' (field 'name': problem)". */
int neapL_fielderror(lua_State *L, int arg, const char *name,
                     const char *problem);

/* luaL_setfuncs with the neapL as the first upvalue of each function. */
void neapL_setfuncs(lua_State *L, struct neapL *N, const luaL_Reg *funcs);

/* Makes the metatable `name` (what scripts see as __name): methods in __index,
   metamethods beside; it is the second upvalue of each of them. Leaves nothing
   on the stack. */
void neapL_newtype(lua_State *L, struct neapL *N, const char *name,
                   const luaL_Reg *methods, const luaL_Reg *meta);

/* The userdata at 1 in a function of such a type. Raises for anything else. The
   quick way of luaL_checkudata: the metatable is the second upvalue. */
static inline void *neapL_checkself(lua_State *L, const char *name) {
  void *self = lua_touserdata(L, 1);
  if (self != NULL && lua_getmetatable(L, 1)) {
    bool ours = lua_rawequal(L, -1, lua_upvalueindex(2));
    lua_pop(L, 1);
    if (ours)
      return self;
  }
  return luaL_checkudata(L, 1, name);
}

/* Calls the function that a module of ours written in Lua returns, with all
   arguments; returns how many results there are. May raise. (module.c) */
int neapL_calllua(lua_State *L, const char *module);

/* Sets a field of the table on the top. May raise. */
void neapL_setinteger(lua_State *L, const char *name, uint64_t value);

/* Replaces the values at first and on by a table of them; returns how many. May
   raise, having changed nothing. */
int neapL_pack(lua_State *L, int first);

/* Replaces the table on the top by its first n values; returns n. Raises where
   they don't fit. */
int neapL_unpack(lua_State *L, int n);

/* A warning, as lua's warn function gives it: "neap: " and the text. */
void neapL_warn(lua_State *L, const char *text);
void neapL_warn2(lua_State *L, const char *text, const char *more);

/* Ends the runtime in a state that closes: says what was left, unwinds every
   task, reports what failed. The memory stays until the state is gone. */
void neapL_close(lua_State *L, struct neapL *N);

/* The same, and the binding lets go of the runtime: N->rt is NULL afterwards,
   and what the state still has of neap says that it has ended. Frees the
   runtime if it is ours. */
void neapL_end(lua_State *L, struct neapL *N);

/* Raises Lua's own "not enough memory". */
void neapL_nomem(lua_State *L);

/* The state's neapL, opening neap in it if need be; for luaopen_neap_*. */
struct neapL *neapL_require(lua_State *L);

/* The module table's own functions (neap.c): adds them to the table on L's top.
   May raise. */
void neapL_neap_open(lua_State *L, struct neapL *N);

/* Takes back what only test builds have changed in the state. */
void neapL_neap_close(lua_State *L, struct neapL *N);

#endif
