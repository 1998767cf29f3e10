/* task.c: making, sharing and freeing tasks; what a task is: task.h. */
#include "core/task.h"

#include <assert.h>

struct neap_task *neap__task_new(struct neap_mem *mem, size_t extra) {
  struct neap_task *task = neap__mem_zalloc(mem, sizeof *task + extra);
  if (task == NULL)
    return NULL;
  task->size = (uint32_t)(sizeof *task + extra);
  task->refs = 1;
  neap__list_init(&task->joiners);
  return task;
}

void neap__task_ref(struct neap_task *task) {
  task->refs++;
}

void neap__task_unref(struct neap_mem *mem, struct neap_task *task) {
  assert(task->refs > 0);
  if (--task->refs > 0)
    return;
  assert(task->frames.slot == NULL && task->frames.saved == NULL);
  neap__mem_free(mem, task, task->size);
}

const char *neap__task_state_name(const struct neap_task *task) {
  static const char *const names[] = {"ready", "running", "waiting", "ended"};
  return names[task->state];
}
