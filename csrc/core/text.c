/* text.c: a text that grows; the idea is in text.h. */
#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char cut_line[] = "(cut here)\n";

void neap__text_init(struct neap_text *text, struct neap_mem *mem, size_t max) {
  *text = (struct neap_text){.mem = mem, .max = max};
}

void neap__text_deinit(struct neap_text *text) {
  neap__mem_free(text->mem, text->base, text->capacity);
  text->base = NULL;
  text->len = text->capacity = 0;
}

/* Makes room for n bytes more, and for the line that says it was cut. False:
   the text is cut. */
static bool make_room(struct neap_text *text, size_t n) {
  size_t want = text->len + n + sizeof cut_line;
  if (want <= text->capacity && want <= text->max)
    return true;
  size_t size = text->capacity == 0 ? 1024 : text->capacity;
  while (size < want)
    size *= 2;
  void *base = NULL;
  if (want <= text->max)
    base = neap__mem_realloc(text->mem, text->base, text->capacity, size);
  if (base == NULL) {
    text->cut = true;
    return false;
  }
  text->base = base;
  text->capacity = size;
  return true;
}

void neap__text_add(struct neap_text *text, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  /* vsnprintf writes a zero behind it: into the room for the last line. */
  if (n > 0 && !text->cut && make_room(text, (size_t)n)) {
    vsnprintf(text->base + text->len, (size_t)n + 1, format, again);
    text->len += (size_t)n;
  }
  va_end(again);
  va_end(args);
}

void neap__text_indent(struct neap_text *text, uint32_t n) {
  if (n == 0 || text->cut || !make_room(text, n))
    return;
  memset(text->base + text->len, ' ', n);
  text->len += n;
}

void neap__text_finish(struct neap_text *text) {
  if (!text->cut || text->base == NULL)
    return;
  while (text->len > 0 && text->base[text->len - 1] != '\n')
    text->len--;
  memcpy(text->base + text->len, cut_line, sizeof cut_line - 1);
  text->len += sizeof cut_line - 1;
}
