/*
 * shuffle.h: an order of the ready tasks that numbers decide: the same for the
 * same seed, and any order is possible.
 */
#ifndef NEAP_CORE_SHUFFLE_H
#define NEAP_CORE_SHUFFLE_H

#include "core/taskq.h"

/* Puts any of the first `among` > 0 tasks in front, of so many that there are;
   of many, any of the first 64, so that it does not take long. *state != 0
   goes on to the next number. */
void neap__shuffle_front(struct neap_taskq *queue, uint32_t among,
                         uint32_t *state);

#endif
