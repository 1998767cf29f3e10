/*
 * fork.h: whether the process is a child, made by fork after the runtime was:
 * it has copies of the tasks, but the loop and the threads are the parent's.
 * Each step of a host asks. getpid(2) is a system call (glibc stopped caching
 * it), which would be a third of an idle step; so there is a page that the
 * kernel clears in children (MADV_WIPEONFORK, Linux 4.14; madvise(2)).
 */
#ifndef NEAP_CORE_FORK_H
#define NEAP_CORE_FORK_H

#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

struct neap_fork {
  volatile unsigned char *mark; /* 0 in a child; NULL: no such page */
  pid_t pid;
};

/* For want of memory or of such a kernel, it is getpid that tells. */
void neap__fork_init(struct neap_fork *fork);
void neap__fork_deinit(struct neap_fork *fork);

/* From now on this process is the one. */
void neap__fork_adopt(struct neap_fork *fork);

static inline bool neap__fork_is_child(const struct neap_fork *fork) {
  return fork->mark != NULL ? *fork->mark == 0 : getpid() != fork->pid;
}

#endif
