/*
 * stack.h: stack slots. A slot is a full-size stack with a guard that
 * many tasks share: one has its frames there, those of the others wait on the
 * heap as blocks of exactly the size they use, and go back to the same
 * addresses before their task runs. A task whose slot nobody else has used
 * meanwhile pays no copy.
 *
 * Invariant: nothing here runs on the slot it copies; all of it runs on the
 * driver's stack.
 */
#ifndef NEAP_CORE_STACK_H
#define NEAP_CORE_STACK_H

#include "core/list.h"
#include "core/mem.h"
#include "core/sanitize.h"

#include <stdint.h>

struct neap_slot {
  struct neap_list order;     /* shared slots: least recently taken first */
  struct neap_frames *holder; /* whose frames are here, or NULL */
  char *base, *top;           /* usable bytes; the guard is below base */
  size_t size;                /* of the whole map, guard and all */
  uint32_t bound;             /* tasks that have this slot for life */
  bool is_private;
  struct neap_sanitize sanitize;
};

/* A task's frames, wherever they are. Part of the task. */
struct neap_frames {
  struct neap_slot *slot; /* NULL before the first run and after the last */
  void *sp;               /* lowest live address while suspended */
  void *saved;            /* a copy of [sp, slot->top), or NULL: not needed */
};

struct neap_stacks {
  struct neap_mem *mem;
  struct neap_list shared; /* of struct neap_slot */
  struct neap_list spare;  /* private slots without a task, to be used again */
  size_t size;             /* of a stack, without its guard */
  size_t guard;            /* bytes below a stack that may not be touched */
  uint32_t nshared, nspare, nprivate;
  uint32_t max_shared;
  bool all_private;

  /* For neap.info. */
  uint64_t copies, bytes_saved;
};

/* stack_size 0: 1 MiB. Does not allocate. */
void neap__stack_init(struct neap_stacks *stacks, struct neap_mem *mem,
                      size_t stack_size, bool all_private);

/* Unmaps every slot. No task is bound to one any more. */
void neap__stack_deinit(struct neap_stacks *stacks);

/* What stack a task gets: one that it shares, or one of its own of the usual
   size; more: so many bytes of its own, at least NEAP_STACK_LEAST. */
#define NEAP_STACK_SHARED  ((size_t)0)
#define NEAP_STACK_PRIVATE ((size_t)1)
#define NEAP_STACK_LEAST   ((size_t)16 * 1024)

/*
 * Makes sure that a task can be bound later: at least one shared slot is
 * there; or binds a slot of its own now. Returns 0 or UV_ENOMEM.
 */
int neap__stack_reserve(struct neap_stacks *stacks, struct neap_frames *frames,
                        size_t stack);

/*
 * Makes the frames' slot theirs: chooses one on the first call, saves the
 * frames of whom it belonged to last, copies these back. Returns 0, or
 * UV_ENOMEM with no frames moved: the holder's could not be saved.
 */
int neap__stack_take(struct neap_stacks *stacks, struct neap_frames *frames);

/* The same, and quick where it is theirs already: a call less for each switch
   among few tasks. */
static inline int neap__stack_enter(struct neap_stacks *stacks,
                                    struct neap_frames *frames) {
  const struct neap_slot *slot = frames->slot;
  if (slot != NULL && slot->holder == frames)
    return 0;
  return neap__stack_take(stacks, frames);
}

/* The frames have ended: gives their slot up. */
void neap__stack_leave(struct neap_stacks *stacks, struct neap_frames *frames);

/* The frames are running and go on to the process's end, without the runtime:
   forgets their slot and leaves it mapped. */
void neap__stack_abandon(struct neap_stacks *stacks,
                         struct neap_frames *frames);

/* Hostile build: saves the frames at once and poisons where they were. */
void neap__stack_evict(struct neap_stacks *stacks, struct neap_frames *frames);

/* Bytes of frames that are live while suspended. */
size_t neap__stack_used(const struct neap_frames *frames);

#endif
