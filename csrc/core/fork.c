/* fork.c: telling a child from its parent; the idea is in fork.h. */
#include "core/fork.h"

#include <sys/mman.h>

#define SIZE 4096

void neap__fork_init(struct neap_fork *fork) {
  fork->mark = NULL;
#ifdef MADV_WIPEONFORK
  void *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) {
    if (madvise(page, SIZE, MADV_WIPEONFORK) == 0)
      fork->mark = page;
    else
      munmap(page, SIZE);
  }
#endif
  neap__fork_adopt(fork);
}

void neap__fork_deinit(struct neap_fork *fork) {
  if (fork->mark != NULL)
    munmap((void *)fork->mark, SIZE);
  fork->mark = NULL;
}

void neap__fork_adopt(struct neap_fork *fork) {
  fork->pid = getpid();
  if (fork->mark != NULL)
    *fork->mark = 1;
}
