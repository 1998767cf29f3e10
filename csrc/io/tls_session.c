/*
 * tls_session.c: sessions of clients, as bytes that a script may keep. OpenSSL
 * does not look at the server's certificate again when a session is resumed,
 * so they carry whom they were made with, and whether that was verified:
 *
 *   "neap-tls-1", 1 byte: verified, 1 byte: length of the name, the name, and
 *   OpenSSL's own form of the session (ASN.1)
 */
#include "io/tls.h"

#include "core/mem.h"

#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#define MAGIC     "neap-tls-1"
#define MAGIC_LEN (sizeof MAGIC - 1)
#define HEAD      (MAGIC_LEN + 2)

/* Of a DNS name (RFC 1035), and more than any address has. */
#define NAME_MAX_LEN 255

int neap__tls_session_new(SSL *ssl, SSL_SESSION *session) {
  struct neap_tls *tls = SSL_get_app_data(ssl);
  SSL_SESSION_free(tls->session);
  tls->session = session;
  return 1; /* its share is ours now */
}

/* Whom the connection is to, as set_name (tls.c) has set it: a name or an
   address. Returns its length, at most NAME_MAX_LEN; 0: not known. */
static size_t get_name(SSL *ssl, char *out) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  const char *name = X509_VERIFY_PARAM_get0_host(param, 0);
  char *address = name == NULL ? X509_VERIFY_PARAM_get1_ip_asc(param) : NULL;
  if (name == NULL)
    name = address != NULL ? address : "";
  size_t len = strlen(name);
  len = len <= NAME_MAX_LEN ? len : 0;
  memcpy(out, name, len);
  OPENSSL_free(address);
  ERR_clear_error(); /* that there was no address */
  return len;
}

static bool is_verified(const struct neap_tls *tls) {
  return tls->context->verify != NEAP_TLS_VERIFY_NONE &&
         SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

/* Before TLS 1.3 a server that resumes a session may send no new one. */
static const SSL_SESSION *newest(const struct neap_tls *tls) {
  if (tls->context->server)
    return NULL;
  return tls->session != NULL ? tls->session : SSL_get_session(tls->ssl);
}

int neap_tls_session(neap_stream *s, neap_blob *out) {
  char name[NAME_MAX_LEN];
  if (s->handle.closed)
    return UV_EBADF;
  const struct neap_tls *tls = neap__tls_of(s);
  if (tls == NULL)
    return UV_ENOTSUP;
  const SSL_SESSION *session = newest(tls);
  if (session == NULL || !SSL_SESSION_is_resumable(session))
    return UV_ENOENT;
  int body = i2d_SSL_SESSION(session, NULL);
  size_t len = get_name(tls->ssl, name);
  if (body <= 0 || len == 0)
    return UV_ENOENT;
  size_t size = HEAD + len + (size_t)body;
  char *bytes = neap__mem_shared_alloc(size);
  if (bytes == NULL)
    return UV_ENOMEM;
  memcpy(bytes, MAGIC, MAGIC_LEN);
  bytes[MAGIC_LEN] = (char)is_verified(tls);
  bytes[MAGIC_LEN + 1] = (char)len;
  memcpy(bytes + HEAD, name, len);
  unsigned char *end = (unsigned char *)bytes + HEAD + len;
  i2d_SSL_SESSION(session, &end);
  *out = (neap_blob){.base = bytes, .len = size};
  return 0;
}

void neap__tls_session_use(struct neap_tls *tls, const char *bytes,
                           size_t size) {
  char name[NAME_MAX_LEN];
  size_t len = get_name(tls->ssl, name);
  if (len == 0 || size < HEAD + len || memcmp(bytes, MAGIC, MAGIC_LEN) != 0 ||
      (unsigned char)bytes[MAGIC_LEN + 1] != len ||
      strncasecmp(bytes + HEAD, name, len) != 0)
    return;
  if (bytes[MAGIC_LEN] != 1 && tls->context->verify != NEAP_TLS_VERIFY_NONE)
    return;
  const unsigned char *body = (const unsigned char *)bytes + HEAD + len;
  SSL_SESSION *session =
      d2i_SSL_SESSION(NULL, &body, (long)(size - HEAD - len));
  if (session != NULL)
    SSL_set_session(tls->ssl, session); /* fails: then without it */
  SSL_SESSION_free(session);
  ERR_clear_error();
}
