/* gather.c: reading to the end or a limit; see gather.h. */
#include "io/gather.h"

#include "core/mem.h"
#include "io/fd.h"
#include "io/fs_fast.h"

#include <string.h>

/* What a file without a known size (as those in /proc) is first read with. */
#define GUESS ((size_t)4096)

void neap__gather_free(struct neap_gather *gather) {
  neap__mem_shared_free(gather->data);
  gather->data = NULL;
  gather->len = gather->capacity = 0;
}

void neap__gather_give(struct neap_gather *gather, neap_blob *out) {
  *out = (neap_blob){.base = gather->data, .len = gather->len};
  gather->data = NULL;
  gather->len = gather->capacity = 0;
}

int neap__gather_reserve(struct neap_gather *gather, size_t n) {
  size_t capacity = gather->len + n;
  char *data = neap__mem_shared_alloc(capacity);
  if (data == NULL)
    return UV_ENOMEM;
  if (gather->len > 0)
    memcpy(data, gather->data, gather->len);
  neap__mem_shared_free(gather->data);
  gather->data = data;
  gather->capacity = capacity;
  return 0;
}

/* Room for the next read: one byte more than there should be, so that the end
   shows. */
static int make_room(struct neap_gather *gather) {
  if (gather->len < gather->capacity)
    return 0;
  size_t capacity = GUESS;
  if (gather->capacity > SIZE_MAX / 2)
    return UV_ENOMEM;
  if (gather->capacity > 0)
    capacity = gather->capacity * 2;
  else if (gather->expected >= SIZE_MAX)
    return UV_ENOMEM;
  else if (gather->expected > 0)
    capacity = (size_t)gather->expected + 1;
  if (capacity > gather->limit)
    capacity = gather->limit;
  return neap__gather_reserve(gather, capacity - gather->len);
}

static int64_t place(const struct neap_gather *gather, int64_t at) {
  return at < 0 ? -1 : at + (int64_t)gather->len;
}

int neap__gather_read(struct neap_gather *gather, int fd, int64_t at) {
  while (gather->len < gather->limit) {
    int err = make_room(gather);
    if (err < 0)
      return err;
    char *room = gather->data + gather->len;
    int64_t n = neap__fd_read_at(fd, room, gather->capacity - gather->len,
                                 place(gather, at));
    if (n <= 0)
      return (int)n;
    gather->len += (size_t)n;
  }
  return 0;
}

/*
 * A read that brings less than was asked for ends at the file's length or
 * where the cache ends; the length tells which.
 */
int neap__gather_read_cached(struct neap_gather *gather, struct neap_io *io,
                             int fd, int64_t at) {
  while (gather->len < gather->limit) {
    uint64_t rest =
        gather->expected < gather->limit ? gather->expected : gather->limit;
    if (rest > NEAP_GATHER_QUICK || gather->len > NEAP_GATHER_QUICK)
      return UV_EAGAIN;
    int err = make_room(gather);
    if (err < 0)
      return err;
    char *room = gather->data + gather->len;
    int64_t n = neap__fs_fast_read(io, fd, room, gather->capacity - gather->len,
                                   place(gather, at));
    if (n == UV_ENOTSUP)
      return UV_EAGAIN;
    if (n <= 0)
      return (int)n;
    gather->len += (size_t)n;
    if (gather->len == gather->expected && gather->len < gather->capacity)
      return 0;
  }
  return 0;
}
