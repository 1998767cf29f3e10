/*
 * mem.h: a runtime's memory. Everything the runtime owns comes from here, so
 * that a host's allocator, a limit and a failing test allocator reach it all.
 * Frees are sized, as Lua's: small blocks come from free lists per size and
 * carry no header, which is what makes a waiting task cheap.
 */
#ifndef NEAP_CORE_MEM_H
#define NEAP_CORE_MEM_H

#include "include/neap.h"

#include <stddef.h>
#include <stdint.h>

/* Blocks up to NEAP_MEM_SMALL bytes are pooled in steps of NEAP_MEM_STEP. */
#define NEAP_MEM_STEP  16
#define NEAP_MEM_SMALL 2048

struct neap_mem_free; /* a free small block: a link in its own first bytes */
struct neap_mem_chunk;

struct neap_mem {
  neap_alloc_fn alloc; /* what lies below the pool */
  void *ud;

  struct neap_mem_free *lists[NEAP_MEM_SMALL / NEAP_MEM_STEP];
  struct neap_mem_chunk *chunks; /* what small blocks are cut from */
  char *cut, *cut_end;           /* the uncut rest of the newest chunk */

  size_t used;    /* bytes handed out and not freed */
  size_t limit;   /* `used` may not pass it; 0: no limit */
  size_t cap;     /* the host's limit on `used` and `outside` together, which
                     only moving frames may pass; 0: none */
  size_t outside; /* bytes that the binding's language has */

  /* Test builds: allocation number fail_at fails (1 is the next), and all
     later ones too if fail_on is set. 0: none. failed counts them. */
  uint64_t fail_at, failed;
  bool fail_on;
};

/* The C library's allocator as a neap_alloc_fn. */
void *neap__mem_libc(void *ud, void *ptr, size_t old_size, size_t new_size);

/* Does not wait. alloc NULL means the C library's. */
void neap__mem_init(struct neap_mem *mem, neap_alloc_fn alloc, void *ud);

/* Gives every chunk back. All blocks must have been freed before. */
void neap__mem_deinit(struct neap_mem *mem);

/* size > 0 bytes, aligned to 16, not cleared; NULL when there is no memory.
   The caller frees them with neap__mem_free and the same size. */
void *neap__mem_alloc(struct neap_mem *mem, size_t size);

/* The same, cleared. */
void *neap__mem_zalloc(struct neap_mem *mem, size_t size);

/* neap__mem_alloc past the host's limit: for what no task has asked for. */
void *neap__mem_alloc_past_cap(struct neap_mem *mem, size_t size);

/* Whether size bytes more would pass the host's limit. */
bool neap__mem_capped(const struct neap_mem *mem, size_t size);

/* As realloc with the old size told; on NULL the old block is untouched.
   old_size 0 goes with ptr NULL; new_size > 0. */
void *neap__mem_realloc(struct neap_mem *mem, void *ptr, size_t old_size,
                        size_t new_size);

/* Memory that any thread may ask for and free: the C library's, and outside
   every limit. For what one thread hands to another. */
void *neap__mem_shared_alloc(size_t size);
void neap__mem_shared_free(void *ptr);

/* ptr NULL is harmless. */
void neap__mem_free(struct neap_mem *mem, void *ptr, size_t size);

#endif
