/*
 * tls_load.c: certificates, keys and authorities, from files or PEM texts into
 * OpenSSL's contexts. Reads disks and decrypts keys, so it runs in a pool
 * thread, and touches nothing of a runtime.
 */
#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- what went wrong ------------------------------------------------------ */

static int fail(struct neap_tls_load *load, int err, const char *what,
                const char *why) {
  snprintf(load->problem, sizeof load->problem, why != NULL ? "%s: %s" : "%s",
           what, why);
  ERR_clear_error();
  return err;
}

/* A PEM text is not repeated in a message: it may be a key. */
static bool is_text(const char *pem) {
  return strstr(pem, "-----BEGIN") != NULL;
}

static const char *name_of(const char *pem, const char *kind) {
  return is_text(pem) ? kind : pem;
}

/* What OpenSSL has run into: a file that can't be read, as a negative UV_E*;
   else 0. */
static int system_error(void) {
  unsigned long first = ERR_peek_error();
  return ERR_SYSTEM_ERROR(first) ? uv_translate_sys_error(ERR_GET_REASON(first))
                                 : 0;
}

/* --- PEM ------------------------------------------------------------------ */

static int open_pem(struct neap_tls_load *load, const char *pem, BIO **out) {
  ERR_clear_error();
  BIO *bio = is_text(pem) ? BIO_new_mem_buf(pem, -1) : BIO_new_file(pem, "re");
  if (bio == NULL) {
    int err = system_error();
    return fail(load, err != 0 ? err : UV_ENOMEM, pem, NULL);
  }
  *out = bio;
  return 0;
}

/* Certificates don't ask for passwords; OpenSSL's default would read them from
   the terminal. */
static int no_password(char *out, int size, int writing, void *arg) {
  (void)out;
  (void)size;
  (void)writing;
  (void)arg;
  return -1;
}

static X509 *next_cert(BIO *bio) {
  return PEM_read_bio_X509(bio, NULL, no_password, NULL);
}

/* After the last certificate: 0 if that was the end of the text. */
static int at_end(void) {
  unsigned long last = ERR_peek_last_error();
  return ERR_GET_LIB(last) == ERR_LIB_PEM &&
                 ERR_GET_REASON(last) == PEM_R_NO_START_LINE
             ? 0
             : UV_EINVAL;
}

/* The first is ours, those behind it lead to the authority. */
static int use_chain(SSL_CTX *ctx, BIO *bio) {
  X509 *cert = next_cert(bio);
  if (cert == NULL)
    return UV_EINVAL;
  int done = SSL_CTX_use_certificate(ctx, cert);
  X509_free(cert);
  while (done == 1 && (cert = next_cert(bio)) != NULL) {
    done = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
    if (!done)
      X509_free(cert);
  }
  return done == 1 ? at_end() : UV_EINVAL;
}

static int load_chain(struct neap_tls_load *load, SSL_CTX *ctx,
                      const char *pem) {
  BIO *bio;
  int err = open_pem(load, pem, &bio);
  if (err < 0)
    return err;
  err = use_chain(ctx, bio);
  BIO_free(bio);
  if (err == 0) {
    ERR_clear_error();
    return 0;
  }
  const char *what = name_of(pem, "cert");
  int sys = system_error();
  if (sys != 0)
    return fail(load, sys, what, NULL);
  unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) == ERR_LIB_SSL) /* as "ee key too small" */
    return fail(load, err, what, ERR_reason_error_string(last));
  return fail(load, err, what, "no valid certificate in it");
}

/* What the key is decrypted with, and whether it was asked for. */
struct ask {
  const char *password;
  bool asked;
};

static int give_password(char *out, int size, int writing, void *arg) {
  struct ask *ask = arg;
  (void)writing;
  ask->asked = true;
  size_t len = ask->password != NULL ? strlen(ask->password) : SIZE_MAX;
  if (len > (size_t)size)
    return -1;
  memcpy(out, ask->password, len);
  return (int)len;
}

static const char *key_problem(const struct ask *ask) {
  if (!ask->asked)
    return "no valid private key in it";
  return ask->password == NULL ? "the key is encrypted, a password is needed"
                               : "wrong password for the key";
}

static int load_key(struct neap_tls_load *load, SSL_CTX *ctx,
                    const neap_tls_identity *identity) {
  const char *pem = identity->key != NULL ? identity->key : identity->cert;
  const char *what = name_of(pem, "key");
  struct ask ask = {.password = identity->password};
  BIO *bio;
  int err = open_pem(load, pem, &bio);
  if (err < 0)
    return err;
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, give_password, &ask);
  BIO_free(bio);
  if (key == NULL) {
    err = system_error();
    return err != 0 ? fail(load, err, what, NULL)
                    : fail(load, UV_EINVAL, what, key_problem(&ask));
  }
  int done = SSL_CTX_use_PrivateKey(ctx, key);
  EVP_PKEY_free(key);
  if (done != 1 || SSL_CTX_check_private_key(ctx) != 1)
    return fail(load, UV_EINVAL, what, "the key does not fit the certificate");
  return 0;
}

/* --- authorities ---------------------------------------------------------- */

/* Adds all of a text's certificates to store; for a server clients are told
   their names. Returns how many or a negative code. */
static int add_authorities(struct neap_tls_load *load, SSL_CTX *ctx,
                           X509_STORE *store, const char *pem) {
  BIO *bio;
  int n = 0, done = 1;
  X509 *cert;
  int err = open_pem(load, pem, &bio);
  if (err < 0)
    return err;
  while (done == 1 && (cert = next_cert(bio)) != NULL) {
    done = X509_STORE_add_cert(store, cert);
    if (done == 1 && ctx != NULL)
      done = SSL_CTX_add_client_CA(ctx, cert);
    X509_free(cert);
    n++;
  }
  BIO_free(bio);
  err = system_error();
  if (err == 0 && done != 1)
    err = UV_ENOMEM;
  if (err == 0)
    err = at_end();
  ERR_clear_error();
  return err < 0 ? err : n;
}

static int load_authorities(struct neap_tls_load *load, SSL_CTX *ctx) {
  int n = add_authorities(load, load->server ? ctx : NULL,
                          SSL_CTX_get_cert_store(ctx), load->ca);
  const char *what = name_of(load->ca, "ca");
  if (n < 0 && n != UV_EINVAL)
    return fail(load, n, what, NULL);
  return n > 0 ? 0 : fail(load, UV_EINVAL, what, "no valid certificate in it");
}

/* Where systems keep the certificates of all authorities in one file. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Alpine */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/ssl/cert.pem",                                 /* BSDs, macOS */
};

/* As OpenSSL does, but whole files only: its folders are looked into during a
   handshake. */
static int load_system(struct neap_tls_load *load, X509_STORE *store) {
  const char *named = getenv(X509_get_default_cert_file_env());
  int n = add_authorities(load, NULL, store,
                          named != NULL ? named : X509_get_default_cert_file());
  for (size_t i = 0; named == NULL && n <= 0 && n != UV_ENOMEM &&
                     i < sizeof bundles / sizeof bundles[0];
       i++)
    n = add_authorities(load, NULL, store, bundles[i]);
  if (n > 0)
    return 0;
  return n == UV_ENOMEM
             ? n
             : fail(load, UV_ENOENT, "the system's certificates", NULL);
}

static int load_trust(struct neap_tls_load *load, SSL_CTX *ctx) {
  if (load->ca != NULL)
    return load_authorities(load, ctx);
  if (load->system == NULL)
    return load_system(load, SSL_CTX_get_cert_store(ctx));
  SSL_CTX_set1_cert_store(ctx, load->system);
  return 0;
}

/* --- contexts ------------------------------------------------------------- */

static void set_up(const struct neap_tls_load *load, SSL_CTX *ctx) {
  static const unsigned char id[] = "neap";
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_keylog_callback(ctx, neap__tls_keylog_line);
  if (!load->server) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                            SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, neap__tls_session_new);
    return;
  }
  /* A server keeps no sessions: its tickets do, with the clients. */
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1); /* short enough */
  SSL_CTX_set_dh_auto(ctx, 1);
  SSL_CTX_set_alpn_select_cb(ctx, neap__tls_serve_alpn, NULL);
  SSL_CTX_set_tlsext_servername_callback(ctx, neap__tls_serve_name);
}

/* The C library reads the time zone's file at the first of its calls about
   time, also those in UTC, as OpenSSL makes them in a handshake. */
static void read_time_zone(void) {
  const time_t zero = 0;
  struct tm tm;
  gmtime_r(&zero, &tm);
}

int neap__tls_load(struct neap_tls_load *load,
                   const neap_tls_identity *identity, SSL_CTX **out) {
  /* At the process's end pool threads may still be at work: OpenSSL must not
     clean up under them. Only the first call in a process counts. */
  OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
  read_time_zone();
  SSL_CTX *ctx = SSL_CTX_new(TLS_method());
  int err = ctx != NULL ? 0 : fail(load, UV_ENOMEM, "TLS", NULL);
  if (err == 0)
    set_up(load, ctx);
  if (err == 0 && load->trust)
    err = load_trust(load, ctx);
  if (err == 0 && identity->cert != NULL)
    err = load_chain(load, ctx, identity->cert);
  if (err == 0 && identity->cert != NULL)
    err = load_key(load, ctx, identity);
  if (err < 0) {
    SSL_CTX_free(ctx);
    return err;
  }
  *out = ctx;
  return 0;
}
