/*
 * transfer.h: between transfer.c and its way through the kernel,
 * transfer_splice.c.
 */
#ifndef NEAP_IO_TRANSFER_H
#define NEAP_IO_TRANSFER_H

#include "io/stream.h"

/* Whether the bytes of two streams may stay in the kernel. */
bool neap__transfer_can_splice(neap_transfer *transfer);

/*
 * A step of at most NEAP_IO_SCRATCH bytes through the kernel, with the source
 * `probing`. Waits. Returns 0, UV_EOF, a code; UV_ENOTSUP: it must be done by
 * hand, this time because of bytes in the source's buffer, or for ever.
 */
int neap__transfer_splice(neap_transfer *transfer, size_t most);

/* Hands bytes that the source has in its buffer to the target, whose turn to be
   written is ours, and waits. Waits, until due_ns at most. Returns 0 or a code.
 */
int neap__transfer_to_stream(neap_transfer *transfer, neap_bytes bytes,
                             uint64_t due_ns);

#endif
