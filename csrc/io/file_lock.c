/*
 * file_lock.c: advisory locks on whole files, between whoever opened them
 * anew, in this process or another. Nobody tells when a lock becomes free, and
 * a thread that waited for it could not be called off; so a lock that is held
 * is tried again, soon at first and then every 32 ms.
 *
 * What was buffered before the lock is not to be believed after it, nor to be
 * written after its end.
 */
#include "io/file.h"

#include "core/waitq.h"
#include "io/fd_lock.h"
#include "io/retry.h"

/* In the pool: a file system on the network asks its server. */
static int call_lock(struct neap_file_call *call) {
  return neap__fd_lock(call->fd, (enum neap_fd_lock)call->mode);
}

static int run_lock(struct neap_file *file, enum neap_fd_lock kind,
                    enum neap_job_effect effect, bool *ran) {
  struct neap_file_call call = {.fn = call_lock, .mode = (int)kind};
  return neap__file_wait_call(file, "lock", effect, &call, ran);
}

/* One try; UV_EAGAIN: somebody has it. */
static int try_lock(struct neap_file *file, enum neap_fd_lock kind,
                    uint64_t *id) {
  bool ran;
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = neap__file_write_out(file, false);
  if (err == 0)
    err = run_lock(file, kind, NEAP_JOB_EFFECT, &ran);
  if (err == 0) {
    file->lock = *id = ++file->locks_made;
    err = neap__file_at_reader(file);
    if (err == UV_ESPIPE) /* what has no places has nothing to read anew */
      err = 0;
  }
  neap_file_end(file);
  return err;
}

int neap_file_lock(neap_file *file, bool shared, uint64_t due_ns,
                   uint64_t *id) {
  enum neap_fd_lock kind = shared ? NEAP_FD_LOCK_SHARED : NEAP_FD_LOCK_ALONE;
  uint64_t pause_ns = 0;
  neap__handle_ref(&file->handle);
  int err = try_lock(file, kind, id);
  while (err == UV_EAGAIN && due_ns > 0) {
    err = neap__retry_wait(file->handle.rt, "lock", &file->lockers, due_ns,
                           &pause_ns);
    if (err == 0)
      err = try_lock(file, kind, id);
    if (err == UV_EBADF) /* closed while we waited for its turn */
      err = UV_ECANCELED;
  }
  neap__handle_unref(&file->handle);
  return err;
}

int neap_file_unlock(neap_file *file, uint64_t id) {
  if (file->state != NEAP_FILE_OPEN || file->lock != id)
    return 0; /* closing has ended it, or a later lock has taken its place */
  int err = neap__file_claim_shielded(file);
  if (err == UV_ECANCELED || err == UV_EBADF || err == NEAP_CLOSING)
    return 0;
  if (err < 0)
    return err;
  err = neap__file_write_out(file, true);
  bool ran;
  int lock_err = run_lock(file, NEAP_FD_LOCK_NONE, NEAP_JOB_SHIELDED, &ran);
  if (!ran) /* no memory for the job: better here than not at all */
    lock_err = neap__fd_lock(file->fd, NEAP_FD_LOCK_NONE);
  if (lock_err == 0)
    file->lock = 0;
  neap_file_end(file);
  return err < 0 ? err : lock_err;
}
