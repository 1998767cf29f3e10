/*
 * fifo_none.c: waiting for a FIFO's reader by trying again. Each time it is
 * looked for by its name, as there is no way here to hold on to what was found
 * first: a name that stands for another FIFO meanwhile leads to that.
 */
#include "io/fifo.h"

#include "io/fd.h"
#include "io/job.h"
#include "io/retry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct try_job {
  struct neap_job job;
  int flags;
  char path[];
};

/* UV_EAGAIN: it is a FIFO that nobody reads yet. */
static void work_try(struct neap_job *job) {
  struct try_job *try = NEAP_LIST_ENTRY(job, struct try_job, job);
  struct stat st;
  job->result = neap__fd_open(try->path, try->flags, 0);
  if (job->result == UV_ENXIO && stat(try->path, &st) == 0 &&
      S_ISFIFO(st.st_mode))
    job->result = UV_EAGAIN;
}

static void drop_try(struct neap_job *job) {
  if (job->result >= 0)
    neap__fd_close(job->result);
}

static int try_open(struct neap_rt *rt, const char *path, int flags) {
  struct try_job *try;
  size_t size = strlen(path) + 1;
  int err = neap__job_new(rt, "open", NEAP_JOB_PURE, sizeof *try + size,
                          (void **)&try);
  if (err < 0)
    return err;
  try->job.work = work_try;
  try->job.drop = drop_try;
  try->flags = flags & (O_ACCMODE | O_APPEND | O_NOFOLLOW);
  memcpy(try->path, path, size);
  int fd = neap__job_run(&try->job);
  neap__job_free(&try->job);
  return fd;
}

int neap__fifo_open(struct neap_rt *rt, const char *path, int flags) {
  uint64_t pause_ns = 0;
  int fd = try_open(rt, path, flags);
  while (fd == UV_EAGAIN) {
    int err = neap__retry_wait(rt, "fifo", NULL, NEAP_FOREVER, &pause_ns);
    fd = err < 0 ? err : try_open(rt, path, flags);
  }
  return fd;
}
