/*
 * What the C tests of modules with a runtime begin with.
 */
#ifndef NEAP_SPEC_TEST_RT_H
#define NEAP_SPEC_TEST_RT_H

#include "include/neap.h"

#include "test.h"

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

#endif
