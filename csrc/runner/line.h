/*
 * line.h: reading lines at a terminal with history and completion, a piece at
 * a time, so that tasks run meanwhile. In a build without readline, and where
 * there is no terminal, the prompt reads plain lines.
 */
#ifndef NEAP_RUNNER_LINE_H
#define NEAP_RUNNER_LINE_H

#include <lua.h>

/*
 * Pushes a table for lua/neap/repl.lua, or nil when there is none:
 *   begin(prompt)    shows it; from now on keys are for the line
 *   feed()           takes what keys there are: false: the line goes on; true
 *                    and the line, or true alone at the end of the input
 *   abort()          forgets the line
 *   remember(text)   for the history
 *   complete(fn)     fn(word) gives a list of what the word may become
 * Does not wait.
 */
void runner_line_push(lua_State *L);

#endif
