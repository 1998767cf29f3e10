/*
 * report.h: the failures of tasks, between the files of Lua tasks. What the
 * rest of the binding calls is in task.h.
 */
#ifndef NEAP_LUA_REPORT_H
#define NEAP_LUA_REPORT_H

#include "lua/task_handle.h"

/* Notes that task has failed with the error on co's top, and takes it off:
   its handle gets it, and the report at the turn's end if nobody waits for the
   task. Does not raise: without memory the error is that. */
void neapL_report_note(struct neap_task *task, lua_State *co, lua_State *work);

/* The error on L's top is not raised, because that of the task with this id
   came first: it is reported. Does not raise. */
void neapL_report_also(lua_State *L, struct neapL *N, uint64_t first);

/* Somebody asks for a failure: it is nobody's no longer. */
void neapL_report_heard(struct neapL *N, struct neapL_handle *h);

#endif
