/*
 * pipe.h: connections over unix sockets.
 */
#ifndef NEAP_IO_PIPE_H
#define NEAP_IO_PIPE_H

#include "io/stream.h"

#include <sys/un.h>

/* The address of path. Returns 0, or UV_ENAMETOOLONG: a socket's path has less
   room than others. */
int neap__pipe_address(const char *path, struct sockaddr_un *out);

/* As neap__tcp_connect and neap__tcp_open. */
int neap__pipe_connect(struct neap_rt *rt, const char *path, uint64_t due_ns,
                       struct neap_stream **out);
int neap__pipe_open(struct neap_rt *rt, int fd, struct neap_stream **out);

#endif
