/*
 * neap_lua.h: neap for programs that embed Lua: a runtime in a lua_State of
 * theirs. All functions are to be called on the runtime's thread.
 *
 * Who may wait is decided by the C stack, never by the lua_State: a Lua task,
 * in whatever it calls, a lua_CFunction of the host's included; not the host's
 * own stack, unless options.drive is set; and not a C task (neap_spawn) in Lua
 * code that it calls: it spawns the function as a task of its own and joins
 * that.
 */
#ifndef NEAP_LUA_H
#define NEAP_LUA_H

#include "neap.h"

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What neap_lua_open may be told. All-zero but size: the defaults. */
typedef struct neap_lua_options {
  size_t size; /* sizeof(neap_lua_options), so that it may grow */
  neap_rt *rt; /* a runtime of the host's, for this state alone; NULL: one is
                  made, and freed with the state */
  const neap_options *runtime; /* how it is made; NULL: with the defaults */
  bool drive; /* the host's own stack may wait, and drives the loop meanwhile.
                 On a loop of the host's: not inside its uv_run */
  /* What scripts don't get, a list that ends with NULL: "fs" is neap.fs, as a
     field and by require; "offload" a function. It is no sandbox. NULL: they
     get everything. */
  const char *const *leave_out;
  /* What scripts may have, as neap_set_limits; memory is Lua's as well. What
     would pass a limit is a Lua error. NULL: no limits. */
  const neap_limits *limits;
  /* CPU time after which a task gives way to others, as by neap.preempt, which
     scripts don't have then; and which a task may use within one step, looked
     at after each slice: more is a Lua error in it. 0: no limit. */
  uint64_t slice_ns, step_ns;
} neap_lua_options;

/*
 * Opens neap in a state, which may have any allocator, any of Lua's libraries
 * or none, and be a coroutine that runs. Scripts get the module by require
 * "neap"; as a global it is there after luaL_requiref(L, "neap", luaopen_neap,
 * 1). In a state that has it already nothing changes. Nothing is left on the
 * stack; does not raise. Does not wait. Returns 0; UV_EEXIST when the state has
 * another runtime than options->rt, UV_ECANCELED when the state's has ended, or
 * options->rt has; UV_EBUSY when options->rt serves another state, UV_EPERM
 * when it is another thread's; UV_ENOMEM, and the state is as good as before;
 * or another negative code. options may be NULL.
 *
 * From here on the state is closed, or the runtime freed, in any order: what
 * comes first unwinds every task, C tasks included; Lua functions of neap then
 * say that the runtime has ended. From the host's stack only.
 */
NEAP_API int neap_lua_open(lua_State *L, const neap_lua_options *options);

/* The state's runtime, or NULL: it has none, or that has ended. Does not wait,
   does not raise. */
NEAP_API neap_rt *neap_lua_runtime(lua_State *L);

/* What neap_lua_spawn may be told. All-zero but size: the defaults. */
typedef struct neap_lua_spawn_options {
  size_t size;        /* sizeof(neap_lua_spawn_options) */
  const char *name;   /* for dumps and reports; copied */
  bool detached;      /* belongs to the runtime, not to the scope of L */
  bool quiet;         /* a failure is its joiners' alone, and not reported */
  bool private_stack; /* C code keeps pointers into its frames over waits */
} neap_lua_spawn_options;

/*
 * Spawns a Lua task, as neap.spawn does: the function lies below its nargs
 * arguments on the top of L, and all of them are popped. Leaves one value there
 * instead: the task's handle, or the message of what failed. Does not wait,
 * does not raise. Returns 0; UV_EINVAL for what is no function (or options
 * without a size), UV_ECANCELED when the runtime has ended, UV_ENOENT when L
 * has none, or UV_ENOMEM. options may be NULL. With out != NULL the caller gets
 * a share of the task, to be given up with neap_task_unref; neap_join says 0,
 * or a negative code when it has failed or was cancelled.
 */
NEAP_API int neap_lua_spawn(lua_State *L, int nargs,
                            const neap_lua_spawn_options *options,
                            neap_task **out);

/*
 * Ends neap in a state that goes on to be used: unwinds every task, closes
 * every handle, and frees the runtime if neap_lua_open has made it. From the
 * host's stack only. It blocks, as neap_free. Does not wait, does not raise.
 * Returns 0, also when there is nothing to end; UV_EBUSY from a task.
 */
NEAP_API int neap_lua_close(lua_State *L);

/*
 * What a lua_CFunction of the host's that waits begins with. Its request lies
 * in a wait object (neap_wait_new), never in its frame, which may be elsewhere
 * while others run. Returns the runtime; raises where nobody may wait: on the
 * host's stack, in a C task, in a finalizer. Does not wait.
 */
NEAP_API neap_rt *neap_lua_enter(lua_State *L);

/*
 * What such a function returns when its wait has ended with err < 0: pushes
 * nil, "what: message" and the code's name, and returns 3; what may be NULL.
 * Raises for the codes that end a wait from outside, as the task's
 * cancellation. So nothing is to be held then. Does not wait.
 */
NEAP_API int neap_lua_fail(lua_State *L, int err, const char *what);

/* Lua's entry points of the modules, for package.preload or luaL_requiref.
   Each pushes its module table and returns 1; may raise. In a state that
   neap_lua_open was not called for it makes a runtime for a script whose own
   program this is: its main stack waits, and neap.exit ends the process. Does
   not wait. */
NEAP_API int luaopen_neap(lua_State *L);
NEAP_API int luaopen_neap_fs(lua_State *L);
NEAP_API int luaopen_neap_net(lua_State *L);
NEAP_API int luaopen_neap_compat_core(lua_State *L);
NEAP_API int luaopen_neap_testing_core(lua_State *L);
NEAP_API int luaopen_neap_process(lua_State *L);
NEAP_API int luaopen_neap_signal(lua_State *L);
NEAP_API int luaopen_neap_std(lua_State *L);
NEAP_API int luaopen_neap_tls(lua_State *L);
NEAP_API int luaopen_neap_dns(lua_State *L);
NEAP_API int luaopen_neap_tty(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
