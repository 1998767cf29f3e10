/*
 * info.h: what a runtime is doing: figures, and a dump: the tree of scopes and
 * tasks, and of each task what it waits for, since when, where, and who could
 * end that. Everything is read from the outside when it is asked for, so that a
 * wait pays nothing for it.
 *
 * A dump is bounded in time and size, however many tasks there are: a number of
 * them is looked at, those that are alike (same parent, state, kind of wait and
 * stack) share one entry when there are many, and the text has a limit.
 */
#ifndef NEAP_CORE_INFO_H
#define NEAP_CORE_INFO_H

#include "core/task.h"
#include "core/text.h"

/* Given by a binding, or NULL. They neither wait nor raise. */
struct neap_info {
  const char *(*name_of)(const struct neap_task *task); /* or NULL */
  /* A number that differs, as good as surely, if the task stands elsewhere. */
  uint64_t (*stack_hash)(const struct neap_task *task);
  /* Adds a line per frame, innermost first, each after indent spaces. */
  void (*stack_print)(const struct neap_task *task, struct neap_text *text,
                      uint32_t indent);
  /* Adds where the task was spawned, if that is known, as a line. */
  void (*spawn_print)(const struct neap_task *task, struct neap_text *text,
                      uint32_t indent);
};

/* How much of a dump people read. */
#define NEAP_DUMP_MAX ((size_t)64 * 1024)

/* Adds the dump of all tasks to text. Does not wait. */
void neap__info_dump(struct neap_rt *rt, struct neap_text *text);

/* Writes what task waits for ("conn:read 127.0.0.1:80") to size > 0 bytes at
   out. The task waits. */
void neap__info_wait(const struct neap_task *task, char *out, size_t size);

#endif
