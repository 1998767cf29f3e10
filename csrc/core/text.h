/*
 * text.h: a text that grows as it is written, up to a limit. Nothing fails: a
 * text that could not grow is cut, and ends with a line that says so.
 */
#ifndef NEAP_CORE_TEXT_H
#define NEAP_CORE_TEXT_H

#include "core/mem.h"

struct neap_text {
  struct neap_mem *mem;
  char *base; /* len bytes, without a zero at the end; NULL: none yet */
  size_t len, capacity;
  size_t max;
  bool cut; /* nothing is added any more */
};

/* An empty text of at most max bytes. Does not allocate. */
void neap__text_init(struct neap_text *text, struct neap_mem *mem, size_t max);

/* Gives the memory back. */
void neap__text_deinit(struct neap_text *text);

/* Adds what printf would write. */
void neap__text_add(struct neap_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds n spaces. */
void neap__text_indent(struct neap_text *text, uint32_t n);

/* Ends a text of lines: one that was cut loses its last, unfinished line and
   says that it was cut. */
void neap__text_finish(struct neap_text *text);

#endif
