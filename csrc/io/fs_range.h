/*
 * fs_range.h: copying within the kernel, and holes. fs_range_linux.c has it,
 * fs_range_none.c says UV_ENOTSUP: bytes are then read and written. For pool
 * threads.
 */
#ifndef NEAP_IO_FS_RANGE_H
#define NEAP_IO_FS_RANGE_H

#include <stddef.h>
#include <stdint.h>

/* Makes the empty file `out` share all of `in`'s blocks. Returns 0, or
   UV_ENOTSUP where they can't be shared, for whatever reason. */
int neap__fs_range_clone(int in, int out);

/* Copies up to n bytes at the place `at` of one to the same place of the other.
   Returns how many, 0 at the end, UV_ENOTSUP where these two can't be copied
   so, or another negative code. */
int64_t neap__fs_range_copy(int in, int out, uint64_t at, size_t n);

/* The first bytes at or behind `at` that are not in a hole: [*begin, *end).
   Returns 1; 0 when only a hole follows; UV_ENOTSUP where holes can't be
   told. */
int neap__fs_range_data(int fd, uint64_t at, uint64_t *begin, uint64_t *end);

/* Gives `to` the extended attributes of `from`, access control lists among
   them, as far as they may be set there. Returns 0 or a negative code. */
int neap__fs_range_attributes(int from, int to);

#endif
