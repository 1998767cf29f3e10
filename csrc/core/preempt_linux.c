/* preempt_linux.c: the tick by timer_create and SIGEV_THREAD_ID; what for:
   preempt.h. */
#include "core/preempt.h"

#include "core/rt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Older glibc has the field, but no name for it. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void on_signal(int signum, siginfo_t *info, void *context) {
  const int saved = errno;
  struct neap_rt *rt = info->si_value.sival_ptr;
  (void)signum, (void)context;
  if (rt == NULL)
    return;
  if (info->si_code == SI_TIMER)
    rt->preempt.on_tick(rt);
  else if (info->si_code == SI_QUEUE && info->si_pid == getpid())
    rt->preempt.on_poke(rt);
  errno = saved;
}

static bool is_ours(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) != 0 &&
         action->sa_sigaction == on_signal;
}

static bool is_free(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_DFL;
}

/* Takes the highest free real-time signal, or the one that some runtime of the
   process has taken before. 0 if there is none. The last one is valgrind's. */
static int claim_signal(void) {
  struct sigaction action, now;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  for (int signum = SIGRTMAX - 1; signum > SIGRTMIN; signum--) {
    if (sigaction(signum, NULL, &now) != 0)
      continue;
    if (is_ours(&now))
      return signum;
    if (is_free(&now) && sigaction(signum, &action, NULL) == 0)
      return signum;
  }
  return 0;
}

int neap__preempt_listen(struct neap_rt *rt) {
  struct neap_preempt *preempt = &rt->preempt;
  preempt->signum = claim_signal();
  preempt->tid = (int)syscall(SYS_gettid);
  return preempt->signum != 0 ? 0 : UV_ENOSYS;
}

/* A signal that was sent while this thread blocks it would come later, when the
   runtime may be gone: takes it away. One that is not blocked has come by now.
 */
static void forget_pending(const struct neap_preempt *preempt) {
  const struct timespec at_once = {0, 0};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, preempt->signum);
  while (sigtimedwait(&set, NULL, &at_once) == preempt->signum) {
    /* there may be one of a timer and some pokes */
  }
}

int neap__preempt_start(struct neap_rt *rt, uint64_t slice_ns) {
  struct neap_preempt *preempt = &rt->preempt;
  clockid_t clock =
      preempt->by_wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
  struct itimerspec every;
  struct sigevent event;
  timer_t timer;
  int err = neap__preempt_listen(rt);
  if (err < 0)
    return err;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = preempt->signum;
  event.sigev_value.sival_ptr = rt;
  event.sigev_notify_thread_id = preempt->tid;
  if (timer_create(clock, &event, &timer) != 0)
    return UV_ENOSYS;
  every.it_interval.tv_sec = (time_t)(slice_ns / 1000000000u);
  every.it_interval.tv_nsec = (long)(slice_ns % 1000000000u);
  every.it_value = every.it_interval;
  if (timer_settime(timer, 0, &every, NULL) != 0) {
    timer_delete(timer);
    return UV_ENOSYS;
  }
  neap__preempt_stop(rt);
  preempt->timer = timer;
  preempt->has_timer = true;
  return 0;
}

void neap__preempt_stop(struct neap_rt *rt) {
  struct neap_preempt *preempt = &rt->preempt;
  if (!preempt->has_timer)
    return;
  preempt->has_timer = false;
  timer_delete(preempt->timer);
  forget_pending(preempt);
}

void neap__preempt_poke(struct neap_rt *rt) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_ptr = rt;
  syscall(SYS_rt_tgsigqueueinfo, getpid(), rt->preempt.tid, rt->preempt.signum,
          &info);
}

void neap__preempt_hush(struct neap_rt *rt) {
  if (rt->preempt.signum != 0)
    forget_pending(&rt->preempt);
}
