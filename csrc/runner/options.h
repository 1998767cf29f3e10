/*
 * options.h: the command line of `neap`: lua's own options, with their meaning,
 * and ours beside them.
 */
#ifndef NEAP_RUNNER_OPTIONS_H
#define NEAP_RUNNER_OPTIONS_H

#include <stdbool.h>

struct runner_options {
  int script; /* where in argv; argc: there is none */
  bool interactive, version, no_env, executes, help;
  bool by_stdin;             /* the script is "-" */
  int dump_signal;           /* 0: none */
  double preempt, watchdog;  /* seconds; 0: not wanted */
  const char *trace;         /* a path, or NULL */
  const char *bad, *problem; /* the argument that is wrong, and how */
};

/*
 * Reads the options. False when one is wrong: bad and problem say which. -e, -l
 * and -W are left for who runs them, in their order: runner_options_next.
 */
bool runner_options_read(int argc, char **argv, struct runner_options *out);

/*
 * The next of -e, -l and -W at or behind *at and before the script: its letter,
 * and what belongs to it. Moves *at behind it. 0 when there is none.
 */
char runner_options_next(char **argv, int script, int *at, const char **value);

#endif
