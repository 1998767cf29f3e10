/*
 * interrupt.h: signals of the `neap` command: Ctrl-C, and the one that asks for
 * a dump.
 *
 * A script: the first Ctrl-C cancels all tasks, so that their cleanup runs, the
 * second ends the process. Without neap it raises "interrupted!", as in lua.
 * The prompt: each Ctrl-C ends what runs.
 */
#ifndef NEAP_RUNNER_INTERRUPT_H
#define NEAP_RUNNER_INTERRUPT_H

#include "lua/runner.h"

#include <lua.h>
#include <stdbool.h>

/* Keeps runner and L for the handlers, on the thread that runs L; before and
   after that there are none. */
void runner_interrupt_open(lua_State *L, struct neapL_runner *runner);
void runner_interrupt_close(void);

/* From now on signum writes a dump. Returns 0 or an errno. */
int runner_interrupt_dump_on(int signum);

/* Whether a Ctrl-C came that cancelled all. */
bool runner_interrupt_came(void);

#endif
