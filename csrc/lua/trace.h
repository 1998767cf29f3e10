/*
 * trace.h: neap.trace and neap.trace_file: what happens to tasks (core/trace.h)
 * goes to a script's functions, or as trace events to a file.
 */
#ifndef NEAP_LUA_TRACE_H
#define NEAP_LUA_TRACE_H

#include "core/trace.h"
#include "lua/neapl.h"

/* Adds the functions to the module table on L's top. May raise. */
void neapL_trace_open(lua_State *L, struct neapL *N);

/* The runtime is about to end: no more functions are called, and the file is
   finished. Does not raise. */
void neapL_trace_close(struct neapL *N);

/* Somebody wants events from now on, or nobody does: see what N has. */
void neapL_trace_update(struct neapL *N);

/* --- trace_file.c --------------------------------------------------------- */

struct neapL_trace_file;

/* A new file at path that already has what every task is doing. Returns 0 or a
   negative UV_E* code. */
int neapL_trace_file_new(struct neapL *N, const char *path,
                         struct neapL_trace_file **out);

/* Writes an event. */
void neapL_trace_file_add(struct neapL *N,
                          const struct neap_trace_event *event);

/* Finishes N's file and closes it. Returns 0, or the code with which writing
   has failed. */
int neapL_trace_file_free(struct neapL *N);

#endif
