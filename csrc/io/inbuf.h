/*
 * inbuf.h: bytes that have been received and not yet taken. Pure memory, no
 * loop: whoever reads puts bytes in at the end; searches say how far a line, a
 * record, a numeral goes; what was taken is consumed from the front. An empty
 * one owns no memory.
 *
 * A search takes and leaves in *from how far it has looked; whoever waits for
 * more goes on from there, so that a line of n bytes that comes in pieces costs
 * n steps, not n times n.
 *
 * Taking has two steps, because several values may be read by one call, and a
 * failure of a later one must lose nothing: what was taken is held until it is
 * committed, or rewound.
 */
#ifndef NEAP_IO_INBUF_H
#define NEAP_IO_INBUF_H

#include "core/mem.h"
#include "include/neap.h"

/* All-zero is empty. Invariant: held <= start, start + len <= capacity. */
struct neap_inbuf {
  char *block; /* capacity bytes, or NULL */
  size_t capacity;
  size_t start, len; /* the bytes are block[start .. start + len) */
  size_t held;       /* taken and not committed: right before start */
};

/* The first byte; NULL is possible when there is none. */
static inline const char *neap__inbuf_bytes(const struct neap_inbuf *in) {
  return in->block == NULL ? NULL : in->block + in->start;
}

/* Frees everything. */
void neap__inbuf_deinit(struct neap_inbuf *in, struct neap_mem *mem);

/*
 * Makes room for n > 0 more bytes behind those that are there, and for as many
 * again as there are, so that growing costs a constant per byte. Returns the
 * room, *size bytes of it, or NULL with nothing changed.
 */
char *neap__inbuf_reserve(struct neap_inbuf *in, struct neap_mem *mem, size_t n,
                          size_t *size);

/* n bytes of the room were filled. */
void neap__inbuf_filled(struct neap_inbuf *in, size_t n);

/* Copies n bytes in. Returns 0 or UV_ENOMEM. */
int neap__inbuf_append(struct neap_inbuf *in, struct neap_mem *mem,
                       const char *bytes, size_t n);

/* Takes a whole block of capacity bytes over, of which the first n are
   received ones. The buffer is empty. */
void neap__inbuf_adopt(struct neap_inbuf *in, struct neap_mem *mem, char *block,
                       size_t capacity, size_t n);

/* Takes up to n bytes off the front, for now. */
void neap__inbuf_take(struct neap_inbuf *in, size_t n);

/* What was taken goes; what was taken comes back. */
void neap__inbuf_commit(struct neap_inbuf *in, struct neap_mem *mem);
void neap__inbuf_rewind(struct neap_inbuf *in);

/*
 * Looks for the record that ends with the dlen > 0 bytes at delim. True: it is
 * view->len bytes long, and the delimiter, view->tail bytes, follows.
 */
bool neap__inbuf_until(const struct neap_inbuf *in, const char *delim,
                       size_t dlen, size_t *from, neap_view *view);

/* The same for a line. */
bool neap__inbuf_line(const struct neap_inbuf *in, size_t *from,
                      neap_view *view);

/*
 * Looks at the start for a numeral as io's "n" format does: the longest prefix
 * of what may be one. at_end: no more bytes will come. False: that depends on
 * bytes that are not there yet. White space must have been skipped. More than
 * 200 bytes are no numeral: those are the view's tail then.
 */
bool neap__inbuf_number(const struct neap_inbuf *in, bool at_end,
                        neap_view *view);

/* How many bytes of white space (C's isspace) it begins with. */
size_t neap__inbuf_space(const struct neap_inbuf *in);

#endif
