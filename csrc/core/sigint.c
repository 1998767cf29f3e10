/* sigint.c: standing in front of a SIGINT handler; why: sigint.h. */
#include "core/sigint.h"

#include "core/post.h"
#include "core/rt.h"

#include <ucontext.h>
#include <unistd.h>

/* The runtime of this thread: a signal handler has no other way to find it.
   The only thread-local of neap. initial-exec: the handler must not allocate,
   which the default model may (ELF TLS, "dynamic"). */
static _Thread_local struct neap_rt *volatile thread_rt
    __attribute__((tls_model("initial-exec")));

struct neap_rt *neap__sigint_rt(void) {
  return thread_rt;
}

void neap__sigint_claim(struct neap_rt *rt) {
  if (thread_rt == NULL)
    thread_rt = rt;
}

void neap__sigint_poke(struct neap_rt *rt) {
  rt->sigint.pending = 1;
  neap__post_poke(rt);
}

static void call_old(const struct sigaction *old, int signum, siginfo_t *info,
                     void *context) {
  if ((old->sa_flags & SA_SIGINFO) != 0)
    old->sa_sigaction(signum, info, context);
  else
    old->sa_handler(signum);
}

static void on_sigint(int signum, siginfo_t *info, void *context) {
  struct neap_rt *rt = thread_rt;
  if (rt == NULL || !rt->sigint.installed) {
    /* The wrong thread (another one's runtime has installed us): it blocks the
       signal from here on, and the process gets it once more, for another
       thread. */
    sigaddset(&((ucontext_t *)context)->uc_sigmask, signum);
    kill(getpid(), signum);
    return;
  }
  call_old(&rt->sigint.old, signum, info, context);
  neap__sigint_poke(rt);
}

static bool is_function(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) != 0 ||
         (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static bool is_ours(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) != 0 &&
         action->sa_sigaction == on_sigint;
}

void neap__sigint_watch(struct neap_rt *rt) {
  struct sigaction now;
  if (rt->sigint.listeners > 0)
    return;
  neap__sigint_claim(rt);
  if (thread_rt != rt)
    return; /* another runtime's main drives this one: it has the signal */
  if (sigaction(SIGINT, NULL, &now) != 0 || !is_function(&now) || is_ours(&now))
    return;
  rt->sigint.old = now; /* known before our handler can run */
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
  action.sa_sigaction = on_sigint;
  action.sa_mask = now.sa_mask;
  rt->sigint.installed = 1;
  if (sigaction(SIGINT, &action, &now) != 0) {
    rt->sigint.installed = 0;
  } else if (!is_function(&now)) {
    /* One came between the question and the answer: lua.c's handler has run
       and taken itself away. */
    sigaction(SIGINT, &now, NULL);
    rt->sigint.installed = 0;
    rt->sigint.pending = 1;
  }
}

/* Takes our handler away, if it is still there. */
static void step_aside(struct neap_rt *rt) {
  struct sigaction now;
  if (rt->sigint.installed && sigaction(SIGINT, NULL, &now) == 0 &&
      is_ours(&now))
    sigaction(SIGINT, &rt->sigint.old, NULL);
  rt->sigint.installed = 0;
}

void neap__sigint_listen(struct neap_rt *rt, int by) {
  rt->sigint.listeners += (uint32_t)by;
  if (rt->sigint.listeners > 0)
    step_aside(rt);
  else if (!rt->closing)
    neap__sigint_watch(rt); /* main may be waiting */
}

void neap__sigint_unwatch(struct neap_rt *rt) {
  step_aside(rt);
  if (thread_rt == rt)
    thread_rt = NULL;
}

bool neap__sigint_take(struct neap_rt *rt) {
  if (rt->sigint.pending == 0)
    return false;
  rt->sigint.pending = 0;
  return true;
}
