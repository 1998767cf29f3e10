/*
 * fs_fast.h: opening and reading what the kernel has in its caches, without a
 * hop to a pool thread. A hop costs 30 us and more, a cached read of 4 KiB
 * three. fs_fast_linux.c has it, fs_fast_none.c says "not here".
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
 * neap__fd_read of a regular file whose bytes are cached. Does not wait, does
 * not block. Returns how many bytes it read, 0 at the end, UV_EAGAIN when they
 * are not cached, UV_ENOTSUP when this will never do for fd, or the code of a
 * failure.
 */
int64_t neap__fs_fast_read(struct neap_io *io, int fd, char *bytes, size_t n);

#endif
