/* context.c: the pairs that a host notes about tasks; see context.h. */
#include "core/context.h"

#include "core/rt.h"

#include <string.h>

struct pair {
  const void *key;
  void *value;
};

struct neap_context {
  uint32_t refs; /* tasks that have it */
  uint32_t n;
  struct pair pairs[];
};

static size_t size_of(uint32_t n) {
  return sizeof(struct neap_context) + n * sizeof(struct pair);
}

static void unref(struct neap_rt *rt, struct neap_context *context) {
  if (--context->refs == 0)
    neap__mem_free(&rt->mem, context, size_of(context->n));
}

/* --- the table: open addressing, the next free slot */

static uint32_t home_of(const struct neap_contexts *contexts,
                        const struct neap_task *task) {
  uint64_t key = (uint64_t)(uintptr_t)task * 0x9e3779b97f4a7c15u;
  return (uint32_t)(key >> 32) & (contexts->capacity - 1);
}

/* Where task is, or would be put. There is a free slot. */
static struct neap_context_slot *find(const struct neap_contexts *contexts,
                                      const struct neap_task *task) {
  uint32_t i = home_of(contexts, task);
  while (contexts->slots[i].task != NULL && contexts->slots[i].task != task)
    i = (i + 1) & (contexts->capacity - 1);
  return &contexts->slots[i];
}

static struct neap_context *context_of(const struct neap_contexts *contexts,
                                       const struct neap_task *task) {
  return contexts->n > 0 ? find(contexts, task)->context : NULL;
}

static void put(struct neap_contexts *contexts, const struct neap_task *task,
                struct neap_context *context) {
  struct neap_context_slot *slot = find(contexts, task);
  contexts->n += slot->task == NULL;
  slot->task = task;
  slot->context = context;
}

/* Has room for one more, and is at most three quarters full then. */
static int grow(struct neap_rt *rt) {
  struct neap_contexts *contexts = &rt->contexts, wider = {0};
  if (contexts->n < contexts->capacity / 4 * 3)
    return 0;
  wider.capacity = contexts->capacity > 0 ? contexts->capacity * 2 : 8;
  wider.slots =
      neap__mem_zalloc(&rt->mem, wider.capacity * sizeof *wider.slots);
  if (wider.slots == NULL)
    return UV_ENOMEM;
  for (uint32_t i = 0; i < contexts->capacity; i++)
    if (contexts->slots[i].task != NULL)
      put(&wider, contexts->slots[i].task, contexts->slots[i].context);
  neap__mem_free(&rt->mem, contexts->slots,
                 contexts->capacity * sizeof *contexts->slots);
  *contexts = wider;
  return 0;
}

/* Frees a slot, and moves up what is behind it and was put there for want of a
   free one. */
static void take_out(struct neap_contexts *contexts,
                     struct neap_context_slot *slot) {
  const uint32_t mask = contexts->capacity - 1;
  uint32_t hole = (uint32_t)(slot - contexts->slots), i = hole;
  contexts->n--;
  for (;;) {
    i = (i + 1) & mask;
    if (contexts->slots[i].task == NULL)
      break;
    uint32_t home = home_of(contexts, contexts->slots[i].task);
    if (((i - home) & mask) < ((i - hole) & mask))
      continue;
    contexts->slots[hole] = contexts->slots[i];
    hole = i;
  }
  contexts->slots[hole] = (struct neap_context_slot){0};
}

int neap__context_reserve(struct neap_rt *rt) {
  struct neap_task *task = rt->sched.current;
  if (task == NULL || context_of(&rt->contexts, task) == NULL)
    return 0;
  return grow(rt);
}

void neap__context_inherit(struct neap_rt *rt, const struct neap_task *task) {
  struct neap_task *from = rt->sched.current;
  struct neap_context *context =
      from != NULL ? context_of(&rt->contexts, from) : NULL;
  if (context == NULL)
    return;
  context->refs++;
  put(&rt->contexts, task, context);
}

void neap__context_end(const struct neap_task *task) {
  struct neap_rt *rt = task->rt;
  if (rt->contexts.n == 0)
    return;
  struct neap_context_slot *slot = find(&rt->contexts, task);
  if (slot->task == NULL)
    return;
  unref(rt, slot->context);
  take_out(&rt->contexts, slot);
}

void neap__context_deinit(struct neap_rt *rt) {
  struct neap_contexts *contexts = &rt->contexts;
  for (uint32_t i = 0; i < contexts->capacity; i++)
    if (contexts->slots[i].task != NULL)
      unref(rt, contexts->slots[i].context);
  neap__mem_free(&rt->mem, contexts->slots,
                 contexts->capacity * sizeof *contexts->slots);
  *contexts = (struct neap_contexts){0};
}

/* --- pairs */

static struct pair *find_pair(struct neap_context *context, const void *key) {
  for (uint32_t i = 0; context != NULL && i < context->n; i++)
    if (context->pairs[i].key == key)
      return &context->pairs[i];
  return NULL;
}

/* A block of task's own with what old has and room for more pairs, n in all.
   The table has room for it. */
static struct neap_context *copy(struct neap_rt *rt,
                                 const struct neap_task *task,
                                 struct neap_context *old, uint32_t n) {
  struct neap_context *context = neap__mem_zalloc(&rt->mem, size_of(n));
  if (context == NULL)
    return NULL;
  context->refs = 1;
  context->n = n;
  if (old != NULL) {
    memcpy(context->pairs, old->pairs, old->n * sizeof(struct pair));
    unref(rt, old);
  }
  put(&rt->contexts, task, context);
  return context;
}

int neap_context_set(neap_rt *rt, const void *key, void *value) {
  struct neap_task *task = rt->sched.current;
  if (task == NULL)
    return UV_EPERM;
  int err = grow(rt);
  if (err < 0)
    return err;
  struct neap_context *context = context_of(&rt->contexts, task);
  struct pair *pair = find_pair(context, key);
  if (pair == NULL || context->refs > 1) {
    uint32_t n = context != NULL ? context->n : 0;
    context = copy(rt, task, context, n + (pair == NULL));
    if (context == NULL)
      return UV_ENOMEM;
    if (pair == NULL)
      context->pairs[n].key = key;
    pair = find_pair(context, key);
  }
  pair->value = value;
  return 0;
}

void *neap_context_get(neap_rt *rt, const void *key) {
  struct neap_task *task = rt->sched.current;
  if (task == NULL)
    return NULL;
  struct pair *pair = find_pair(context_of(&rt->contexts, task), key);
  return pair != NULL ? pair->value : NULL;
}
