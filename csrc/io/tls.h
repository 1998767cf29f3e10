/*
 * tls.h: TLS as a stream's filter (stream.h), by OpenSSL 3. OpenSSL reads and
 * writes memory alone: what came off the wire is given to it as it lies in the
 * loop's read buffer, and what it makes is collected in one buffer per loop and
 * sent at once, so that an idle connection owns neither. Where the wire does
 * not take all of it, libuv gets a copy: order and wholeness are never lost.
 *
 * The handshake is driven by what comes in, not by a task: calls on the stream
 * wait until it is done. Nothing here touches a disk; what must is in
 * tls_load.c, which runs in the thread pool.
 */
#ifndef NEAP_IO_TLS_H
#define NEAP_IO_TLS_H

#include "io/accept.h"
#include "io/stream.h"

#include <openssl/ssl.h>

/* What the TLS streams of a runtime share: rt->io->tls. */
struct neap_tls_shared {
  BIO_METHOD *method; /* tls_wire.c */

  /* What OpenSSL has made and nobody has sent yet: empty but for the time of
     one call into it. */
  char *out;
  size_t len, capacity;

  /* tls_context.c: of clients with the system's authorities, by whether they
     verify; one task reads them while the others wait. */
  SSL_CTX *clients[2];
  bool loading;
  struct neap_list loaders;
};

/* One more certificate of a server. */
struct neap_tls_host {
  const char *name;
  SSL_CTX *ctx;
};

/* Settings. Outside the runtime's memory: scripts may keep it longer. */
struct neap_tls_context {
  struct neap_wrap wrap; /* a server's share */
  uint32_t refs;
  bool server;
  neap_tls_verify verify;
  int min_version; /* OpenSSL's number */
  uint64_t handshake_ns;
  SSL_CTX *ctx;
  struct neap_tls_host *hosts;
  size_t nhosts;
  const unsigned char *alpn; /* as in a ClientHello: lengths and names */
  unsigned int alpn_len;

  /* tls_keylog.c: the file, and lines that are not in it yet. */
  const char *keylog;
  char *keys; /* from neap__mem_shared_alloc */
  size_t keys_len;
  bool keys_job; /* some are being written */
};

enum neap_tls_state {
  NEAP_TLS_OPENING, /* in the handshake */
  NEAP_TLS_OPEN,
  NEAP_TLS_FAILED /* for good: err and reason say why */
};

/* The filter of a stream. */
struct neap_tls {
  const struct neap_filter *filter; /* first: what stream->filter points to */
  struct neap_stream *stream;
  struct neap_tls_context *context; /* a share */
  SSL *ssl;
  enum neap_tls_state state;
  int err;            /* of a failure */
  const char *reason; /* static text, or NULL */
  bool shaken;        /* the handshake is done */
  bool ended;         /* the peer has said that no more will come */

  const char *in; /* off the wire, not read by OpenSSL yet: in_len bytes */
  size_t in_len;
  size_t unsent; /* bytes that libuv has for us and no writer waits for */

  struct neap_list waiters; /* for the end of the handshake */
  uint64_t due_ns;          /* when it must be done */
  SSL_SESSION *session;     /* a client's newest, or NULL */
};

/* --- tls.c ---------------------------------------------------------------- */

/* The TLS of stream, or NULL. */
struct neap_tls *neap__tls_of(const struct neap_stream *stream);

/* Ends it for good. err is a negative UV_E* or NEAP_ECERT, reason static text
   or NULL. Nobody is woken but those who wait for the handshake. */
void neap__tls_fail(struct neap_tls *tls, int err, const char *reason);

/* --- tls_wire.c ----------------------------------------------------------- */

/* What TLS streams share, made at the first call. Returns 0 or UV_ENOMEM. */
int neap__tls_wire_shared(struct neap_rt *rt, struct neap_tls_shared **out);

/* Gives tls's SSL its wire. Returns 0 or UV_ENOMEM. */
int neap__tls_wire_attach(struct neap_tls *tls);

/* What OpenSSL has made since the last call, for a writer to send. */
neap_bytes neap__tls_wire_take(struct neap_rt *rt);

/* Sends it without waiting; what the kernel does not take is left to libuv.
   Returns 0, or a negative UV_E* when some of it is lost: UV_EPROTO if the peer
   makes us answer and does not read. */
int neap__tls_wire_flush(struct neap_tls *tls);

/* Sends what the kernel takes at once, and forgets the rest. */
void neap__tls_wire_last(struct neap_tls *tls);

/* --- tls_session.c -------------------------------------------------------- */

/* OpenSSL's callback: a client has got a session. */
int neap__tls_session_new(SSL *ssl, SSL_SESSION *session);

/* Has tls, which has not begun, try the session of size bytes; one that is not
   for this server's name, or less sure of it, is not used. */
void neap__tls_session_use(struct neap_tls *tls, const char *bytes,
                           size_t size);

/* --- tls_serve.c: OpenSSL's callbacks of servers -------------------------- */

int neap__tls_serve_alpn(SSL *ssl, const unsigned char **out,
                         unsigned char *outlen, const unsigned char *in,
                         unsigned int inlen, void *arg);
int neap__tls_serve_name(SSL *ssl, int *alert, void *arg);

/* A context's wrap (accept.h). */
int neap__tls_serve_open(struct neap_wrap *wrap, struct neap_stream *stream);
void neap__tls_serve_free(struct neap_wrap *wrap);

/* --- tls_load.c: in a pool thread ----------------------------------------- */

struct neap_tls_load {
  bool server;
  bool trust;         /* peers are verified */
  X509_STORE *system; /* the system's authorities if they are known, or NULL */
  const char *ca;     /* instead of them, or NULL */
  char problem[200];  /* what it is about when it fails */
};

/* A context with an identity (one without a cert: none). Returns 0 or a
   negative UV_E* and load->problem. */
int neap__tls_load(struct neap_tls_load *load,
                   const neap_tls_identity *identity, SSL_CTX **out);

/* --- tls_keylog.c --------------------------------------------------------- */

/* OpenSSL's callback. */
void neap__tls_keylog_line(const SSL *ssl, const char *line);

#endif
