/*
 * tls_keylog.c: session secrets as Wireshark and its like read them (the format
 * of SSLKEYLOGFILE). OpenSSL gives lines in the middle of a handshake, where
 * nobody may wait: a job without a waiter appends them to the file.
 */
#include "io/tls.h"

#include "core/mem.h"
#include "io/fd.h"
#include "io/job.h"

#include <fcntl.h>
#include <string.h>

static bool add_line(struct neap_tls_context *context, const char *line) {
  size_t n = strlen(line);
  char *keys = neap__mem_shared_alloc(context->keys_len + n + 1);
  if (keys == NULL)
    return false;
  if (context->keys_len > 0)
    memcpy(keys, context->keys, context->keys_len);
  /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): lines, no string */
  memcpy(keys + context->keys_len, line, n);
  keys[context->keys_len + n] = '\n';
  neap__mem_shared_free(context->keys);
  context->keys = keys;
  context->keys_len += n + 1;
  return true;
}

/* Lines on their way into the file; the job's own. */
struct keys_job {
  struct neap_job job;
  struct neap_rt *rt;
  struct neap_tls_context *context; /* a share */
  char *lines;
  size_t len;
};

/* A file that can't be written any more gets none. That it could be is looked
   at when the context is made. */
static void work(struct neap_job *job) {
  struct keys_job *keys = NEAP_LIST_ENTRY(job, struct keys_job, job);
  size_t done;
  int fd =
      neap__fd_open(keys->context->keylog, O_WRONLY | O_APPEND | O_CREAT, 0600);
  job->result = fd;
  if (fd < 0)
    return;
  job->result = neap__fd_write_all(fd, keys->lines, keys->len, true, &done);
  neap__fd_close(fd);
}

static void begin(struct neap_rt *rt, struct neap_tls_context *context);

static void done(struct neap_job *job) {
  struct keys_job *keys = NEAP_LIST_ENTRY(job, struct keys_job, job);
  struct neap_tls_context *context = keys->context;
  neap__mem_shared_free(keys->lines);
  context->keys_job = false;
  if (context->keys_len > 0)
    begin(keys->rt, context); /* what came meanwhile */
  neap_tls_context_unref(context);
}

/* Without memory or a pool the lines wait for the next ones. */
static void begin(struct neap_rt *rt, struct neap_tls_context *context) {
  struct keys_job *keys;
  if (neap__job_new(rt, "keylog", NEAP_JOB_EFFECT, sizeof *keys,
                    (void **)&keys) < 0)
    return;
  keys->job.work = work;
  keys->job.done = done;
  keys->rt = rt;
  keys->lines = context->keys;
  keys->len = context->keys_len;
  keys->context = context;
  if (neap__job_start(&keys->job) < 0) {
    neap__job_free(&keys->job);
    return;
  }
  neap_tls_context_ref(context);
  context->keys = NULL;
  context->keys_len = 0;
  context->keys_job = true;
}

/* Without memory lines are left out. */
void neap__tls_keylog_line(const SSL *ssl, const char *line) {
  struct neap_tls *tls = SSL_get_app_data(ssl);
  struct neap_tls_context *context = tls->context;
  if (context->keylog != NULL && add_line(context, line) && !context->keys_job)
    begin(tls->stream->handle.rt, context);
}
