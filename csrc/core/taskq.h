/*
 * taskq.h: a queue of tasks, first in, first out, linked by their next: a task
 * is in at most one. All-zero is empty.
 */
#ifndef NEAP_CORE_TASKQ_H
#define NEAP_CORE_TASKQ_H

#include "core/task.h"

struct neap_taskq {
  struct neap_task *head, *tail; /* tail: only while there is a head */
};

static inline void neap__taskq_push(struct neap_taskq *queue,
                                    struct neap_task *task) {
  task->next = NULL;
  if (queue->head == NULL)
    queue->head = task;
  else
    queue->tail->next = task;
  queue->tail = task;
}

/* Takes the first; the queue is not empty. */
static inline struct neap_task *neap__taskq_pop(struct neap_taskq *queue) {
  struct neap_task *task = queue->head;
  queue->head = task->next;
  return task;
}

#endif
