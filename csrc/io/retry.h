/*
 * retry.h: waiting for what nobody tells about: trying again after a pause,
 * short at first, so that it neither is late nor keeps the processor busy.
 */
#ifndef NEAP_IO_RETRY_H
#define NEAP_IO_RETRY_H

#include "core/list.h"
#include "core/rt.h"

/*
 * Waits until the next try, in queue (NULL: in none), whose waker may end the
 * wait. Waits. *pause_ns is 0 before the first wait. Returns 0; UV_ETIMEDOUT
 * when due_ns has come; or the code that ended the wait.
 */
int neap__retry_wait(struct neap_rt *rt, const char *what,
                     struct neap_list *queue, uint64_t due_ns,
                     uint64_t *pause_ns);

#endif
