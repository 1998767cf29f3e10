/* tls_info.c: what was agreed on, and whom with. */
#include "io/tls.h"

#include "core/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static int find(const struct neap_stream *s, struct neap_tls **out) {
  if (s->handle.closed)
    return UV_EBADF;
  struct neap_tls *tls = neap__tls_of(s);
  if (tls == NULL)
    return UV_ENOTSUP;
  if (!tls->shaken)
    return tls->state == NEAP_TLS_FAILED ? tls->err : UV_EAGAIN;
  *out = tls;
  return 0;
}

int neap_tls_describe(neap_stream *s, neap_tls_info *out) {
  struct neap_tls *tls = NULL;
  int err = find(s, &tls);
  if (err < 0)
    return err;
  const unsigned char *alpn = NULL;
  unsigned int alpn_len = 0;
  SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
  long verified = SSL_get_verify_result(tls->ssl);
  bool shown = SSL_get0_peer_certificate(tls->ssl) != NULL;
  bool looked = tls->context->verify != NEAP_TLS_VERIFY_NONE;
  *out = (neap_tls_info){
      .version = SSL_get_version(tls->ssl),
      .cipher = SSL_get_cipher_name(tls->ssl),
      .servername = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name),
      .alpn = (const char *)alpn,
      .alpn_len = alpn_len,
      .resumed = SSL_session_reused(tls->ssl) != 0,
      .verified = shown && looked && verified == X509_V_OK,
      .verify = !looked ? "not verified"
                : shown ? X509_verify_cert_error_string(verified)
                        : "no certificate",
  };
  return 0;
}

/* --- the peer's certificate ----------------------------------------------- */

/* Texts are written one behind the other, each ended by NUL. BIO's failures
   (no memory) show as texts that are cut. */

static void put_hex(BIO *to, const unsigned char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++)
    BIO_printf(to, "%02x", bytes[i]);
}

static void end_text(BIO *to) {
  BIO_write(to, "", 1);
}

static void put_name(BIO *to, const X509_NAME *name) {
  X509_NAME_print_ex(to, name, 0,
                     XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
  end_text(to);
}

static void put_serial(BIO *to, const X509 *cert) {
  const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
  put_hex(to, ASN1_STRING_get0_data(serial),
          (size_t)ASN1_STRING_length(serial));
  end_text(to);
}

static void put_fingerprint(BIO *to, const X509 *cert) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  if (X509_digest(cert, EVP_sha256(), digest, &n) == 1)
    put_hex(to, digest, n);
  end_text(to);
}

static void put_ip(BIO *to, const ASN1_OCTET_STRING *ip) {
  char text[INET6_ADDRSTRLEN] = "";
  int family = ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET || ASN1_STRING_length(ip) == 16)
    uv_inet_ntop(family, ASN1_STRING_get0_data(ip), text, sizeof text);
  BIO_puts(to, text);
  end_text(to);
}

/* DNS names and addresses it is for. A name with NUL in it is none. */
static size_t put_names(BIO *to, const X509 *cert) {
  GENERAL_NAMES *names =
      X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  size_t count = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_IPADD) {
      put_ip(to, name->d.iPAddress);
      count++;
    } else if (name->type == GEN_DNS) {
      const char *text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
      int n = ASN1_STRING_length(name->d.dNSName);
      if (memchr(text, '\0', (size_t)n) != NULL)
        continue;
      BIO_write(to, text, n);
      end_text(to);
      count++;
    }
  }
  GENERAL_NAMES_free(names);
  return count;
}

static int64_t seconds_of(const ASN1_TIME *time) {
  struct tm tm;
  return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* The n-th text from at. */
static const char *skip(const char *at, size_t n) {
  while (n-- > 0)
    at += strlen(at) + 1;
  return at;
}

/* All texts of cert, in the order in which read_texts takes them. */
static size_t put_texts(BIO *to, X509 *cert) {
  put_name(to, X509_get_subject_name(cert));
  put_name(to, X509_get_issuer_name(cert));
  put_serial(to, cert);
  put_fingerprint(to, cert);
  PEM_write_bio_X509(to, cert);
  end_text(to);
  return put_names(to, cert);
}

static int copy_texts(BIO *from, size_t nnames, const X509 *cert,
                      neap_tls_cert *out) {
  char *texts;
  long size = BIO_get_mem_data(from, &texts);
  char *base = size > 0 ? neap__mem_shared_alloc((size_t)size) : NULL;
  if (base == NULL)
    return UV_ENOMEM;
  memcpy(base, texts, (size_t)size);
  *out = (neap_tls_cert){
      .subject = base,
      .issuer = skip(base, 1),
      .serial = skip(base, 2),
      .fingerprint = skip(base, 3),
      .pem = skip(base, 4),
      .names = skip(base, 5),
      .nnames = nnames,
      .not_before = seconds_of(X509_get0_notBefore(cert)),
      .not_after = seconds_of(X509_get0_notAfter(cert)),
      .memory = {.base = base, .len = (size_t)size},
  };
  return 0;
}

int neap_tls_peer_cert(neap_stream *s, neap_tls_cert *out) {
  struct neap_tls *tls = NULL;
  int err = find(s, &tls);
  if (err < 0)
    return err;
  X509 *cert = SSL_get0_peer_certificate(tls->ssl);
  if (cert == NULL)
    return UV_ENOENT;
  BIO *texts = BIO_new(BIO_s_mem());
  if (texts == NULL)
    return UV_ENOMEM;
  size_t nnames = put_texts(texts, cert);
  err = copy_texts(texts, nnames, cert, out);
  BIO_free(texts);
  ERR_clear_error();
  return err;
}

void neap_tls_free_cert(neap_tls_cert *cert) {
  neap_fs_free_blob(&cert->memory);
}
