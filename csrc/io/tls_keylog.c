/*
 * tls_keylog.c: session secrets as Wireshark and its like read them (the format
 * of SSLKEYLOGFILE). OpenSSL gives lines in the middle of a handshake, where
 * nobody may wait: a task of its own appends them to the file.
 */
#include "io/tls.h"

#include "core/mem.h"

#include <string.h>

static bool add_line(struct neap_tls_context *context, const char *line) {
  size_t n = strlen(line);
  char *keys = neap__mem_shared_alloc(context->keys_len + n + 1);
  if (keys == NULL)
    return false;
  if (context->keys_len > 0)
    memcpy(keys, context->keys, context->keys_len);
  memcpy(keys + context->keys_len, line, n);
  keys[context->keys_len + n] = '\n';
  neap__mem_shared_free(context->keys);
  context->keys = keys;
  context->keys_len += n + 1;
  return true;
}

/* The task. Lines that come while it waits are for its next round; a file that
   can't be written gets none. */
static int write_keys(neap_rt *rt, void *arg) {
  struct neap_tls_context *context = arg;
  int err = 0;
  while (err == 0 && context->keys_len > 0) {
    neap_blob lines = {.base = context->keys, .len = context->keys_len};
    context->keys = NULL;
    context->keys_len = 0;
    err = neap_fs_writefile(rt, context->keylog, lines.base, lines.len, 0600,
                            true);
    neap_fs_free_blob(&lines);
  }
  context->keys_writer = false;
  neap_tls_context_unref(context);
  return err;
}

/* Without memory lines are left out. */
void neap__tls_keylog_line(const SSL *ssl, const char *line) {
  struct neap_tls *tls = SSL_get_app_data(ssl);
  struct neap_tls_context *context = tls->context;
  if (context->keylog == NULL || !add_line(context, line) ||
      context->keys_writer)
    return;
  neap_tls_context_ref(context);
  context->keys_writer =
      neap_spawn(tls->stream->handle.rt, write_keys, context, NULL, NULL) == 0;
  if (!context->keys_writer)
    neap_tls_context_unref(context);
}
