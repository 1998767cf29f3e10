/* stream_name.c: what a connection is called: its addresses, and what dumps say
   of it and of the waits on it. */
#include "io/stream.h"

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
