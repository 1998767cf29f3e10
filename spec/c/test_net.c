/*
 * test_net.c: TCP and unix sockets from C tasks, with scopes and deadlines
 * around them; what becomes of descriptors.
 */
#include "include/neap.h"

#include "test_rt.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define MS ((uint64_t)1000 * 1000)

/* Sends back what comes, until the end. */
static int echo(neap_rt *rt, void *arg) {
  neap_stream *stream = arg;
  char bytes[100];
  int64_t n;
  (void)rt;
  while ((n = neap_stream_recv(stream, bytes, sizeof bytes)) > 0)
    if (neap_stream_send(stream, bytes, (size_t)n) < 0)
      break;
  neap_stream_close(stream);
  return (int)n;
}

static int serve(neap_rt *rt, void *arg) {
  neap_stream *stream;
  int err;
  while ((err = neap_accept(arg, NEAP_NEVER, &stream)) == 0)
    CHECK(neap_spawn(rt, echo, stream, NULL, NULL) == 0);
  return err == UV_ECANCELED ? 0 : err; /* closed: that is the end */
}

/* Whether text comes back whole. */
static bool comes_back(neap_stream *stream, const char *text) {
  char bytes[64];
  size_t len = strlen(text), got = 0;
  if (neap_stream_send(stream, text, len) != 0)
    return false;
  while (got < len) {
    int64_t n = neap_stream_recv(stream, bytes + got, len - got);
    if (n <= 0)
      return false;
    got += (size_t)n;
  }
  return memcmp(bytes, text, len) == 0;
}

static void talk(neap_stream *stream) {
  char byte;
  CHECK(neap_stream_recv(stream, &byte, 0) == 0);
  CHECK(comes_back(stream, "one") && comes_back(stream, "and two"));
  CHECK(neap_stream_shutdown(stream) == 0);
  CHECK(neap_stream_recv(stream, &byte, 1) == 0); /* the end */
  neap_stream_close(stream);
}

static void echoes_over_tcp(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  neap_server *server;
  neap_stream *stream;
  neap_address address, peer;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_tcp_listen(rt, "127.0.0.1", 0, NULL, &server) == 0);
  CHECK(neap_server_address(server, &address) == 0);
  CHECK(neap_spawn(rt, serve, server, NULL, NULL) == 0);
  CHECK(neap_tcp_connect(rt, "127.0.0.1", (uint16_t)address.port, NEAP_NEVER,
                         &stream) == 0);
  CHECK(neap_stream_peer(stream, &peer) == 0 && peer.port == address.port);
  CHECK(neap_stream_address(stream, &peer) == 0 &&
        strcmp(peer.text, "127.0.0.1") == 0);
  CHECK(neap_stream_nodelay(stream, true) == 0);
  CHECK(neap_stream_keepalive(stream, 60) == 0);
  CHECK(!neap_stream_waited(stream) && neap_stream_buffered(stream) == 0);
  talk(stream);
  neap_server_close(server);
  CHECK(neap_scope_close(scope, 0) == 0);
  neap_free(rt);
}

static void echoes_over_a_unix_socket(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  neap_server *server;
  neap_stream *stream;
  neap_blob dir;
  char path[200], longer[200];
  CHECK(neap_fs_tempdir(rt, &dir) == 0);
  snprintf(path, sizeof path, "%s/socket", dir.base);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_pipe_connect(rt, path, NEAP_NEVER, &stream) == UV_ENOENT);
  CHECK(neap_pipe_listen(rt, path, NULL, &server) == 0);
  CHECK(neap_spawn(rt, serve, server, NULL, NULL) == 0);
  CHECK(neap_pipe_connect(rt, path, NEAP_NEVER, &stream) == 0);
  talk(stream);
  neap_server_close(server);
  CHECK(neap_scope_close(scope, 0) == 0);
  CHECK(neap_fs_access(rt, path, 0) == UV_ENOENT);
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  CHECK(neap_pipe_listen(rt, longer, NULL, &server) == UV_ENAMETOOLONG);
  CHECK(neap_pipe_connect(rt, longer, NEAP_NEVER, &stream) == UV_ENAMETOOLONG);
  CHECK(neap_fs_remove(rt, dir.base, true, NULL) == 0);
  neap_fs_free_blob(&dir);
  neap_free(rt);
}

static void looks_no_name_up(void) {
  neap_rt *rt = open_rt();
  neap_server *server = NULL;
  neap_stream *stream = NULL;
  CHECK(neap_tcp_connect(rt, "localhost", 1, NEAP_NEVER, &stream) == UV_EINVAL);
  CHECK(neap_tcp_listen(rt, "localhost", 0, NULL, &server) == UV_EINVAL);
  CHECK(neap_tcp_connect(rt, "127.0.0.1", 1, NEAP_NEVER, &stream) ==
        UV_ECONNREFUSED);
  CHECK(server == NULL && stream == NULL);
  neap_free(rt);
}

static bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

static void takes_descriptors_over(void) {
  neap_rt *rt = open_rt();
  neap_stream *stream, *other;
  int fds[2], file = open("/dev/null", O_RDWR | O_CLOEXEC);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  CHECK(neap_tcp_open(rt, fds[0], &stream) == UV_EINVAL && is_open(fds[0]));
  CHECK(neap_pipe_open(rt, file, &stream) == UV_EINVAL && is_open(file));
  CHECK(neap_tcp_open(rt, file, &stream) == UV_ENOTSOCK && is_open(file));
  CHECK(neap_tcp_open(rt, -1, &stream) == UV_EBADF);
  CHECK(neap_pipe_open(rt, -1, &stream) == UV_EBADF);
  close(file);
  CHECK(neap_pipe_open(rt, fds[0], &stream) == 0);
  CHECK(neap_pipe_open(rt, fds[1], &other) == 0);
  CHECK(neap_spawn(rt, echo, other, NULL, NULL) == 0);
  talk(stream);
  CHECK(neap_run(rt) == 0);
  neap_free(rt);
  CHECK(!is_open(fds[0]) && !is_open(fds[1]));
}

static void a_tcp_socket_too(void) {
  neap_rt *rt = open_rt();
  neap_server *server;
  neap_stream *stream, *accepted;
  neap_address address;
  struct sockaddr_in in;
  CHECK(neap_tcp_listen(rt, "127.0.0.1", 0, NULL, &server) == 0);
  CHECK(neap_server_address(server, &address) == 0);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(neap_tcp_open(rt, fd, &stream) == UV_ENOTCONN && is_open(fd));
  uv_ip4_addr("127.0.0.1", address.port, &in);
  CHECK(connect(fd, (struct sockaddr *)&in, sizeof in) == 0);
  CHECK(neap_tcp_open(rt, fd, &stream) == 0);
  char name[64];
  neap_stream_name(stream, name, sizeof name);
  CHECK(strncmp(name, "127.0.0.1:", 10) == 0);
  CHECK(neap_accept(server, NEAP_NEVER, &accepted) == 0);
  CHECK(neap_spawn(rt, echo, accepted, NULL, NULL) == 0);
  talk(stream);
  neap_server_close(server);
  CHECK(neap_run(rt) == 0);
  neap_free(rt);
}

/* -- scopes and deadlines around it */

/* A peer that never says anything. */
static int listen_silently(neap_rt *rt, neap_server **out) {
  return neap_tcp_listen(rt, "127.0.0.1", 0, NULL, out);
}

static int read_within(neap_rt *rt, neap_stream *stream, uint64_t ns) {
  neap_scope *scope;
  char byte;
  int err = neap_scope_open(rt, neap_now(rt) + ns, &scope);
  if (err < 0)
    return err;
  return neap_scope_close(scope, (int)neap_stream_recv(stream, &byte, 1));
}

static void a_deadline_ends_a_read_and_loses_nothing(void) {
  neap_rt *rt = open_rt();
  neap_server *server;
  neap_stream *stream, *accepted;
  neap_address address;
  char text[4] = "";
  CHECK(listen_silently(rt, &server) == 0);
  CHECK(neap_server_address(server, &address) == 0);
  CHECK(neap_tcp_connect(rt, "127.0.0.1", (uint16_t)address.port, NEAP_NEVER,
                         &stream) == 0);
  CHECK(neap_accept(server, NEAP_NEVER, &accepted) == 0);
  CHECK(read_within(rt, stream, MS) == UV_ETIMEDOUT);
  CHECK(neap_stream_send(accepted, "abc", 3) == 0);
  CHECK(neap_stream_recv(stream, text, 1) == 1);
  CHECK(neap_stream_recv(stream, text + 1, 1) == 1);
  CHECK(neap_stream_recv(stream, text + 2, 1) == 1);
  CHECK(strcmp(text, "abc") == 0);
  neap_stream_reset(accepted);
  CHECK(neap_stream_recv(stream, text, 1) == UV_ECONNRESET);
  neap_stream_close(stream);
  CHECK(neap_accept(server, 0, &accepted) == UV_ETIMEDOUT);
  neap_server_close(server);
  neap_free(rt);
}

static int accept_one(neap_rt *rt, void *arg) {
  neap_stream *stream;
  (void)rt;
  return neap_accept(arg, NEAP_NEVER, &stream);
}

static void a_scope_ends_everything_in_it(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  neap_server *server;
  neap_task *task;
  int result = 0;
  CHECK(listen_silently(rt, &server) == 0);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, accept_one, server, NULL, &task) == 0);
  while (!neap_server_waited(server))
    CHECK(neap_yield(rt) == 0);
  CHECK(neap_scope_cancel(scope));
  CHECK(neap_scope_close(scope, 0) == 0);
  CHECK(neap_join(task, &result) == 0 && result == NEAP_CANCELLED);
  CHECK(!neap_server_waited(server));
  neap_task_unref(task);
  neap_server_close(server);
  neap_free(rt);
}

TESTS(TEST(echoes_over_tcp), TEST(echoes_over_a_unix_socket),
      TEST(looks_no_name_up), TEST(takes_descriptors_over),
      TEST(a_tcp_socket_too), TEST(a_deadline_ends_a_read_and_loses_nothing),
      TEST(a_scope_ends_everything_in_it))
