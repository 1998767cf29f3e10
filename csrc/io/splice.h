/*
 * splice.h: bytes from socket to socket within the kernel, through a pipe of
 * the runtime's. They are in the pipe only while nobody waits: so one will do
 * for all. None of these waits.
 */
#ifndef NEAP_IO_SPLICE_H
#define NEAP_IO_SPLICE_H

#include "io/handle.h"

/* The pipe is there from now on. Returns 0, or a negative code: bytes have to
   be copied. */
int neap__splice_open(struct neap_io *io);

/* Up to n bytes from fd into the pipe. Returns how many, 0 at the end,
   UV_EAGAIN, UV_EINVAL when fd is of a kind that can't, or a negative code. */
int64_t neap__splice_fill(const struct neap_io *io, int fd, size_t n);

/* Up to n bytes out of the pipe to fd. Returns the same. */
int64_t neap__splice_drain(const struct neap_io *io, int fd, size_t n);

/* The n bytes that are in the pipe, all of them, to where there is room. */
void neap__splice_take(const struct neap_io *io, char *bytes, size_t n);

/* At the runtime's end. */
void neap__splice_close(struct neap_io *io);

#endif
