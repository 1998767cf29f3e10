/*
 * fifo.h: opening a FIFO for writing before somebody reads. Linux makes the
 * opener wait; a thread that waits so can't be called off, so a task does it
 * here. fifo_linux.c holds on to the FIFO that was found, fifo_none.c to its
 * name.
 */
#ifndef NEAP_IO_FIFO_H
#define NEAP_IO_FIFO_H

#include "core/rt.h"

/*
 * To be called when opening path for writing failed with UV_ENXIO: if it is a
 * FIFO, waits for a reader. Waits. Returns a descriptor, opened non-blocking;
 * UV_ENXIO when it is something else; or a negative code.
 */
int neap__fifo_open(struct neap_rt *rt, const char *path, int flags);

#endif
