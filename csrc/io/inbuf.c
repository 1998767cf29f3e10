/* inbuf.c: the memory of received bytes and its searches; see inbuf.h. */
#include "io/inbuf.h"

#include <uv.h>

#include <assert.h>
#include <string.h>

/* The least that is asked for when there is something to keep. */
#ifdef NEAP_HOSTILE
#define LEAST ((size_t)23)
#else
#define LEAST ((size_t)256)
#endif

/* io's limit on a numeral (L_MAXLENNUM in Lua's liolib.c). */
#define NUMERAL 200

void neap__inbuf_deinit(struct neap_inbuf *in, struct neap_mem *mem) {
  neap__mem_free(mem, in->block, in->capacity);
  *in = (struct neap_inbuf){0};
}

/* Moves what is held and what is there to the front of `block`, which may be
   their own. */
static void move_to(struct neap_inbuf *in, char *block) {
  size_t whole = in->held + in->len;
  if (whole > 0)
    memmove(block, in->block + in->start - in->held, whole);
  in->start = in->held;
}

static int grow(struct neap_inbuf *in, struct neap_mem *mem, size_t capacity) {
  char *block = neap__mem_alloc(mem, capacity);
  if (block == NULL)
    return UV_ENOMEM;
  move_to(in, block);
  neap__mem_free(mem, in->block, in->capacity);
  in->block = block;
  in->capacity = capacity;
  return 0;
}

char *neap__inbuf_reserve(struct neap_inbuf *in, struct neap_mem *mem, size_t n,
                          size_t *size) {
  size_t whole = in->held + in->len;
  if (in->capacity - in->start - in->len < n) {
    if (n > SIZE_MAX / 4 || whole > SIZE_MAX / 4)
      return NULL;
    /* Moving pays when what moves is no more than the room it makes. */
    if (in->start - in->held >= whole && in->capacity - whole >= n)
      move_to(in, in->block);
    else if (grow(in, mem, 2 * whole + (n > LEAST ? n : LEAST)) < 0)
      return NULL;
  }
  *size = in->capacity - in->start - in->len;
  return in->block + in->start + in->len;
}

void neap__inbuf_filled(struct neap_inbuf *in, size_t n) {
  in->len += n;
  assert(in->start + in->len <= in->capacity);
}

int neap__inbuf_append(struct neap_inbuf *in, struct neap_mem *mem,
                       const char *bytes, size_t n) {
  if (n == 0)
    return 0;
  if (in->block == NULL) { /* the usual case: a message and nothing else */
    char *block = neap__mem_alloc(mem, n);
    if (block == NULL)
      return UV_ENOMEM;
    memcpy(block, bytes, n);
    *in = (struct neap_inbuf){.block = block, .capacity = n, .len = n};
    return 0;
  }
  size_t size;
  char *room = neap__inbuf_reserve(in, mem, n, &size);
  if (room == NULL)
    return UV_ENOMEM;
  memcpy(room, bytes, n);
  neap__inbuf_filled(in, n);
  return 0;
}

void neap__inbuf_adopt(struct neap_inbuf *in, struct neap_mem *mem, char *block,
                       size_t capacity, size_t n) {
  assert(in->len + in->held == 0 && n <= capacity);
  neap__inbuf_deinit(in, mem);
  *in = (struct neap_inbuf){.block = block, .capacity = capacity, .len = n};
}

void neap__inbuf_take(struct neap_inbuf *in, size_t n) {
  if (n > in->len)
    n = in->len;
  in->start += n;
  in->len -= n;
  in->held += n;
}

void neap__inbuf_commit(struct neap_inbuf *in, struct neap_mem *mem) {
  in->held = 0;
  if (in->len == 0)
    neap__inbuf_deinit(in, mem);
}

void neap__inbuf_rewind(struct neap_inbuf *in) {
  in->start -= in->held;
  in->len += in->held;
  in->held = 0;
}

/* Where the first `byte` from `from` on stands, or len. */
static size_t find_byte(const struct neap_inbuf *in, int byte, size_t from) {
  const char *bytes = neap__inbuf_bytes(in);
  const char *found = NULL;
  if (from < in->len)
    found = memchr(bytes + from, byte, in->len - from);
  return found != NULL ? (size_t)(found - bytes) : in->len;
}

/*
 * Only the delimiter's last byte is looked for: the whole of it is not there
 * before that is.
 */
bool neap__inbuf_until(const struct neap_inbuf *in, const char *delim,
                       size_t dlen, size_t *from, neap_view *view) {
  assert(dlen > 0);
  int last = (unsigned char)delim[dlen - 1];
  for (;;) {
    size_t at = find_byte(in, last, *from);
    *from = at;
    if (at == in->len)
      return false;
    size_t end = at + 1;
    const char *bytes = neap__inbuf_bytes(in);
    if (end >= dlen && memcmp(bytes + end - dlen, delim, dlen) == 0) {
      *view = (neap_view){.base = bytes, .len = end - dlen, .tail = dlen};
      return true;
    }
    *from = end;
  }
}

bool neap__inbuf_line(const struct neap_inbuf *in, size_t *from,
                      neap_view *view) {
  return neap__inbuf_until(in, "\n", 1, from, view);
}

/* --- numerals, as liolib.c's l_read_number reads them --------------------- */

/* A look at the bytes from the front. */
struct scan {
  const unsigned char *bytes;
  size_t n, at;
  bool wants_more; /* the bytes ended where the next one decides */
  bool too_long;
};

static int next_byte(struct scan *scan) {
  if (scan->at < scan->n)
    return scan->bytes[scan->at];
  scan->wants_more = true;
  return -1;
}

static bool step(struct scan *scan) {
  if (scan->at == NUMERAL)
    scan->too_long = true;
  else
    scan->at++;
  return !scan->too_long;
}

/* Steps over the next byte when it is one of set. */
static bool skip_any(struct scan *scan, const char *set) {
  int byte = next_byte(scan);
  return byte > 0 && strchr(set, byte) != NULL && step(scan);
}

static bool is_digit(int byte, bool hex) {
  int letter = byte | 0x20;
  return (byte >= '0' && byte <= '9') ||
         (hex && letter >= 'a' && letter <= 'f');
}

static size_t digits(struct scan *scan, bool hex) {
  size_t count = 0;
  while (is_digit(next_byte(scan), hex) && step(scan))
    count++;
  return count;
}

static void numeral(struct scan *scan) {
  size_t count = 0;
  bool hex = false;
  skip_any(scan, "+-");
  if (skip_any(scan, "0")) {
    hex = skip_any(scan, "xX");
    count = !hex;
  }
  count += digits(scan, hex);
  if (skip_any(scan, "."))
    count += digits(scan, hex);
  if (count > 0 && skip_any(scan, hex ? "pP" : "eE")) {
    skip_any(scan, "+-");
    digits(scan, false);
  }
}

bool neap__inbuf_number(const struct neap_inbuf *in, bool at_end,
                        neap_view *view) {
  struct scan scan = {.bytes = (const unsigned char *)neap__inbuf_bytes(in),
                      .n = in->len};
  numeral(&scan);
  if (scan.wants_more && !at_end)
    return false;
  *view = (neap_view){.base = neap__inbuf_bytes(in)};
  if (scan.too_long)
    view->tail = scan.at;
  else
    view->len = scan.at;
  return true;
}

static bool is_space(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

size_t neap__inbuf_space(const struct neap_inbuf *in) {
  const char *bytes = neap__inbuf_bytes(in);
  size_t n = 0;
  while (n < in->len && is_space(bytes[n]))
    n++;
  return n;
}
