/*
 * tls_context.c: settings with certificates: made by one job in the thread
 * pool, then only read. A client that trusts the system's authorities and shows
 * no certificate needs nothing of its own: OpenSSL's part of such contexts is
 * made once per runtime, as reading some 150 certificates takes it 40 ms.
 */
#include "io/tls.h"

#include "core/mem.h"
#include "core/waitq.h"
#include "io/job.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define HANDSHAKE_NS ((uint64_t)30 * 1000 * 1000 * 1000)

/* --- the settings themselves ---------------------------------------------- */

/* Room for what a block with settings ends in: texts. */
struct tail {
  char *at;
  size_t size; /* of what was asked for, if at is NULL */
};

/* Copies a text to the tail, or counts it. NULL stays NULL. */
static const char *put(struct tail *tail, const char *text) {
  if (text == NULL)
    return NULL;
  size_t n = strlen(text) + 1;
  tail->size += n;
  if (tail->at == NULL)
    return text;
  char *to = tail->at;
  memcpy(to, text, n);
  tail->at += n;
  return to;
}

/* Each with its length before it (RFC 7301, 3.1). */
static size_t alpn_size(const neap_tls_options *o) {
  size_t size = 0;
  for (size_t i = 0; i < o->nalpn; i++)
    size += 1 + strlen(o->alpn[i]);
  return size;
}

static void copy_alpn(struct neap_tls_context *context,
                      const neap_tls_options *o, unsigned char *to) {
  context->alpn = to;
  for (size_t i = 0; i < o->nalpn; i++) {
    size_t n = strlen(o->alpn[i]);
    *to++ = (unsigned char)n;
    memcpy(to, o->alpn[i], n);
    to += n;
  }
  context->alpn_len = (unsigned int)(to - context->alpn);
}

static bool are_valid(const neap_tls_options *o) {
  for (size_t i = 0; i < o->nalpn; i++) {
    size_t n = strlen(o->alpn[i]);
    if (n == 0 || n > 255)
      return false;
  }
  return alpn_size(o) <= UINT16_MAX &&
         (o->min_version == 0 || o->min_version == 12 ||
          o->min_version == 13) &&
         (!o->server || o->identity.cert != NULL);
}

static neap_tls_verify verify_of(const neap_tls_options *o) {
  if (o->verify != NEAP_TLS_VERIFY_DEFAULT)
    return o->verify;
  return o->server && o->ca == NULL ? NEAP_TLS_VERIFY_NONE
                                    : NEAP_TLS_VERIFY_REQUIRED;
}

/* A context that has no SSL_CTX yet. */
static struct neap_tls_context *new_context(const neap_tls_options *o) {
  struct tail tail = {.size = alpn_size(o)};
  put(&tail, o->keylog);
  for (size_t i = 0; i < o->nnames; i++)
    put(&tail, o->names[i].name);
  size_t hosts = o->nnames * sizeof(struct neap_tls_host);
  struct neap_tls_context *context =
      neap__mem_shared_alloc(sizeof *context + hosts + tail.size);
  if (context == NULL)
    return NULL;
  memset(context, 0, sizeof *context + hosts);
  context->wrap.open = neap__tls_serve_open;
  context->wrap.free = neap__tls_serve_free;
  context->refs = 1;
  context->server = o->server;
  context->verify = verify_of(o);
  context->min_version = o->min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  context->handshake_ns = o->handshake_ns != 0 ? o->handshake_ns : HANDSHAKE_NS;
  context->hosts = (struct neap_tls_host *)(context + 1);
  context->nhosts = o->nnames;
  tail.at = (char *)(context->hosts + o->nnames);
  for (size_t i = 0; i < o->nnames; i++)
    context->hosts[i].name = put(&tail, o->names[i].name);
  context->keylog = put(&tail, o->keylog);
  copy_alpn(context, o, (unsigned char *)tail.at);
  return context;
}

neap_tls_context *neap_tls_context_ref(neap_tls_context *context) {
  context->refs++;
  return context;
}

void neap_tls_context_unref(neap_tls_context *context) {
  if (context == NULL || --context->refs > 0)
    return;
  SSL_CTX_free(context->ctx);
  for (size_t i = 0; i < context->nhosts; i++)
    SSL_CTX_free(context->hosts[i].ctx);
  neap__mem_shared_free(context->keys);
  neap__mem_shared_free(context);
}

bool neap_tls_context_serves(const neap_tls_context *context) {
  return context->server;
}

/* --- the job -------------------------------------------------------------- */

/* From identities to OpenSSL's contexts, ctxs[n]. Owns all it points to. */
struct build {
  struct neap_job job;
  struct neap_tls_load load;
  size_t n, size; /* identities; bytes of them and of the texts behind them */
  SSL_CTX **ctxs;
  neap_tls_identity *identities;
};

static void work(struct neap_job *job) {
  struct build *build = NEAP_LIST_ENTRY(job, struct build, job);
  int err = 0;
  for (size_t i = 0; err == 0 && i < build->n; i++)
    err = neap__tls_load(&build->load, &build->identities[i], &build->ctxs[i]);
  job->result = err;
}

/* Nobody wants the contexts: all that is left here goes. Keys are wiped. */
static void drop(struct neap_job *job) {
  struct build *build = NEAP_LIST_ENTRY(job, struct build, job);
  for (size_t i = 0; i < build->n; i++) {
    SSL_CTX_free(build->ctxs[i]);
    build->ctxs[i] = NULL;
  }
  X509_STORE_free(build->load.system);
  build->load.system = NULL;
  OPENSSL_cleanse(build->identities, build->size);
  build->n = 0;
}

static void put_identity(struct tail *tail, const neap_tls_identity *from,
                         neap_tls_identity *to) {
  neap_tls_identity copy = {.cert = put(tail, from->cert),
                            .key = put(tail, from->key),
                            .password = put(tail, from->password)};
  if (to != NULL)
    *to = copy;
}

/* Counts what new_build copies, or copies it. */
static const char *put_all(struct tail *tail, const neap_tls_options *o,
                           neap_tls_identity *to) {
  put_identity(tail, &o->identity, to);
  for (size_t i = 0; i < o->nnames; i++)
    put_identity(tail, &o->names[i].identity, to != NULL ? to + 1 + i : NULL);
  return put(tail, o->ca);
}

static int new_build(struct neap_rt *rt, const neap_tls_options *o,
                     X509_STORE *system, struct build **out) {
  struct tail tail = {0};
  size_t n = 1 + o->nnames;
  struct build *build;
  put_all(&tail, o, NULL);
  size_t identities = n * sizeof(neap_tls_identity) + tail.size;
  int err = neap__job_new(rt, "tls:context", NEAP_JOB_PURE,
                          sizeof *build + n * sizeof(SSL_CTX *) + identities,
                          (void **)&build);
  if (err < 0)
    return err;
  build->job.work = work;
  build->job.drop = drop;
  build->n = n;
  build->size = identities;
  build->ctxs = (SSL_CTX **)(build + 1);
  build->identities = (neap_tls_identity *)(build->ctxs + n);
  build->load.server = o->server;
  build->load.trust = verify_of(o) != NEAP_TLS_VERIFY_NONE;
  tail.at = (char *)(build->identities + n);
  build->load.ca = put_all(&tail, o, build->identities);
  if (system != NULL && X509_STORE_up_ref(system) == 1)
    build->load.system = system;
  *out = build;
  return 0;
}

static void tell(const neap_tls_options *o, const char *problem) {
  if (o->problem != NULL)
    snprintf(o->problem, o->problem_size, "%s", problem);
}

/* Runs a job: the first identity's context goes to *first, those of the names
   to rest. Waits. */
static int run_build(struct neap_rt *rt, const neap_tls_options *o,
                     X509_STORE *system, SSL_CTX **first,
                     struct neap_tls_host *rest) {
  struct build *build;
  int err = new_build(rt, o, system, &build);
  if (err < 0)
    return err;
  err = neap__job_run(&build->job);
  if (build->job.dropped) {
    neap__job_free(&build->job);
    return err;
  }
  for (size_t i = 0; err == 0 && i < build->n; i++) {
    *(i == 0 ? first : &rest[i - 1].ctx) = build->ctxs[i];
    build->ctxs[i] = NULL;
  }
  if (err < 0)
    tell(o, build->load.problem);
  drop(&build->job);
  neap__job_free(&build->job);
  return err;
}

/* --- what clients share --------------------------------------------------- */

/* The shared context of plain clients, borrowed. Waits, if it is not there yet;
   who comes second waits for the first. */
static int shared_client(struct neap_rt *rt, bool verify,
                         const neap_tls_options *o, SSL_CTX **out) {
  struct neap_tls_shared *shared;
  int err = neap__tls_wire_shared(rt, &shared);
  while (err == 0 && shared->clients[verify] == NULL && shared->loading)
    err = neap__waitq_wait(rt, &shared->loaders, "tls:context", NEAP_NEVER,
                           false);
  if (err == 0 && shared->clients[verify] == NULL) {
    neap_tls_options plain = {.verify = verify ? NEAP_TLS_VERIFY_REQUIRED
                                               : NEAP_TLS_VERIFY_NONE,
                              .problem = o->problem,
                              .problem_size = o->problem_size};
    shared->loading = true;
    err = run_build(rt, &plain, NULL, &shared->clients[verify], NULL);
    shared->loading = false;
    neap__waitq_wake_all(&shared->loaders, 0);
  }
  if (err == 0)
    *out = shared->clients[verify];
  return err;
}

static int fill(struct neap_rt *rt, const neap_tls_options *o,
                struct neap_tls_context *context) {
  bool trust = context->verify != NEAP_TLS_VERIFY_NONE;
  bool plain = !o->server && o->ca == NULL && o->identity.cert == NULL;
  SSL_CTX *client = NULL;
  if (plain || (trust && o->ca == NULL)) {
    int err = shared_client(rt, trust, o, &client);
    if (err < 0)
      return err;
  }
  if (plain) {
    SSL_CTX_up_ref(client); /* fails when 2^31 have been taken */
    context->ctx = client;
    return 0;
  }
  return run_build(rt, o,
                   client != NULL ? SSL_CTX_get_cert_store(client) : NULL,
                   &context->ctx, context->hosts);
}

int neap_tls_context_new(neap_rt *rt, const neap_tls_options *options,
                         neap_tls_context **out) {
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  if (!are_valid(options)) {
    tell(options, "TLS options");
    return UV_EINVAL;
  }
  struct neap_tls_context *context = new_context(options);
  if (context == NULL)
    return UV_ENOMEM;
  if (context->keylog != NULL) /* now is the time to say that it can't be */
    err = neap_fs_writefile(rt, context->keylog, "", 0, 0600, true);
  if (err < 0)
    tell(options, context->keylog);
  else
    err = fill(rt, options, context);
  if (err < 0) {
    neap_tls_context_unref(context);
    return err;
  }
  *out = context;
  return 0;
}
