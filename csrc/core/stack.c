/* stack.c: stack slots; the idea is told in stack.h. */
#include "core/stack.h"

#include <uv.h>

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_SIZE ((size_t)1024 * 1024)

/* Shared slots are made as long as there are fewer than this many: below it
   tasks hardly ever copy, above it more of them would only miss the cache. */
#ifdef NEAP_HOSTILE
#define MAX_SHARED 2
#else
#define MAX_SHARED 96
#endif

/* Below each stack: a C function with a big frame must not step over it. */
#define GUARD ((size_t)64 * 1024)

/* A slot whose holder has more frames than this takes no new tasks. */
#define HEAVY ((size_t)16 * 1024)

/* Slots begin at different places of a page: else all of their frames would
   compete for the same few lines of the first cache. */
#define COLORS     4
#define COLOR_STEP 1024

/* How often the slot choice looks at another slot before it takes one whose
   holder must be copied. */
#define MAX_LOOKS 4

/* Hostile build: bytes below the frames that are poisoned with them. */
#define POISON 4096

/* Private slots kept mapped for the next task that wants one. */
#define MAX_SPARE 16

/* size rounded up to whole pages; one that is absurd is one that the system
   will refuse. */
static size_t whole_pages(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (size < NEAP_STACK_LEAST)
    size = NEAP_STACK_LEAST;
  if (size > SIZE_MAX / 2)
    size = SIZE_MAX / 2;
  return size + (page - size % page) % page;
}

void neap__stack_init(struct neap_stacks *stacks, struct neap_mem *mem,
                      size_t stack_size, bool all_private) {
  memset(stacks, 0, sizeof *stacks);
  stacks->mem = mem;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  stacks->guard = GUARD > page ? GUARD : page;
  stacks->size = whole_pages(stack_size != 0 ? stack_size : DEFAULT_SIZE);
  stacks->max_shared = MAX_SHARED;
  stacks->all_private = all_private || neap__sanitize_private();
  neap__list_init(&stacks->shared);
  neap__list_init(&stacks->spare);
}

/* Maps a stack of size bytes with its guard; NULL when the system refuses
   either: a stack without a guard is not used. */
static struct neap_slot *slot_new(struct neap_stacks *stacks, size_t size) {
  struct neap_slot *slot = neap__mem_zalloc(stacks->mem, sizeof *slot);
  if (slot == NULL)
    return NULL;
  size_t whole = size + stacks->guard;
  char *map =
      mmap(NULL, whole, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (map == MAP_FAILED)
    goto fail;
  if (mprotect(map, stacks->guard, PROT_NONE) != 0) {
    munmap(map, whole);
    goto fail;
  }
  slot->base = map + stacks->guard;
  slot->top = map + whole;
  slot->size = whole;
  neap__sanitize_open(&slot->sanitize, slot->base, size);
  return slot;
fail:
  neap__mem_free(stacks->mem, slot, sizeof *slot);
  return NULL;
}

static void slot_free(struct neap_stacks *stacks, struct neap_slot *slot) {
  neap__list_remove(&slot->order);
  neap__sanitize_close(&slot->sanitize);
  munmap(slot->base - stacks->guard, slot->size);
  neap__mem_free(stacks->mem, slot, sizeof *slot);
}

void neap__stack_deinit(struct neap_stacks *stacks) {
  struct neap_list *lists[] = {&stacks->shared, &stacks->spare};
  for (int i = 0; i < 2; i++) {
    struct neap_list *node = lists[i]->next;
    while (node != lists[i]) {
      struct neap_slot *slot = NEAP_LIST_ENTRY(node, struct neap_slot, order);
      node = node->next;
      slot_free(stacks, slot);
    }
  }
}

size_t neap__stack_used(const struct neap_frames *frames) {
  if (frames->slot == NULL || frames->sp == NULL)
    return 0;
  return (size_t)(frames->slot->top - (char *)frames->sp);
}

static void bind_slot(struct neap_frames *frames, struct neap_slot *slot) {
  frames->slot = slot;
  slot->bound++;
}

/* Adds a shared slot as the first to be taken, if the system has one. */
static struct neap_slot *add_shared(struct neap_stacks *stacks) {
  struct neap_slot *slot = slot_new(stacks, stacks->size);
  if (slot != NULL) {
    slot->top -= stacks->nshared % COLORS * COLOR_STEP;
    neap__list_push_front(&stacks->shared, &slot->order);
    stacks->nshared++;
  }
  return slot;
}

/* A private slot: a spare one, or a new one. Spare ones are of the usual
   size. */
static int bind_private(struct neap_stacks *stacks, struct neap_frames *frames,
                        size_t size) {
  struct neap_list *node = NULL;
  struct neap_slot *slot;
  if (size == stacks->size)
    node = neap__list_pop(&stacks->spare);
  if (node != NULL) {
    slot = NEAP_LIST_ENTRY(node, struct neap_slot, order);
    stacks->nspare--;
  } else {
    slot = slot_new(stacks, size);
    if (slot == NULL)
      return UV_ENOMEM;
    slot->is_private = true;
  }
  stacks->nprivate++;
  slot->holder = frames;
  bind_slot(frames, slot);
  return 0;
}

int neap__stack_reserve(struct neap_stacks *stacks, struct neap_frames *frames,
                        size_t stack) {
  if (stack > NEAP_STACK_PRIVATE)
    return bind_private(stacks, frames, whole_pages(stack));
  if (stack == NEAP_STACK_PRIVATE || stacks->all_private)
    return bind_private(stacks, frames, stacks->size);
  if (stacks->nshared == 0 && add_shared(stacks) == NULL)
    return UV_ENOMEM;
  return 0;
}

/*
 * Chooses a shared slot for a task's whole life: a free one, else a new one
 * while there are few, else the least recently taken whose holder is not
 * heavy. Looks at few of them, so that a spawn stays cheap.
 */
static struct neap_slot *choose(struct neap_stacks *stacks) {
  struct neap_slot *best = NULL;
  struct neap_list *node = stacks->shared.next;
  for (int i = 0; i < MAX_LOOKS && node != &stacks->shared; i++) {
    struct neap_slot *slot = NEAP_LIST_ENTRY(node, struct neap_slot, order);
    if (slot->holder == NULL)
      return slot; /* free ones are kept in front */
    if (best == NULL && neap__stack_used(slot->holder) <= HEAVY)
      best = slot;
    node = node->next;
  }
  if (stacks->nshared < stacks->max_shared || best == NULL) {
    struct neap_slot *fresh = add_shared(stacks);
    if (fresh != NULL)
      return fresh;
  }
  if (best == NULL) /* all are heavy, and there is no room for more */
    best = NEAP_LIST_ENTRY(stacks->shared.next, struct neap_slot, order);
  return best;
}

/* Copies the frames that are in slot to the heap. */
static int save(struct neap_stacks *stacks, struct neap_frames *frames) {
  size_t size = neap__stack_used(frames);
  void *block = neap__mem_alloc_past_cap(stacks->mem, size);
  if (block == NULL)
    return UV_ENOMEM;
  memcpy(block, frames->sp, size);
  frames->saved = block;
  frames->slot->holder = NULL;
  stacks->copies++;
  stacks->bytes_saved += size;
  return 0;
}

static void restore(struct neap_stacks *stacks, struct neap_frames *frames) {
  size_t size = neap__stack_used(frames);
  memcpy(frames->sp, frames->saved, size);
  stacks->bytes_saved -= size;
  neap__mem_free(stacks->mem, frames->saved, size);
  frames->saved = NULL;
}

int neap__stack_take(struct neap_stacks *stacks, struct neap_frames *frames) {
  struct neap_slot *slot = frames->slot;
  if (slot == NULL) {
    slot = choose(stacks);
    bind_slot(frames, slot);
  }
  if (slot->holder != NULL) {
    int err = save(stacks, slot->holder);
    if (err < 0)
      return err;
  }
  if (frames->saved != NULL)
    restore(stacks, frames);
  slot->holder = frames;
  neap__list_remove(&slot->order); /* now the last one to be taken again */
  neap__list_push(&stacks->shared, &slot->order);
  return 0;
}

void neap__stack_leave(struct neap_stacks *stacks, struct neap_frames *frames) {
  struct neap_slot *slot = frames->slot;
  if (slot == NULL)
    return;
  assert(frames->saved == NULL && slot->bound > 0);
  frames->slot = NULL;
  frames->sp = NULL;
  slot->bound--;
  slot->holder = NULL;
  if (!slot->is_private) {
    neap__list_remove(&slot->order);
    neap__list_push_front(&stacks->shared, &slot->order);
    return;
  }
  stacks->nprivate--;
  if (stacks->nspare >= MAX_SPARE ||
      slot->size != stacks->size + stacks->guard) {
    slot_free(stacks, slot);
    return;
  }
  stacks->nspare++;
  neap__list_push(&stacks->spare, &slot->order);
}

void neap__stack_abandon(struct neap_stacks *stacks,
                         struct neap_frames *frames) {
  struct neap_slot *slot = frames->slot;
  neap__list_remove(&slot->order);
  neap__mem_free(stacks->mem, slot, sizeof *slot);
  frames->slot = NULL;
}

void neap__stack_evict(struct neap_stacks *stacks, struct neap_frames *frames) {
  struct neap_slot *slot = frames->slot;
  if (slot->is_private || slot->holder != frames)
    return;
  char *sp = frames->sp;
  if (save(stacks, frames) != 0)
    return;
  char *from = sp - slot->base > POISON ? sp - POISON : slot->base;
  memset(from, 0xDB, (size_t)(slot->top - from));
}
