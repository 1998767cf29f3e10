/* watch_seen.c: names that were told already; see watch_seen.h. */
#include "io/watch_seen.h"

#include <string.h>

#define BUCKETS_FIRST 64

struct neap_watch_name {
  struct neap_watch_name *next;
  uint32_t size; /* of the whole block */
  uint32_t hash;
  int wd;
  char name[];
};

/* FNV-1a, begun with the folder. */
static uint32_t hash_of(int wd, const char *name) {
  uint32_t hash = 2166136261u ^ (uint32_t)wd;
  for (; *name != '\0'; name++)
    hash = (hash ^ (unsigned char)*name) * 16777619u;
  return hash;
}

static struct neap_watch_name **place_of(const struct neap_watch_seen *seen,
                                         uint32_t hash) {
  return &seen->buckets[hash & (seen->nbuckets - 1)];
}

static bool make_room(struct neap_watch_seen *seen) {
  if (seen->n < seen->nbuckets)
    return true;
  struct neap_watch_seen bigger = *seen;
  bigger.nbuckets = seen->nbuckets > 0 ? 2 * seen->nbuckets : BUCKETS_FIRST;
  size_t size = bigger.nbuckets * sizeof *bigger.buckets;
  bigger.buckets = neap__mem_zalloc(seen->mem, size);
  if (bigger.buckets == NULL)
    return false;
  for (uint32_t i = 0; i < seen->nbuckets; i++) {
    struct neap_watch_name *name = seen->buckets[i];
    while (name != NULL) {
      struct neap_watch_name *next = name->next;
      struct neap_watch_name **place = place_of(&bigger, name->hash);
      name->next = *place;
      *place = name;
      name = next;
    }
  }
  neap__mem_free(seen->mem, seen->buckets,
                 seen->nbuckets * sizeof *seen->buckets);
  *seen = bigger;
  return true;
}

void neap__watch_seen_add(struct neap_watch_seen *seen, int wd,
                          const char *name) {
  size_t len = strlen(name);
  size_t size = sizeof(struct neap_watch_name) + len + 1;
  if (!make_room(seen))
    return;
  struct neap_watch_name *noted = neap__mem_alloc(seen->mem, size);
  if (noted == NULL)
    return;
  noted->size = (uint32_t)size;
  noted->hash = hash_of(wd, name);
  noted->wd = wd;
  memcpy(noted->name, name, len + 1);
  struct neap_watch_name **place = place_of(seen, noted->hash);
  noted->next = *place;
  *place = noted;
  seen->n++;
}

static void drop(struct neap_watch_seen *seen, struct neap_watch_name **at) {
  struct neap_watch_name *noted = *at;
  *at = noted->next;
  seen->n--;
  neap__mem_free(seen->mem, noted, noted->size);
}

bool neap__watch_seen_take(struct neap_watch_seen *seen, int wd,
                           const char *name) {
  if (seen->n == 0)
    return false;
  uint32_t hash = hash_of(wd, name);
  struct neap_watch_name **at = place_of(seen, hash);
  for (; *at != NULL; at = &(*at)->next) {
    if ((*at)->hash == hash && (*at)->wd == wd &&
        strcmp((*at)->name, name) == 0) {
      drop(seen, at);
      return true;
    }
  }
  return false;
}

void neap__watch_seen_clear(struct neap_watch_seen *seen) {
  if (seen->buckets == NULL)
    return;
  for (uint32_t i = 0; i < seen->nbuckets; i++)
    while (seen->buckets[i] != NULL)
      drop(seen, &seen->buckets[i]);
  neap__mem_free(seen->mem, seen->buckets,
                 seen->nbuckets * sizeof *seen->buckets);
  seen->buckets = NULL;
  seen->nbuckets = 0;
}
