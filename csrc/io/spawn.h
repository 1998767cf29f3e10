/*
 * spawn.h: starting a program. libuv's uv_spawn forks, which copies the page
 * tables of the whole process, and can't put a child into a process group of
 * its own; this one uses vfork: the child borrows our memory until it runs the
 * program, a few system calls later.
 */
#ifndef NEAP_IO_SPAWN_H
#define NEAP_IO_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct neap_spawn {
  const char *file; /* with a slash: a path, else looked for in PATH */
  char *const *argv;
  char *const *envp;
  const char *cwd; /* NULL: ours */
  /* What become its descriptors 0, 1 and 2, none of them made without
     neap__spawn_aside; -1: what is ours. It gets no others. */
  int fds[3];
  bool own_group, own_session;
  bool has_uid, has_gid;
  uint32_t uid, gid;
};

/* Where it failed. */
enum neap_spawn_step {
  NEAP_SPAWN_FORK,
  NEAP_SPAWN_STDIO,
  NEAP_SPAWN_CWD,
  NEAP_SPAWN_USER,
  NEAP_SPAWN_EXEC
};

/* fd, or another one for the same if it has the number of a standard
   descriptor; -1 and codes are passed on. Takes fd over. */
int neap__spawn_aside(int fd);

/* A pipe, fds[0] to be read from, both ends moved aside and closed when a
   program is run. Returns 0 or a negative code. */
int neap__spawn_pipe(int *fds);

/*
 * Starts it. Blocks for as long as the system takes to load the program.
 * Returns 0 and its process in *pid, which the caller reaps; or a negative
 * code, the step in *failed, and nothing left of it.
 */
int neap__spawn_start(const struct neap_spawn *how, pid_t *pid,
                      enum neap_spawn_step *failed);

#endif
