/* stream_info.c: what can be asked about a connection: its ends, what dumps say
   of it and of the waits on it, what a failure is due to, whether anybody
   waits; how long a call may take. */
#include "io/stream.h"

void neap_stream_name(const neap_stream *s, char *out, size_t size) {
  neap__addr_format(&s->remote, out, size);
}

static void describe(const struct neap_handle *handle, char *out, size_t size) {
  neap_stream_name(NEAP_LIST_ENTRY(handle, struct neap_stream, handle), out,
                   size);
}

const struct neap_handle_kind neap__stream_kind = {.what = "conn",
                                                   .describe = describe};

/* uv_connect_t, uv_write_t and uv_shutdown_t, told apart by their type. */
static const uv_stream_t *stream_of_request(const uv_req_t *req) {
  switch (req->type) {
  case UV_CONNECT:
    return ((const uv_connect_t *)(const void *)req)->handle;
  case UV_WRITE:
    return ((const uv_write_t *)(const void *)req)->handle;
  case UV_SHUTDOWN:
    return ((const uv_shutdown_t *)(const void *)req)->handle;
  default:
    return NULL;
  }
}

void neap__stream_describe(const struct neap_op *op, char *out, size_t size) {
  const uv_stream_t *uv = stream_of_request(neap__op_data(op));
  if (uv != NULL)
    neap_stream_name(uv->data, out, size);
}

void neap__stream_describe_reader(const struct neap_op *op, char *out,
                                  size_t size) {
  struct neap_stream *const *stream = neap__op_data(op);
  neap_stream_name(*stream, out, size);
}

void neap_stream_timeouts(neap_stream *s, uint64_t read_ns, uint64_t write_ns) {
  s->read_ns = read_ns;
  s->write_ns = write_ns;
}

static int address(const struct neap_stream *s, bool peer, neap_address *out) {
  uv_os_fd_t fd;
  if (s->handle.closed)
    return UV_EBADF;
  int err = uv_fileno(&s->uv.handle, &fd);
  return err < 0 ? err : neap__addr_of_fd(fd, peer, out);
}

int neap_stream_address(neap_stream *stream, neap_address *out) {
  return address(stream, false, out);
}

int neap_stream_peer(neap_stream *stream, neap_address *out) {
  return address(stream, true, out);
}

int neap_stream_fd(const neap_stream *s) {
  uv_os_fd_t fd;
  if (s->handle.closed)
    return UV_EBADF;
  int err = uv_fileno(&s->uv.handle, &fd);
  return err < 0 ? err : fd;
}

int neap_stream_sndbuf(neap_stream *s, int size) {
  if (s->handle.closed)
    return UV_EBADF;
  return neap__handle_buffer(&s->uv.handle, size, uv_send_buffer_size);
}

int neap_stream_rcvbuf(neap_stream *s, int size) {
  if (s->handle.closed)
    return UV_EBADF;
  return neap__handle_buffer(&s->uv.handle, size, uv_recv_buffer_size);
}

const char *neap_stream_reason(const neap_stream *s, int err) {
  return s->filter == NULL ? NULL : (*s->filter)->reason(s, err);
}

bool neap_stream_waited(const neap_stream *s) {
  return s->reader != NULL || s->request != NULL || s->busy ||
         (s->filter != NULL && (*s->filter)->waited(s));
}
