/*
 * What the C tests of modules with a runtime begin with.
 */
#ifndef NEAP_SPEC_TEST_RT_H
#define NEAP_SPEC_TEST_RT_H

#include "include/neap.h"

#include "test.h"

#include <dirent.h>

/* A runtime of its own, with the defaults. */
static inline neap_rt *open_rt(void) {
  neap_rt *rt = NULL;
  CHECK(neap_new(NULL, &rt) == 0);
  return rt;
}

/* A task that waits on shared stacks. */
static inline void spawn(neap_rt *rt, neap_task_fn fn, void *arg) {
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  CHECK(neap_spawn(rt, fn, arg, &options, NULL) == 0);
}

/* Open descriptors, and some that are always counted. */
static inline int count_fds(void) {
  int n = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir != NULL && readdir(dir) != NULL)
    n++;
  if (dir != NULL)
    closedir(dir);
  return n;
}

#endif
