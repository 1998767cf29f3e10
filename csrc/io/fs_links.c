/* fs_links.c: originals with several names and their copies; see fs_links.h. */
#include "io/fs_links.h"

#include "core/mem.h"

#include <string.h>
#include <uv.h>

#define CAPACITY_FIRST 64

/* The slot of that original, or the free one where it would be. There is always
   a free one. */
static struct neap_fs_link *slot_of(const struct neap_fs_links *links,
                                    uint64_t dev, uint64_t ino) {
  /* Fibonacci hashing: inodes of one folder are often neighbours. */
  uint64_t hash = (ino ^ dev << 32) * UINT64_C(0x9E3779B97F4A7C15);
  uint32_t mask = links->capacity - 1;
  uint32_t at = (uint32_t)(hash >> 32) & mask;
  while (links->slots[at].path != NULL &&
         (links->slots[at].ino != ino || links->slots[at].dev != dev))
    at = (at + 1) & mask;
  return &links->slots[at];
}

const struct neap_fs_link *
neap__fs_links_find(const struct neap_fs_links *links, uint64_t dev,
                    uint64_t ino) {
  if (links->n == 0)
    return NULL;
  const struct neap_fs_link *link = slot_of(links, dev, ino);
  return link->path != NULL ? link : NULL;
}

/* Keeps at least a third of the slots free. */
static int make_room(struct neap_fs_links *links) {
  if (3 * (links->n + 1) <= 2 * links->capacity)
    return 0;
  uint32_t capacity =
      links->capacity > 0 ? 2 * links->capacity : CAPACITY_FIRST;
  struct neap_fs_links bigger = {.n = links->n, .capacity = capacity};
  bigger.slots = neap__mem_shared_alloc(capacity * sizeof *bigger.slots);
  if (bigger.slots == NULL)
    return UV_ENOMEM;
  memset(bigger.slots, 0, capacity * sizeof *bigger.slots);
  for (uint32_t i = 0; i < links->capacity; i++) {
    const struct neap_fs_link *link = &links->slots[i];
    if (link->path != NULL)
      *slot_of(&bigger, link->dev, link->ino) = *link;
  }
  neap__mem_shared_free(links->slots);
  *links = bigger;
  return 0;
}

int neap__fs_links_add(struct neap_fs_links *links,
                       const struct neap_fs_link *link) {
  int err = make_room(links);
  if (err < 0)
    return err;
  size_t size = strlen(link->path) + 1;
  char *path = neap__mem_shared_alloc(size);
  if (path == NULL)
    return UV_ENOMEM;
  memcpy(path, link->path, size);
  struct neap_fs_link *slot = slot_of(links, link->dev, link->ino);
  links->n += slot->path == NULL;
  neap__mem_shared_free(slot->path);
  *slot = *link;
  slot->path = path;
  return 0;
}

void neap__fs_links_free(struct neap_fs_links *links) {
  for (uint32_t i = 0; i < links->capacity; i++)
    neap__mem_shared_free(links->slots[i].path);
  neap__mem_shared_free(links->slots);
  *links = (struct neap_fs_links){0};
}
