/* tls_wire.c: between OpenSSL and the wire; the idea is in tls.h. */
#include "io/tls.h"

#include "core/mem.h"

#include <string.h>

/* How many bytes libuv may have of a connection that nobody waits for: answers
   to what a peer sends that does not read. */
#define UNSENT_MAX ((size_t)256 * 1024)

/* --- OpenSSL's side: a BIO on memory ---------------------------------------
 */

static int bio_read(BIO *bio, char *to, int size) {
  struct neap_tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (tls->in_len == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t n = (size_t)size < tls->in_len ? (size_t)size : tls->in_len;
  memcpy(to, tls->in, n);
  tls->in += n;
  tls->in_len -= n;
  return (int)n;
}

static bool make_room(struct neap_tls_shared *shared, struct neap_mem *mem,
                      size_t n) {
  if (shared->capacity - shared->len >= n)
    return true;
  size_t capacity = 2 * shared->capacity;
  if (capacity < shared->len + n)
    capacity = shared->len + n;
  char *out = neap__mem_realloc(mem, shared->out, shared->capacity, capacity);
  if (out == NULL)
    return false;
  shared->out = out;
  shared->capacity = capacity;
  return true;
}

static int bio_write(BIO *bio, const char *from, int size) {
  struct neap_tls *tls = BIO_get_data(bio);
  struct neap_rt *rt = tls->stream->handle.rt;
  struct neap_tls_shared *shared = rt->io->tls;
  BIO_clear_retry_flags(bio);
  if (!make_room(shared, &rt->mem, (size_t)size))
    return -1;
  memcpy(shared->out + shared->len, from, (size_t)size);
  shared->len += (size_t)size;
  return size;
}

static long bio_ctrl(BIO *bio, int what, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return what == BIO_CTRL_FLUSH; /* nothing else is known here */
}

static int bio_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

static BIO_METHOD *new_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "neap");
  if (method == NULL)
    return NULL;
  BIO_meth_set_read(method, bio_read); /* none of these setters fails */
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_ctrl);
  BIO_meth_set_create(method, bio_create);
  return method;
}

/* --- what is shared ------------------------------------------------------- */

static void free_shared(struct neap_rt *rt) {
  struct neap_tls_shared *shared = rt->io->tls;
  rt->io->tls = NULL;
  SSL_CTX_free(shared->clients[0]);
  SSL_CTX_free(shared->clients[1]);
  BIO_meth_free(shared->method);
  neap__mem_free(&rt->mem, shared->out, shared->capacity);
  neap__mem_free(&rt->mem, shared, sizeof *shared);
}

int neap__tls_wire_shared(struct neap_rt *rt, struct neap_tls_shared **out) {
  struct neap_io *io;
  int err = neap__handle_io(rt, &io);
  if (err < 0)
    return err;
  if (io->tls == NULL) {
    struct neap_tls_shared *shared = neap__mem_zalloc(&rt->mem, sizeof *shared);
    if (shared == NULL)
      return UV_ENOMEM;
    neap__list_init(&shared->loaders);
    io->tls = shared;
    io->tls_free = free_shared;
  }
  *out = io->tls;
  return 0;
}

int neap__tls_wire_attach(struct neap_tls *tls) {
  struct neap_tls_shared *shared;
  int err = neap__tls_wire_shared(tls->stream->handle.rt, &shared);
  if (err < 0)
    return err;
  if (shared->method == NULL)
    shared->method = new_method();
  BIO *bio = shared->method != NULL ? BIO_new(shared->method) : NULL;
  if (bio == NULL)
    return UV_ENOMEM;
  BIO_set_data(bio, tls);
  SSL_set_bio(tls->ssl, bio, bio); /* owns it now */
  return 0;
}

/* --- the wire's side ------------------------------------------------------ */

neap_bytes neap__tls_wire_take(struct neap_rt *rt) {
  struct neap_tls_shared *shared = rt->io->tls;
  neap_bytes bytes = {.base = shared->out, .len = shared->len};
  shared->len = 0;
  return bytes;
}

/* Bytes on their way that no writer waits for. */
struct unsent {
  uv_write_t req;
  size_t size;
  char bytes[];
};

static void free_unsent(struct neap_rt *rt, struct unsent *unsent) {
  neap__mem_free(&rt->mem, unsent, sizeof *unsent + unsent->size);
}

/* A failure shows to whoever reads or writes next. */
static void on_sent(uv_write_t *req, int status) {
  struct neap_stream *s = req->handle->data;
  struct unsent *unsent = NEAP_LIST_ENTRY(req, struct unsent, req);
  struct neap_tls *tls = neap__tls_of(s);
  (void)status;
  if (tls != NULL) /* else it was closed meanwhile */
    tls->unsent -= unsent->size;
  free_unsent(s->handle.rt, unsent);
}

static int send_later(struct neap_tls *tls, neap_bytes bytes) {
  struct neap_stream *s = tls->stream;
  struct neap_rt *rt = s->handle.rt;
  if (tls->unsent + bytes.len > UNSENT_MAX)
    return UV_EPROTO;
  struct unsent *unsent = neap__mem_alloc(&rt->mem, sizeof *unsent + bytes.len);
  if (unsent == NULL)
    return UV_ENOMEM;
  unsent->size = bytes.len;
  memcpy(unsent->bytes, bytes.base, bytes.len);
  uv_buf_t buf = uv_buf_init(unsent->bytes, (unsigned int)bytes.len);
  int err = uv_write(&unsent->req, &s->uv.stream, &buf, 1, on_sent);
  if (err < 0) {
    free_unsent(rt, unsent);
    return err;
  }
  tls->unsent += bytes.len;
  return 0;
}

/* Sends what the kernel takes at once; returns how much, or a negative code. */
static int try_now(struct neap_stream *s, neap_bytes bytes) {
  uv_buf_t buf = uv_buf_init((char *)bytes.base, (unsigned int)bytes.len);
#ifdef NEAP_HOSTILE
  buf.len = 1;
#endif
  int sent = uv_try_write(&s->uv.stream, &buf, 1);
  return sent == UV_EAGAIN ? 0 : sent;
}

int neap__tls_wire_flush(struct neap_tls *tls) {
  struct neap_stream *s = tls->stream;
  neap_bytes bytes = neap__tls_wire_take(s->handle.rt);
  if (bytes.len == 0 || s->shut)
    return 0;
  int sent = try_now(s, bytes);
  if (sent == UV_EPIPE || sent == UV_ECONNRESET)
    return 0; /* the peer is gone: what it has sent is still to be read */
  if (sent < 0 || (size_t)sent == bytes.len)
    return sent < 0 ? sent : 0;
  bytes.base += sent;
  bytes.len -= (size_t)sent;
  return send_later(tls, bytes);
}

void neap__tls_wire_last(struct neap_tls *tls) {
  struct neap_stream *s = tls->stream;
  neap_bytes bytes = neap__tls_wire_take(s->handle.rt);
  uv_buf_t buf = uv_buf_init((char *)bytes.base, (unsigned int)bytes.len);
  if (bytes.len > 0 && !s->shut)
    uv_try_write(&s->uv.stream, &buf, 1);
}
