/* overflow.c: the SIGSEGV handler that names the task; why: overflow.h. */
#include "core/overflow.h"

#include "core/rt.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Room for the handler and for what the one before it may want. */
#define ALTERNATE_SIZE ((size_t)64 * 1024)

static bool in_guard(const struct neap_rt *rt, const struct neap_slot *slot,
                     const void *address) {
  const char *at = address;
  return slot != NULL && at < slot->base && at >= slot->base - rt->stacks.guard;
}

/* Not async-signal-safe in general, but this one is synchronous: the fault is
   the task's own, and snprintf of these formats allocates nothing. */
static void tell(const struct neap_rt *rt, const struct neap_task *task) {
  char text[160];
  const char *name =
      rt->overflow.name_of != NULL ? rt->overflow.name_of(task) : NULL;
  int n = snprintf(text, sizeof text,
                   "neap: task %llu '%.60s' overflowed its %zu KiB stack\n",
                   (unsigned long long)task->id, name != NULL ? name : "?",
                   rt->stacks.size / 1024);
  if (write(STDERR_FILENO, text, (size_t)n) < 0)
    return; /* nothing more can be done in a dying process */
}

static void on_segv(int signum, siginfo_t *info, void *context) {
  const struct neap_rt *rt = neap__sigint_rt();
  (void)context;
  if (rt == NULL) {
    signal(signum, SIG_DFL);
    return; /* to the same instruction, which faults again */
  }
  const struct neap_task *task = rt->sched.current;
  if (task != NULL && in_guard(rt, task->frames.slot, info->si_addr))
    tell(rt, task);
  sigaction(signum, &rt->overflow.old, NULL);
}

int neap__overflow_watch(struct neap_rt *rt) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  void *alternate = neap__mem_alloc(&rt->mem, ALTERNATE_SIZE);
  if (alternate == NULL)
    return UV_ENOMEM;
  stack_t stack = {.ss_sp = alternate, .ss_size = ALTERNATE_SIZE};
  if (sigaltstack(&stack, NULL) != 0) {
    neap__mem_free(&rt->mem, alternate, ALTERNATE_SIZE);
    return UV_EINVAL;
  }
  rt->overflow.alternate = alternate;
  neap__sigint_claim(rt);
  action.sa_sigaction = on_segv;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &rt->overflow.old);
  return 0;
}

void neap__overflow_unwatch(struct neap_rt *rt) {
  if (rt->overflow.alternate == NULL)
    return;
  stack_t off = {.ss_flags = SS_DISABLE};
  sigaction(SIGSEGV, &rt->overflow.old, NULL);
  sigaltstack(&off, NULL);
  neap__mem_free(&rt->mem, rt->overflow.alternate, ALTERNATE_SIZE);
  rt->overflow.alternate = NULL;
}
