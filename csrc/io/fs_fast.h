/*
 * fs_fast.h: opening, reading and looking at what the kernel has in its caches,
 * without a hop to a pool thread. A hop costs 30 us and more, a cached read of
 * 4 KiB three. fs_fast_linux.c has it, fs_fast_none.c says "not here".
 */
#ifndef NEAP_IO_FS_FAST_H
#define NEAP_IO_FS_FAST_H

#include "io/handle.h"

#include <stddef.h>
#include <stdint.h>

/*
 * neap__fd_open for a path that is cached. Does not wait, does not block.
 * Returns a descriptor, UV_EAGAIN when it takes a pool thread to know, or the
 * code of a failure that is one.
 */
int neap__fs_fast_open(struct neap_io *io, const char *path, int flags);

/*
 * neap__fd_read_at of a regular file whose bytes are cached. Does not wait,
 * does not block. Returns how many bytes it read, 0 at the end, UV_EAGAIN when
 * they are not cached, UV_ENOTSUP when this will never do for fd, or the code
 * of a failure.
 */
int64_t neap__fs_fast_read(struct neap_io *io, int fd, char *bytes, size_t n,
                           int64_t at);

/*
 * stat(2) of a path that is cached; lstat(2) without follow. Does not wait,
 * does not block. Returns 0; UV_EAGAIN when it takes a pool thread to know;
 * UV_ENOTSUP when the file's mount is an unknown one, and the thread should
 * learn as well whether its file system is local; or the code of a failure that
 * is one.
 */
int neap__fs_fast_stat(struct neap_rt *rt, const char *path, bool follow,
                       neap_fs_info *out);

/* The same of an open file. */
int neap__fs_fast_look(struct neap_io *io, int fd, neap_fs_info *out);

/* In a pool thread: the mount that path, or fd, is on; id 0 when that can't be
   known. */
void neap__fs_fast_learn(const char *path, bool follow, struct neap_mount *out);
void neap__fs_fast_learn_fd(int fd, struct neap_mount *out);

/* On the loop's thread: what was learnt. */
void neap__fs_fast_note(struct neap_io *io, const struct neap_mount *mount);

#endif
