/*
 * fifo_linux.c: waiting for a FIFO's reader by trying again: inotify tells of
 * an open when it is over, and a reader's is not over before the writer comes.
 * What is tried is the very FIFO that was found first, through an O_PATH
 * descriptor of it, whatever becomes of its name.
 */
#include "io/fifo.h"

#include "io/fd.h"
#include "io/job.h"
#include "io/retry.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct find_job {
  struct neap_job job;
  int flags;
  char path[];
};

static void work_find(struct neap_job *job) {
  struct find_job *find = NEAP_LIST_ENTRY(job, struct find_job, job);
  enum neap_fd_kind kind;
  int fd = neap__fd_open(find->path, find->flags, 0);
  job->result = fd;
  if (fd < 0)
    return;
  int err = neap__fd_look(fd, &kind, NULL);
  if (err == 0 && kind != NEAP_FD_FIFO)
    err = UV_ENXIO;
  if (err < 0) {
    neap__fd_close(fd);
    job->result = err;
  }
}

static void drop_find(struct neap_job *job) {
  if (job->result >= 0)
    neap__fd_close(job->result);
}

/* An O_PATH descriptor of the FIFO, or a negative code. */
static int find_fifo(struct neap_rt *rt, const char *path, int flags) {
  struct find_job *find;
  size_t size = strlen(path) + 1;
  int err = neap__job_new(rt, "open", NEAP_JOB_PURE, sizeof *find + size,
                          (void **)&find);
  if (err < 0)
    return err;
  find->job.work = work_find;
  find->job.drop = drop_find;
  find->flags = O_PATH | (flags & O_NOFOLLOW);
  memcpy(find->path, path, size);
  int fd = neap__job_run(&find->job);
  neap__job_free(&find->job);
  return fd;
}

/* Nothing here blocks: /proc is in memory, and so is the FIFO. */
static int try_open(int found, int flags) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", found);
  return neap__fd_open(path, flags & (O_ACCMODE | O_APPEND), 0);
}

int neap__fifo_open(struct neap_rt *rt, const char *path, int flags) {
  uint64_t pause_ns = 0;
  int found = find_fifo(rt, path, flags);
  if (found < 0)
    return found;
  int fd = try_open(found, flags);
  while (fd == UV_ENXIO) {
    int err = neap__retry_wait(rt, "fifo", NULL, NEAP_FOREVER, &pause_ns);
    fd = err < 0 ? err : try_open(found, flags);
  }
  neap__fd_close(found);
  return fd;
}
