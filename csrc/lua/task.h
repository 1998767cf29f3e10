/*
 * task.h: what the rest of the binding knows of Lua tasks.
 */
#ifndef NEAP_LUA_TASK_H
#define NEAP_LUA_TASK_H

#include "lua/neapl.h"

struct neapL_scope_box;

/* Makes the task type and the main task's handle. May raise. */
void neapL_task_open(lua_State *L, struct neapL *N);

/* Frees what the binding has of tasks, none of which is alive. */
void neapL_task_close(struct neapL *N);

/*
 * Spawns the function and its n arguments that are on the top of L's stack,
 * and leaves the handle there instead. May raise; nothing is spawned then.
 * name may be NULL; it is copied.
 */
struct neapL_spawn {
  const char *name;
  bool quiet;      /* a failure is its joiners' alone */
  bool is_private; /* wants a stack of its own */
  bool reports;    /* runs on_error: its failure goes to stderr */
  bool detached;   /* belongs to the runtime, not to the scope of L */
  bool starting;   /* somebody waits for its neap.ready; start.c */
  const struct neapL_scope_box *box; /* goes there; NULL: where L is */
};
void neapL_task_spawn(lua_State *L, struct neapL *N,
                      const struct neapL_spawn *how, int n);

/* Pushes the handle of a live task, making one if nobody has it. May raise. */
void neapL_task_push(lua_State *L, struct neapL *N, struct neap_task *task);

/* The name of a live task, or NULL. */
const char *neapL_task_name(const struct neap_task *task);

/* "x.lua:3", where a live task was spawned, or NULL: nobody watched then
   (neap__slice_watch). */
const char *neapL_task_origin(const struct neap_task *task);

/* The Lua thread of a live task; main's for the main task. */
lua_State *neapL_task_thread(struct neapL *N, const struct neap_task *task);

/* Sets a count-1 hook on the task's own Lua thread. */
void neapL_task_sethook(struct neap_task *task, lua_Hook hook);

/* rt->on_dropped: a task could not be unwound at the runtime's end. */
void neapL_task_dropped(struct neap_task *task, void *binding);

/* The task on whose stack the state was closed goes on without a runtime:
   frees what the binding has of it. Harmless for NULL and main. */
void neapL_task_abandon(struct neap_task *task);

/* Reports the failures that nobody has asked for by the end of the turn. */
void neapL_task_report(struct neapL *N);

/* Failures that were reported and not taken back by a join: pushes "2 tasks
   failed; first: ..." and returns true; false with on_error set. */
bool neapL_task_unheard(lua_State *L, struct neapL *N);

/* What spawn functions do: options, a function and its arguments from at on;
   the task is pushed. how is set up with the caller's wishes. May raise. */
int neapL_spawn_at(lua_State *L, struct neapL *N, struct neapL_spawn *how,
                   int at);

/* neap.spawn and neap.current */
int neapL_spawn_function(lua_State *L);
int neapL_current_function(lua_State *L);

#endif
