/*
 * fd.h: system calls on descriptors as the rest of io wants them: repeated
 * when a signal interrupts them, and with libuv's negative codes as results.
 * They may block, so they are for pool threads, for descriptors that are
 * non-blocking, and for where nobody may wait. Any thread.
 */
#ifndef NEAP_IO_FD_H
#define NEAP_IO_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What a descriptor is, as far as waiting goes. */
enum neap_fd_kind {
  NEAP_FD_REGULAR, /* always ready, and slow: files, folders, disks */
  NEAP_FD_FIFO,    /* may never be ready: to be polled */
  NEAP_FD_OTHER    /* the same: terminals, sockets, devices */
};

/*
 * Opens path with O_CLOEXEC and O_NONBLOCK: a FIFO must not hold the thread up
 * until somebody comes to its other end. The caller closes the result.
 */
int neap__fd_open(const char *path, int flags, int mode);

/*
 * Opens what fd stands for anew, with a description that nobody shares: whether
 * that blocks is nobody else's business. Never waits for a FIFO's other end.
 * Returns a descriptor or a negative code: a socket can't be opened again,
 * a terminal that was given by another user may not.
 */
int neap__fd_again(int fd, bool blocking);

/* What fd is and how long; size may be NULL. Returns 0 or a negative code. */
int neap__fd_look(int fd, enum neap_fd_kind *kind, uint64_t *size);

/* Makes calls on fd block. For a regular file: elsewhere other processes that
   share its description would notice. */
int neap__fd_set_blocking(int fd);

/* Up to n bytes from where fd stands. Returns how many, 0 at the end. */
int64_t neap__fd_read(int fd, char *bytes, size_t n);

/* The same from the place `at` of a file, which leaves alone where fd stands;
   at < 0: from where it stands. */
int64_t neap__fd_read_at(int fd, char *bytes, size_t n, int64_t at);

/* Writes up to n bytes; returns how many. */
int64_t neap__fd_write(int fd, const char *bytes, size_t n);

/* The same two of a socket, which may be a blocking one: UV_EAGAIN instead of
   waiting. No SIGPIPE. */
int64_t neap__fd_recv(int fd, char *bytes, size_t n);
int64_t neap__fd_send(int fd, const char *bytes, size_t n);

/* Writes n bytes; *done counts those that were written, on failure too. With
   wait set it blocks where a non-blocking descriptor would not. */
int neap__fd_write_all(int fd, const char *bytes, size_t n, bool wait,
                       size_t *done);

/* Writes n bytes at the place `at`. Returns 0 or a negative code. */
int neap__fd_write_at(int fd, const char *bytes, size_t n, int64_t at);

/* Has the disk take what was written; data_only: not the times and such. */
int neap__fd_sync(int fd, bool data_only);

int neap__fd_truncate(int fd, int64_t size);
int neap__fd_chmod(int fd, int mode);

/* Sets access and modification time, as futimens(3). */
int neap__fd_utime(int fd, const struct timespec times[2]);

/* Whether everybody who held a FIFO's other end open has gone. While nobody
   has come yet a read of it says "end", too. */
bool neap__fd_hung_up(int fd);

/* Closes fd, also when it fails. A signal's interruption is no failure. */
int neap__fd_close(int fd);

#endif
