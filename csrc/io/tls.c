/* tls.c: TLS on a stream: the handshake, reading and writing; see tls.h. */
#include "io/tls.h"

#include "core/mem.h"
#include "core/waitq.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* The type of a TLS record in a handshake (RFC 8446, 5.1): the first byte of
   all that a client may send. */
#define RECORD_HANDSHAKE 0x16

static const struct neap_filter tls_filter;

struct neap_tls *neap__tls_of(const struct neap_stream *s) {
  if (s->filter == NULL)
    return NULL;
  assert(*s->filter == &tls_filter);
  return (struct neap_tls *)(void *)s->filter;
}

/* --- failures ------------------------------------------------------------- */

void neap__tls_fail(struct neap_tls *tls, int err, const char *reason) {
  if (tls->state == NEAP_TLS_FAILED)
    return;
  tls->state = NEAP_TLS_FAILED;
  tls->err = err;
  tls->reason = reason;
  neap__waitq_wake_all(&tls->waiters, 0); /* they look by themselves */
}

/* OpenSSL can't go on; code is SSL_get_error's. Its first error is the cause;
   what follows is who it passed through. */
static void fail_ssl(struct neap_tls *tls, int code) {
  unsigned long first = ERR_peek_error();
  int reason = ERR_GET_REASON(first);
  if (code == SSL_ERROR_SYSCALL || reason == ERR_R_MALLOC_FAILURE)
    neap__tls_fail(tls, UV_ENOMEM, NULL); /* our wire fails for nothing else */
  else if (ERR_GET_LIB(first) == ERR_LIB_SSL &&
           reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
    neap__tls_fail(
        tls, NEAP_ECERT,
        X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
  else
    neap__tls_fail(tls, UV_EPROTO, ERR_reason_error_string(first));
  ERR_clear_error();
}

/* --- what comes in -------------------------------------------------------- */

/* Whether the peer is whom it should be; also when a session stands for its
   certificate. */
static bool is_trusted(const struct neap_tls *tls) {
  return tls->context->server ||
         tls->context->verify != NEAP_TLS_VERIFY_REQUIRED ||
         SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

static void shake_hands(struct neap_tls *tls) {
  ERR_clear_error();
  int done = SSL_do_handshake(tls->ssl);
  if (done != 1) {
    int code = SSL_get_error(tls->ssl, done);
    if (code != SSL_ERROR_WANT_READ)
      fail_ssl(tls, code);
  } else if (!is_trusted(tls)) {
    neap__tls_fail(
        tls, NEAP_ECERT,
        X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
  } else {
    tls->state = NEAP_TLS_OPEN;
    tls->shaken = true;
    neap__waitq_wake_all(&tls->waiters, 0);
  }
}

/* How many bytes OpenSSL may have for us, at least. 0: it would only ask for
   more from the wire. */
static size_t expected(const struct neap_tls *tls) {
  size_t pending = (size_t)SSL_pending(tls->ssl);
  return pending > tls->in_len ? pending : tls->in_len;
}

/* Decrypts what is there into the stream's buffer. */
static void decrypt(struct neap_tls *tls) {
  struct neap_inbuf *in = &tls->stream->in;
  struct neap_mem *mem = &tls->stream->handle.rt->mem;
  size_t n, room;
  int code = SSL_ERROR_NONE;
  while (code == SSL_ERROR_NONE && (n = expected(tls)) > 0) {
    char *to = neap__inbuf_reserve(in, mem, n, &room);
    if (to == NULL) {
      neap__tls_fail(tls, UV_ENOMEM, NULL);
      return;
    }
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, to, room, &n) == 1)
      neap__inbuf_filled(in, n);
    else
      code = SSL_get_error(tls->ssl, 0);
  }
  if (in->len + in->held == 0)
    neap__inbuf_deinit(in, mem); /* there was only talk among the TLSs */
  if (code == SSL_ERROR_ZERO_RETURN)
    tls->ended = true;
  else if (code != SSL_ERROR_NONE && code != SSL_ERROR_WANT_READ)
    fail_ssl(tls, code);
}

/* Lets OpenSSL go on with n bytes off the wire. Returns 0 or what the stream
   has ended with. */
static int go_on(struct neap_tls *tls, const char *bytes, size_t n) {
  tls->in = bytes;
  tls->in_len = n;
  if (tls->state == NEAP_TLS_OPENING)
    shake_hands(tls);
  if (tls->state == NEAP_TLS_OPEN)
    decrypt(tls);
  tls->in_len = 0;
  int err = neap__tls_wire_flush(tls);
  if (err < 0)
    neap__tls_fail(tls, err, err == UV_EPROTO ? "peer does not read" : NULL);
  if (tls->state == NEAP_TLS_FAILED)
    return tls->err;
  return tls->ended ? UV_EOF : 0;
}

static int received(struct neap_stream *s, const char *bytes, size_t n) {
  return go_on(neap__tls_of(s), bytes, n);
}

static int ended(struct neap_stream *s, int end) {
  struct neap_tls *tls = neap__tls_of(s);
  if (end != UV_EOF)
    neap__tls_fail(tls, end, NULL);
  else if (tls->state == NEAP_TLS_OPENING)
    neap__tls_fail(tls, UV_ECONNABORTED, "connection ended in the handshake");
  else
    neap__tls_fail(tls, UV_ECONNABORTED, "connection was cut off");
  return tls->err;
}

/* --- what goes out -------------------------------------------------------- */

static void describe_waiter(const struct neap_op *op, char *out, size_t size) {
  neap_stream_name(neap__waitq_object(op), out, size);
}

static const struct neap_op_kind handshake_kind = {.what = "conn:handshake",
                                                   .describe = describe_waiter};

/* Waits once for the end of the handshake. */
static int wait_handshake(struct neap_tls *tls, uint64_t due_ns) {
  struct neap_stream *s = tls->stream;
  bool ours = tls->due_ns < due_ns;
  int err = neap__stream_arm(s);
  if (err < 0)
    return err;
  err = neap__waitq_wait_on(s->handle.rt, &tls->waiters, &handshake_kind, s,
                            ours ? tls->due_ns : due_ns, false);
  if (s->handle.closed) /* and tls is gone */
    return err < 0 ? err : UV_ECANCELED;
  if (err == UV_ETIMEDOUT && ours) {
    neap__tls_fail(tls, UV_ETIMEDOUT, "handshake timed out");
    neap__stream_finish(s, UV_ETIMEDOUT);
  }
  return err;
}

static int ready(struct neap_stream *s, uint64_t due_ns) {
  struct neap_tls *tls = neap__tls_of(s);
  int err = 0;
  while (err == 0 && tls->state == NEAP_TLS_OPENING)
    err = wait_handshake(tls, due_ns);
  if (err < 0)
    return err;
  return tls->state == NEAP_TLS_FAILED ? tls->err : 0;
}

static int encode(struct neap_stream *s, const char *bytes, size_t n,
                  neap_bytes *wire) {
  struct neap_tls *tls = neap__tls_of(s);
  if (tls->state == NEAP_TLS_FAILED)
    return tls->err;
  if (s->shut)
    return UV_EPIPE;
  ERR_clear_error();
  int done = SSL_write_ex(tls->ssl, bytes, n, &n); /* all: the wire takes all */
  neap_bytes made = neap__tls_wire_take(s->handle.rt);
  if (done != 1) {
    fail_ssl(tls, SSL_get_error(tls->ssl, done));
    neap__stream_finish(s, tls->err);
    return tls->err;
  }
  *wire = made;
  return 0;
}

static int encode_end(struct neap_stream *s, neap_bytes *wire) {
  struct neap_tls *tls = neap__tls_of(s);
  if (tls->state == NEAP_TLS_FAILED)
    return tls->err;
  ERR_clear_error();
  int done = SSL_shutdown(tls->ssl);
  *wire = neap__tls_wire_take(s->handle.rt);
  if (done >= 0)
    return 0;
  fail_ssl(tls, SSL_get_error(tls->ssl, done));
  neap__stream_finish(s, tls->err);
  return tls->err;
}

static void lost(struct neap_stream *s, int err) {
  neap__tls_fail(neap__tls_of(s), err, NULL);
  neap__stream_finish(s, err);
}

/* --- beginning and end ---------------------------------------------------- */

static void free_tls(struct neap_tls *tls) {
  struct neap_rt *rt = tls->stream->handle.rt;
  SSL_free(tls->ssl);
  SSL_SESSION_free(tls->session);
  neap_tls_context_unref(tls->context);
  neap__mem_free(&rt->mem, tls, sizeof *tls);
}

/* The peer is told if that can be done at once: closing never waits. */
static void close_tls(struct neap_stream *s) {
  struct neap_tls *tls = neap__tls_of(s);
  neap__waitq_wake_all(&tls->waiters, UV_ECANCELED);
  if (tls->state == NEAP_TLS_OPEN && !s->shut && !s->reset) {
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    neap__tls_wire_last(tls);
  }
  s->filter = NULL;
  free_tls(tls);
}

static bool waited(const struct neap_stream *s) {
  return !neap__list_empty(&neap__tls_of(s)->waiters);
}

static const char *reason(const struct neap_stream *s, int err) {
  const struct neap_tls *tls = neap__tls_of(s);
  return tls->state == NEAP_TLS_FAILED && err == tls->err ? tls->reason : NULL;
}

static const struct neap_filter tls_filter = {
    .ready = ready,
    .received = received,
    .ended = ended,
    .encode = encode,
    .encode_end = encode_end,
    .lost = lost,
    .close = close_tls,
    .waited = waited,
    .reason = reason,
};

/* Bytes that a client sent before are its handshake, if they can be: when they
   are not, OpenSSL says so. They are never taken for plain ones. */
static bool may_be_handshake(const struct neap_stream *s, bool server) {
  const struct neap_inbuf *in = &s->in;
  if (in->len + in->held == 0)
    return true;
  return server && in->held == 0 &&
         neap__inbuf_bytes(in)[0] == RECORD_HANDSHAKE;
}

static int check_start(const struct neap_stream *s,
                       const struct neap_tls_context *context) {
  if (s->handle.closed)
    return UV_EBADF;
  if (s->filter != NULL)
    return UV_EALREADY;
  if (s->claimed || s->busy)
    return UV_EBUSY;
  if (!may_be_handshake(s, context->server))
    return UV_EPROTO;
  return s->shut ? UV_EPIPE : 0;
}

/* Whom a client expects. A scope, as of "fe80::1%eth0", is no part of it. */
static int set_name(SSL *ssl, const char *servername) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  char name[256];
  bool six = strchr(servername, ':') != NULL;
  size_t len = six ? strcspn(servername, "%") : strlen(servername);
  if (!six && len > 0 && servername[len - 1] == '.')
    len--; /* as in "example.com." */
  if (len == 0 || len >= sizeof name)
    return UV_EINVAL;
  memcpy(name, servername, len);
  name[len] = '\0';
  if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
    return 0; /* an address is no name to ask for (RFC 6066) */
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(param, name, len) == 1 &&
                 SSL_set_tlsext_host_name(ssl, name) == 1
             ? 0
             : UV_ENOMEM;
}

static int set_client(struct neap_tls *tls, const neap_tls_peer_options *peer) {
  const struct neap_tls_context *context = tls->context;
  const char *name = peer != NULL ? peer->servername : NULL;
  bool verify = context->verify != NEAP_TLS_VERIFY_NONE;
  if (name == NULL && verify)
    return UV_EINVAL;
  SSL_set_connect_state(tls->ssl);
  SSL_set_verify(tls->ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  int err = name != NULL ? set_name(tls->ssl, name) : 0;
  if (err < 0)
    return err;
  if (context->alpn_len > 0 &&
      SSL_set_alpn_protos(tls->ssl, context->alpn, context->alpn_len) != 0)
    return UV_ENOMEM;
  if (name != NULL && peer->session != NULL)
    neap__tls_session_use(tls, peer->session, peer->session_len);
  return 0;
}

static int set_server(struct neap_tls *tls) {
  int mode = SSL_VERIFY_NONE;
  if (tls->context->verify == NEAP_TLS_VERIFY_REQUIRED)
    mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  else if (tls->context->verify == NEAP_TLS_VERIFY_OPTIONAL)
    mode = SSL_VERIFY_PEER;
  SSL_set_accept_state(tls->ssl);
  SSL_set_verify(tls->ssl, mode, NULL);
  return 0;
}

static int set_up(struct neap_tls *tls, const neap_tls_peer_options *peer) {
  const struct neap_tls_context *context = tls->context;
  tls->ssl = SSL_new(context->ctx);
  if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, tls) != 1 ||
      SSL_set_min_proto_version(tls->ssl, context->min_version) != 1)
    return UV_ENOMEM;
  int err = neap__tls_wire_attach(tls);
  if (err < 0)
    return err;
  return context->server ? set_server(tls) : set_client(tls, peer);
}

/* The first step. What was received already is the peer's first flight. */
static int begin(struct neap_tls *tls) {
  struct neap_stream *s = tls->stream;
  struct neap_inbuf early = s->in;
  s->in = (struct neap_inbuf){0};
  s->filter = &tls->filter;
  int err = go_on(tls, neap__inbuf_bytes(&early), early.len);
  neap__inbuf_deinit(&early, &s->handle.rt->mem);
  if (err == 0 && s->end != 0) /* the wire has ended before */
    err = ended(s, s->end);
  if (err != 0) /* calls on the stream say why */
    neap__stream_finish(s, err);
  else
    err = neap__stream_arm(s);
  return err == UV_ENOMEM ? err : 0;
}

int neap_tls_start(neap_stream *s, neap_tls_context *context,
                   const neap_tls_peer_options *peer) {
  struct neap_rt *rt = s->handle.rt;
  int err = check_start(s, context);
  if (err < 0)
    return err;
  struct neap_tls *tls = neap__mem_zalloc(&rt->mem, sizeof *tls);
  if (tls == NULL)
    return UV_ENOMEM;
  tls->filter = &tls_filter;
  tls->stream = s;
  tls->context = neap_tls_context_ref(context);
  tls->due_ns = neap__stream_due(s, context->handshake_ns);
  neap__list_init(&tls->waiters);
  err = set_up(tls, peer);
  if (err < 0) {
    ERR_clear_error();
    free_tls(tls);
    return err;
  }
  return begin(tls);
}

int neap_tls_handshake(neap_stream *s, uint64_t due_ns) {
  int err = neap__handle_begin(&s->handle);
  if (err < 0)
    return err;
  const struct neap_tls *tls = neap__tls_of(s);
  if (tls == NULL)
    return UV_ENOTSUP;
  if (tls->shaken)
    return 0; /* whatever came then */
  neap__handle_ref(&s->handle);
  err = ready(s, due_ns);
  if (err == 0 && s->handle.closed)
    err = UV_ECANCELED;
  neap__handle_unref(&s->handle);
  return err;
}
