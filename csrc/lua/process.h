/*
 * process.h: what is run, as scripts say it: the table of process.spawn and
 * process.run.
 */
#ifndef NEAP_LUA_PROCESS_H
#define NEAP_LUA_PROCESS_H

#include "lua/neapl.h"

/*
 * Reads the table at arg, but for its fields about waiting and output. Pushes
 * what must stay on the stack while the options are used; they are in a
 * userdata there themselves. def: what each of the three descriptors is when
 * the table does not say. Raises for what is wrong.
 */
neap_process_options *neapL_command_check(lua_State *L, int arg,
                                          const neap_stdio_kind *def);

/* A connection that was given to a child is closed here, too. */
void neapL_command_started(lua_State *L, int arg);

/* Pushes nil, message, code for a program that could not be started, and
   returns 3. Raises as neapL_fail. */
int neapL_command_fail(lua_State *L, const neap_process_options *options,
                       int err);

/* process.popen; and the same with a file object that new_file pushes. */
struct neapL_file;
int neapL_popen(lua_State *L);
int neapL_popen_with(lua_State *L,
                     struct neapL_file *(*new_file)(lua_State *L));

/* Pushes what os.execute and a popen's close return: true or nil, "exit" or
   "signal", number; returns 3. */
int neapL_popen_pushstatus(lua_State *L, neap_status status);

#endif
