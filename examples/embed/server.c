/*
 * server.c: a server in C alone: no Lua, no callbacks. Each connection is a
 * task in the server's scope; a time limit is a scope around what it limits.
 *
 *   server [port]      0, the default: any free one, which it prints
 *
 * Lines come back as "you said: LINE". "within MS" gives the next line so many
 * milliseconds; "quit" ends the connection; "stop", or Ctrl-C, ends the server
 * and everything in it.
 */
#include <neap.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct server {
  neap_server *listening;
  neap_scope *scope; /* of all its tasks */
  unsigned connections, lines;
};

struct client {
  struct server *server;
  neap_stream *stream;
};

static int say(neap_stream *stream, const char *text, const char *more) {
  neap_bytes pieces[] = {{text, strlen(text)}, {more, strlen(more)}, {"\n", 1}};
  size_t sent;
  return neap_stream_write(stream, pieces, 3, &sent);
}

/* Copies the next line. The view is the stream's, and only valid until the
   next wait. Returns 0, UV_EOF, or another code. */
static int read_line(neap_stream *stream, char *line, size_t size) {
  neap_view view;
  int err = neap_stream_peek_until(stream, "\n", 1, size - 1, &view);
  if (err < 0)
    return err;
  memcpy(line, view.base, view.len);
  line[view.len] = '\0';
  neap_stream_consume(stream, view.len + view.tail);
  return 0;
}

/* The same, within so many milliseconds: else UV_ETIMEDOUT. */
static int read_line_within(neap_rt *rt, neap_stream *stream, long ms,
                            char *line, size_t size) {
  neap_scope *limit;
  uint64_t due = neap_now(rt) + (uint64_t)ms * 1000000;
  int err = neap_scope_open(rt, due, &limit);
  if (err < 0)
    return err;
  return neap_scope_close(limit, read_line(stream, line, size));
}

static int talk(neap_rt *rt, struct server *server, neap_stream *stream) {
  char line[512];
  long ms = 0;
  for (;;) {
    int err = ms > 0 ? read_line_within(rt, stream, ms, line, sizeof line)
                     : read_line(stream, line, sizeof line);
    ms = 0;
    if (err == UV_ETIMEDOUT)
      return say(stream, "too slow", "");
    if (err == UV_EMSGSIZE)
      return say(stream, "too long", "");
    if (err < 0)
      return err;
    server->lines++;
    if (strcmp(line, "quit") == 0)
      return say(stream, "bye", "");
    if (strcmp(line, "stop") == 0)
      neap_scope_cancel(server->scope); /* shows at this task's next wait */
    else if (strncmp(line, "within ", 7) == 0)
      ms = strtol(line + 7, NULL, 10);
    else
      err = say(stream, "you said: ", line);
    if (err < 0)
      return err;
  }
}

/* A connection that breaks is no failure of the server: only what ends its
   wait from outside is passed on. */
static int serve_client(neap_rt *rt, void *arg) {
  struct client *client = arg;
  int err = talk(rt, client->server, client->stream);
  neap_stream_close(client->stream);
  free(client);
  return err == NEAP_CANCELLED || err == NEAP_CLOSING ? err : 0;
}

static int accept_all(neap_rt *rt, struct server *server) {
  for (;;) {
    neap_stream *stream;
    int err = neap_accept(server->listening, NEAP_NEVER, &stream);
    if (err == UV_EMFILE || err == UV_ENFILE || err == UV_ENOBUFS)
      continue; /* later calls wait a little by themselves */
    if (err < 0)
      return err;
    struct client *client = malloc(sizeof *client);
    if (client == NULL) {
      neap_stream_close(stream);
      continue;
    }
    *client = (struct client){server, stream};
    if (neap_spawn(rt, serve_client, client, NULL, NULL) < 0) {
      neap_stream_close(stream);
      free(client);
      continue;
    }
    server->connections++;
  }
}

/* Ctrl-C ends the scope, with all that is in it. */
static int await_signal(neap_rt *rt, void *arg) {
  struct server *server = arg;
  neap_listener *listener;
  int signums[] = {SIGINT, SIGTERM};
  int err = neap_signal_listen(rt, signums, 2, &listener);
  if (err < 0)
    return err;
  err = neap_listener_wait(listener, NEAP_NEVER);
  neap_listener_close(listener);
  if (err > 0)
    neap_scope_cancel(server->scope);
  return err;
}

/* Everything it starts is in one scope, and has ended when it returns. */
static int serve(neap_rt *rt, struct server *server) {
  int err = neap_scope_open(rt, NEAP_NEVER, &server->scope);
  if (err < 0)
    return err;
  err = neap_spawn(rt, await_signal, server, NULL, NULL);
  if (err == 0)
    err = accept_all(rt, server);
  err = neap_scope_close(server->scope, err);
  return err == UV_ECANCELED ? 0 : err; /* that is how it is stopped */
}

int main(int argc, char **argv) {
  struct server server = {0};
  neap_address address;
  neap_rt *rt;
  int port = argc > 1 ? atoi(argv[1]) : 0;
  int err = neap_new(NULL, &rt);
  if (err < 0) {
    fprintf(stderr, "server: %s\n", uv_strerror(err));
    return 1;
  }
  err =
      neap_tcp_listen(rt, "127.0.0.1", (uint16_t)port, NULL, &server.listening);
  if (err == 0)
    err = neap_server_address(server.listening, &address);
  if (err == 0) {
    printf("listening on %s:%d\n", address.text, address.port);
    fflush(stdout);
    err = serve(rt, &server);
  }
  neap_server_close(server.listening);
  neap_free(rt);
  printf("%u connections, %u lines\n", server.connections, server.lines);
  if (err < 0)
    fprintf(stderr, "server: %s\n", uv_strerror(err));
  return err < 0;
}
