/*
 * gather.h: bytes read from a regular file until it ends or a limit is
 * reached, in shared memory: begun from the kernel's cache on the loop's
 * thread, and gone on with in the pool from where that had no more.
 */
#ifndef NEAP_IO_GATHER_H
#define NEAP_IO_GATHER_H

#include "io/handle.h"

/* The most that is copied from the kernel's cache between two looks at the
   others: a quarter of a millisecond. */
#ifdef NEAP_HOSTILE
#define NEAP_GATHER_QUICK ((size_t)64)
#else
#define NEAP_GATHER_QUICK ((size_t)1024 * 1024)
#endif

/* All-zero but limit is empty. */
struct neap_gather {
  char *data; /* shared memory: len of capacity bytes are filled in */
  size_t len, capacity;
  size_t limit;      /* no more than this is read */
  uint64_t expected; /* how many there should be; 0: nobody knows */
};

/* Frees what was gathered. */
void neap__gather_free(struct neap_gather *gather);

/* Hands it over. */
void neap__gather_give(struct neap_gather *gather, neap_blob *out);

/* Room for exactly n > 0 bytes more. Returns 0 or UV_ENOMEM. */
int neap__gather_reserve(struct neap_gather *gather, size_t n);

/*
 * Reads from fd at the place at + len (at < 0: where it stands). In a pool
 * thread: it blocks. Returns 0 at the end or the limit, or a negative code.
 */
int neap__gather_read(struct neap_gather *gather, int fd, int64_t at);

/* The same of what is cached. Does not block. UV_EAGAIN: the rest is for
   neap__gather_read. */
int neap__gather_read_cached(struct neap_gather *gather, struct neap_io *io,
                             int fd, int64_t at);

#endif
