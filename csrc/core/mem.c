/*
 * mem.c: the pool is a free list per size, cut from chunks of 64 KiB that are
 * given back when the runtime ends: a switch storm never reaches malloc, and
 * the next wave of tasks reuses the memory of the last.
 */
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (64 * 1024)

struct neap_mem_free {
  struct neap_mem_free *next;
};

struct neap_mem_chunk {
  struct neap_mem_chunk *next;
  char pad[NEAP_MEM_STEP - sizeof(void *)]; /* keeps blocks aligned to 16 */
};

void *neap__mem_libc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

void neap__mem_init(struct neap_mem *mem, neap_alloc_fn alloc, void *ud) {
  memset(mem, 0, sizeof *mem);
  mem->alloc = alloc != NULL ? alloc : neap__mem_libc;
  mem->ud = ud;
}

void neap__mem_deinit(struct neap_mem *mem) {
  while (mem->chunks != NULL) {
    struct neap_mem_chunk *chunk = mem->chunks;
    mem->chunks = chunk->next;
    mem->alloc(mem->ud, chunk, CHUNK_SIZE, 0);
  }
}

/* Whether an allocation of size bytes is to be refused. */
static bool refused(struct neap_mem *mem, size_t size) {
  if (mem->limit != 0 && (size > mem->limit || mem->used > mem->limit - size))
    return true;
#ifdef NEAP_TEST
  if (mem->fail_at == 1) {
    mem->fail_at = mem->fail_on;
    mem->failed++;
    return true;
  }
  if (mem->fail_at > 1)
    mem->fail_at--;
#endif
  return false;
}

static size_t round_up(size_t size) {
  return (size + NEAP_MEM_STEP - 1) / NEAP_MEM_STEP * NEAP_MEM_STEP;
}

/* Sanitizers must see each block as an allocation of its own, so that a use
   after free is found: no pool there. */
#if defined(__SANITIZE_ADDRESS__) || defined(NEAP_MEM_NO_POOL)
#define POOLED(size) ((void)(size), false)
#else
#define POOLED(size) ((size) <= NEAP_MEM_SMALL)
#endif

/* A block of `size` (rounded) bytes off the newest chunk, or a new one. */
static void *cut(struct neap_mem *mem, size_t size) {
  if (mem->cut == NULL || (size_t)(mem->cut_end - mem->cut) < size) {
    struct neap_mem_chunk *chunk = mem->alloc(mem->ud, NULL, 0, CHUNK_SIZE);
    if (chunk == NULL)
      return NULL;
    chunk->next = mem->chunks;
    mem->chunks = chunk;
    mem->cut = (char *)(chunk + 1); /* the old rest, < 2 KiB, is wasted */
    mem->cut_end = (char *)chunk + CHUNK_SIZE;
  }
  void *block = mem->cut;
  mem->cut += size;
  return block;
}

bool neap__mem_capped(const struct neap_mem *mem, size_t size) {
  return mem->cap != 0 &&
         (size > mem->cap || mem->used + mem->outside > mem->cap - size);
}

void *neap__mem_alloc(struct neap_mem *mem, size_t size) {
  return neap__mem_capped(mem, size) ? NULL
                                     : neap__mem_alloc_past_cap(mem, size);
}

void *neap__mem_alloc_past_cap(struct neap_mem *mem, size_t size) {
  if (size > SIZE_MAX / 2 || refused(mem, size))
    return NULL;
  void *block;
  if (POOLED(size)) {
    size_t rounded = round_up(size);
    struct neap_mem_free **list = &mem->lists[rounded / NEAP_MEM_STEP - 1];
    block = *list;
    if (block != NULL)
      *list = (*list)->next;
    else
      block = cut(mem, rounded);
  } else {
    block = mem->alloc(mem->ud, NULL, 0, size);
  }
  if (block != NULL)
    mem->used += size;
  return block;
}

void *neap__mem_zalloc(struct neap_mem *mem, size_t size) {
  void *block = neap__mem_alloc(mem, size);
  if (block != NULL)
    memset(block, 0, size);
  return block;
}

void *neap__mem_realloc(struct neap_mem *mem, void *ptr, size_t old_size,
                        size_t new_size) {
  if (ptr != NULL && !POOLED(old_size) && !POOLED(new_size)) {
    if (new_size > SIZE_MAX / 2 ||
        (new_size > old_size && (neap__mem_capped(mem, new_size - old_size) ||
                                 refused(mem, new_size - old_size))))
      return NULL;
    void *moved = mem->alloc(mem->ud, ptr, old_size, new_size);
    if (moved != NULL)
      mem->used += new_size - old_size;
    return moved;
  }
  void *block = neap__mem_alloc(mem, new_size);
  if (block != NULL && ptr != NULL) {
    memcpy(block, ptr, old_size < new_size ? old_size : new_size);
    neap__mem_free(mem, ptr, old_size);
  }
  return block;
}

void neap__mem_free(struct neap_mem *mem, void *ptr, size_t size) {
  if (ptr == NULL)
    return;
  mem->used -= size;
  if (!POOLED(size)) {
    mem->alloc(mem->ud, ptr, size, 0);
    return;
  }
  struct neap_mem_free *block = ptr;
  struct neap_mem_free **list = &mem->lists[round_up(size) / NEAP_MEM_STEP - 1];
  block->next = *list;
  *list = block;
}

void *neap__mem_shared_alloc(size_t size) {
  return malloc(size);
}

void neap__mem_shared_free(void *ptr) {
  free(ptr);
}
