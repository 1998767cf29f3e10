/*
 * task_handle.h: what the files of Lua tasks (task.c, task_handle.c,
 * task_type.c, report.c) share: a task's own data and its handle. The rest of
 * the binding includes task.h.
 */
#ifndef NEAP_LUA_TASK_HANDLE_H
#define NEAP_LUA_TASK_HANDLE_H

#include "lua/task.h"

/* A task's own data, behind the core's. Lives as long as the task. What the
   core knows is not kept twice: the Lua thread is task->arg, the struct neapL
   rt->binding. */
struct neapL_task {
  struct neap_entry *entry; /* where its own Lua thread stands; entry.c */
  uint32_t place;           /* of the Lua thread in the table of live ones */
  union {
    int nargs;     /* before the first run */
    int cause_ref; /* {error, traceback} of a failed one, while it is unwound */
  };
  bool quiet : 1;
  bool reports : 1;
  bool hooked : 1;      /* a count hook raises in it: to be taken off */
  bool starting : 1;    /* somebody waits for its neap.ready; start.c */
  bool has_context : 1; /* the table of contexts has one for it */
  bool exempt : 1;      /* in neap.nopreempt */
  bool released : 1;    /* its Lua thread may be gone */
  uint8_t namelen;      /* of name, its zero included; 0: none */
  uint8_t originlen;    /* of where it was spawned, behind name; likewise */
  char name[];
};

/* LOST: the task ended while its handle was in no table, as only a finalizer
   could still reach it. */
enum neapL_outcome {
  NEAPL_ALIVE,
  NEAPL_DONE,
  NEAPL_FAILED,
  NEAPL_CANCELLED,
  NEAPL_LOST
};

/* The userdata that scripts see. Its one user value: the result, a table of
   several, or of a failure {error, traceback}. */
struct neapL_handle {
  struct neap_task *task; /* NULL when it has ended; dangling if the weak table
                             lost us before: task_type.c looks first */
  uint64_t id;
  uint32_t place;  /* the task's, 0: main's */
  int nresults;    /* more than one are packed in a table */
  uint8_t outcome; /* enum neapL_outcome */
  bool bare;  /* there was no memory for a failure's table: the error alone */
  bool heard; /* somebody has asked for the failure */
  bool reported; /* nobody had by the end of its turn */
  bool quiet;
  bool reports;
  uint32_t switches;
  char name[]; /* empty: none */
};

/* The number of the user value. */
#define NEAPL_HANDLE_VALUE 1

/* Lua's own text. In the registry from the start, under its address: for
   where nothing may be allocated. */
extern const char neapL_no_memory[];

/* The core's entry function of every Lua task. On the task's own stack; arg is
   its Lua thread. */
int neapL_task_entry(neap_rt *rt, void *arg);

/* Whether it is one of ours, not a host's C task. */
static inline bool neapL_task_is_lua(const struct neap_task *task) {
  return task->is_main || task->fn == neapL_task_entry;
}

/* The data of a live task; NULL for main and for a host's C task, which have
   none. */
static inline struct neapL_task *neapL_task_data(const struct neap_task *task) {
  return task->fn == neapL_task_entry
             ? (struct neapL_task *)neap__task_data(task)
             : NULL;
}

/* The Lua thread of a live Lua task that is not main. */
static inline lua_State *neapL_task_co(const struct neap_task *task) {
  return (lua_State *)task->arg;
}

/* The binding that a Lua task is of. */
static inline struct neapL *neapL_task_binding(const struct neap_task *task) {
  return (struct neapL *)task->rt->binding;
}

/* A Lua task's key in the table of handles: places are few and used again, so
   that a spawn finds its slot there and the table is not made anew. */
static inline uint32_t neapL_handle_place(const struct neap_task *task) {
  return task->is_main ? 0 : neapL_task_data(task)->place;
}

/* Pushes the handle of the live task at place, or nil. Does not raise: it
   allocates nothing. One stack slot is kept free for it on N->work. */
struct neapL_handle *neapL_handle_find(lua_State *L, struct neapL *N,
                                       uint32_t place);

/* Pushes a new handle, not yet in the table. The name may be NULL; it is
   copied. May raise. */
struct neapL_handle *neapL_handle_new(lua_State *L, const struct neapL *N,
                                      const char *name);

/* Puts the handle on L's top into the table, at place. May raise. */
void neapL_handle_file(lua_State *L, struct neapL *N, uint32_t place);

/* Moves the n results on co's top into the handle on work's top. Returns a
   lua status: packing several takes memory. */
int neapL_handle_keep(lua_State *co, lua_State *work, int n);

/* Pushes what a failed handle at index has kept: 1 its error, 2 the traceback
   or nil. */
void neapL_handle_pushkept(lua_State *L, int index,
                           const struct neapL_handle *h, int which);

/* Makes the task type and that of the error which a cancelled task gives. May
   raise. */
void neapL_handle_newtype(lua_State *L, struct neapL *N);

#endif
