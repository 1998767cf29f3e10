/*
 * tls_serve.c: a server's side: connections begin TLS as they are accepted,
 * and the client's wishes choose the certificate and the protocol.
 */
#include "io/tls.h"

#include <string.h>
#include <strings.h>

/* The first of our protocols that the client knows; when it knows none the
   handshake fails (RFC 7301, 3.2). */
int neap__tls_serve_alpn(SSL *ssl, const unsigned char **out,
                         unsigned char *outlen, const unsigned char *in,
                         unsigned int inlen, void *arg) {
  const struct neap_tls *tls = SSL_get_app_data(ssl);
  const struct neap_tls_context *context = tls->context;
  unsigned char *chosen;
  (void)arg;
  if (context->alpn_len == 0)
    return SSL_TLSEXT_ERR_NOACK;
  if (SSL_select_next_proto(&chosen, outlen, context->alpn, context->alpn_len,
                            in, inlen) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/* "*.example" stands for one label, never for more or none. */
static bool is_for(const char *pattern, const char *name) {
  if (pattern[0] != '*')
    return strcasecmp(pattern, name) == 0;
  const char *dot = strchr(name, '.');
  return dot != NULL && dot > name && strcasecmp(pattern + 1, dot) == 0;
}

static SSL_CTX *find_host(const struct neap_tls_context *context,
                          const char *name) {
  const struct neap_tls_host *wild = NULL;
  for (size_t i = 0; i < context->nhosts; i++) {
    const struct neap_tls_host *host = &context->hosts[i];
    if (!is_for(host->name, name))
      continue;
    if (host->name[0] != '*')
      return host->ctx;
    wild = host;
  }
  return wild != NULL ? wild->ctx : NULL;
}

/* The certificate for the name; for one that is not ours, the first. */
int neap__tls_serve_name(SSL *ssl, int *alert, void *arg) {
  const struct neap_tls *tls = SSL_get_app_data(ssl);
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  (void)alert;
  (void)arg;
  if (name == NULL)
    return SSL_TLSEXT_ERR_NOACK;
  SSL_CTX *ctx = find_host(tls->context, name);
  if (ctx != NULL && SSL_set_SSL_CTX(ssl, ctx) == NULL)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  return SSL_TLSEXT_ERR_OK;
}

static struct neap_tls_context *context_of(struct neap_wrap *wrap) {
  return NEAP_LIST_ENTRY(wrap, struct neap_tls_context, wrap);
}

int neap__tls_serve_open(struct neap_wrap *wrap, struct neap_stream *stream) {
  return neap_tls_start(stream, context_of(wrap), NULL);
}

void neap__tls_serve_free(struct neap_wrap *wrap) {
  neap_tls_context_unref(context_of(wrap));
}

int neap_tls_serve(neap_server *server, neap_tls_context *context) {
  neap_tls_context_ref(context);
  int err = neap__accept_wrap(server, &context->wrap);
  if (err < 0)
    neap_tls_context_unref(context);
  return err;
}

bool neap_tls_serves(const neap_server *server) {
  const struct neap_wrap *wrap = neap__accept_wrapped(server);
  return wrap != NULL && wrap->open == neap__tls_serve_open;
}
