/*
 * process.h: a child process, for the files that make it up: process.c (its
 * life), process_start.c (what it is started with) and process_run.c (one that
 * is run to its end).
 */
#ifndef NEAP_IO_PROCESS_H
#define NEAP_IO_PROCESS_H

#include "io/handle.h"
#include "io/signal.h"

struct neap_process {
  struct neap_handle handle;       /* open: it has not been reaped */
  struct neap_signal_hook sigchld; /* watched while it is open */
  struct neap_list waiters;        /* ops of those who wait for its end */
  struct neap_list closers;        /* and of those who have closed it */
  struct neap_op closer;           /* the first one's: it needs no memory */
  bool has_closer;

  int pid;
  bool own_group;
  bool detached;
  bool let_go; /* a detached one was closed; it is reaped if it ends in time */
  bool ending; /* it was sent SIGTERM; timer says when SIGKILL is due */
  uint64_t grace_ns;
  uv_timer_t timer;

  /* How it ended, once handle.open is false: exit_err is 0 or a negative code,
     then how is not known. */
  int exit_err;
  neap_status exit;
};

/* A process that is not started yet; the caller holds a share. Its end is
   heard from here on. Returns 0 or a negative code. */
int neap__process_new(struct neap_rt *rt, struct neap_process **out);

/* It was started. */
void neap__process_started(struct neap_process *process, int pid);

/* It never was: neap__process_new is undone. */
void neap__process_failed(struct neap_process *process);

/*
 * As neap_process_spawn, but our ends of pipes are descriptors in ends, -1
 * where there is none; they are the caller's, and as pipe(2) makes them.
 */
int neap__process_start(struct neap_rt *rt, neap_process_options *options,
                        int *ends, struct neap_process **out);

#endif
