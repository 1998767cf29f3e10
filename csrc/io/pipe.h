/*
 * pipe.h: connections over unix sockets.
 */
#ifndef NEAP_IO_PIPE_H
#define NEAP_IO_PIPE_H

#include "io/stream.h"

#include <sys/un.h>

/* Where a unix socket is: len bytes of addr. */
struct neap_pipe_address {
  struct sockaddr_un un;
  socklen_t len;
};

/* The file of one that listens. All-zero: there is none. */
struct neap_pipe_file {
  char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
  uint64_t dev, ino; /* which file it is */
};

/* The address of path, or of the abstract name that follows an "@". Returns 0;
   UV_ENAMETOOLONG: a socket's path has less room than others; UV_EINVAL: it is
   empty. */
int neap__pipe_address(const char *path, struct neap_pipe_address *out);

/*
 * A socket that listens on path. A file that is in the way is removed if it is
 * a socket's on which nobody listens. Waits. (While somebody else does the same
 * in that folder.) Returns the descriptor and *file, or a negative code.
 */
int neap__pipe_listen(struct neap_rt *rt, const char *path,
                      const neap_listen_options *options,
                      struct neap_pipe_file *file);

/* Removes the file, if it is still that one. Its socket must be open: until
   then no other file has its number. */
void neap__pipe_remove(const struct neap_pipe_file *file);

/* As neap__tcp_connect and neap__tcp_open. */
int neap__pipe_connect(struct neap_rt *rt, const char *path, uint64_t due_ns,
                       struct neap_stream **out);
int neap__pipe_open(struct neap_rt *rt, int fd, struct neap_stream **out);

#endif
