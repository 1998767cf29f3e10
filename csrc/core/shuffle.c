/* shuffle.c: shuffling the ready tasks; the idea is in shuffle.h. */
#include "core/shuffle.h"

#define MOST 64

/* The next of a row of numbers (xorshift32, Marsaglia 2003): never 0. */
static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

void neap__shuffle_front(struct neap_taskq *queue, uint32_t among,
                         uint32_t *state) {
  uint32_t skip = next_random(state) % (among < MOST ? among : MOST);
  struct neap_task *before = NULL, *task = queue->head;
  for (; skip > 0; skip--) {
    before = task;
    task = task->next;
  }
  if (before == NULL)
    return;
  before->next = task->next;
  if (queue->tail == task)
    queue->tail = before;
  task->next = queue->head;
  queue->head = task;
}
