/*
 * fd_lock.h: locks on whole files that belong to an open description, not to
 * the process: two files opened by one process keep each other out as well,
 * and closing another descriptor of the file does not end them. fd_lock_linux.c
 * has fcntl's, which network mounts know as well, fd_lock_none.c flock's.
 */
#ifndef NEAP_IO_FD_LOCK_H
#define NEAP_IO_FD_LOCK_H

enum neap_fd_lock {
  NEAP_FD_LOCK_NONE,   /* end the lock */
  NEAP_FD_LOCK_SHARED, /* beside others that are shared */
  NEAP_FD_LOCK_ALONE
};

/*
 * Takes, changes or ends the lock that fd's description has on its file. Does
 * not wait for others. Returns 0, UV_EAGAIN when somebody else's lock is in the
 * way, UV_EBADF when fd is not open for that (shared: reading, alone: writing),
 * or another negative code.
 */
int neap__fd_lock(int fd, enum neap_fd_lock kind);

#endif
