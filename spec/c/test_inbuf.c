/* test_inbuf.c: the memory of received bytes and its searches. */
#include "core/mem.h"
#include "io/inbuf.h"

#include "test.h"

static struct neap_mem mem;

static void put(struct neap_inbuf *in, const char *text) {
  CHECK(neap__inbuf_append(in, &mem, text, strlen(text)) == 0);
}

static void setup(struct neap_inbuf *in, const char *text) {
  neap__mem_init(&mem, NULL, NULL);
  *in = (struct neap_inbuf){0};
  put(in, text);
}

static void teardown(struct neap_inbuf *in) {
  neap__inbuf_deinit(in, &mem);
  CHECK(mem.used == 0);
  neap__mem_deinit(&mem);
}

static bool is(const char *base, size_t len, const char *text) {
  return len == strlen(text) && (len == 0 || memcmp(base, text, len) == 0);
}

static bool holds(const struct neap_inbuf *in, const char *text) {
  return is(neap__inbuf_bytes(in), in->len, text);
}

static void take(struct neap_inbuf *in, size_t n) {
  neap__inbuf_take(in, n);
  neap__inbuf_commit(in, &mem);
}

static void finds_lines(void) {
  struct neap_inbuf in;
  neap_view view;
  size_t from = 0;
  setup(&in, "one\n\nrest");
  CHECK(neap__inbuf_line(&in, &from, &view));
  CHECK(is(view.base, view.len, "one") && view.tail == 1);
  take(&in, view.len + view.tail);
  from = 0;
  CHECK(neap__inbuf_line(&in, &from, &view));
  CHECK(view.len == 0 && view.tail == 1);
  take(&in, 1);
  from = 0;
  CHECK(!neap__inbuf_line(&in, &from, &view));
  CHECK(from == 4);
  put(&in, "\n");
  CHECK(neap__inbuf_line(&in, &from, &view));
  CHECK(is(view.base, view.len, "rest"));
  teardown(&in);
}

/* A delimiter that comes in two pieces, and one whose beginning repeats. */
static void finds_delimiters_that_come_in_pieces(void) {
  struct neap_inbuf in;
  neap_view view;
  size_t from = 0;
  setup(&in, "a\r");
  CHECK(!neap__inbuf_until(&in, "\r\n\r\n", 4, &from, &view));
  put(&in, "\n\r\r\n\r");
  CHECK(!neap__inbuf_until(&in, "\r\n\r\n", 4, &from, &view));
  put(&in, "\nb");
  CHECK(neap__inbuf_until(&in, "\r\n\r\n", 4, &from, &view));
  CHECK(is(view.base, view.len, "a\r\n\r") && view.tail == 4);
  teardown(&in);
}

/* Every split of a text into three pieces gives the same record. */
static void finds_the_same_however_it_is_split(void) {
  const char text[] = "aabaabaaabX";
  for (size_t i = 1; i < sizeof text - 1; i++) {
    for (size_t j = i; j < sizeof text - 1; j++) {
      struct neap_inbuf in;
      neap_view view = {0};
      size_t from = 0;
      neap__mem_init(&mem, NULL, NULL);
      in = (struct neap_inbuf){0};
      bool found = false;
      size_t ends[] = {i, j, sizeof text - 1}, at = 0;
      for (int k = 0; k < 3 && !found; k++) {
        CHECK(neap__inbuf_append(&in, &mem, text + at, ends[k] - at) == 0);
        at = ends[k];
        found = neap__inbuf_until(&in, "aaab", 4, &from, &view);
      }
      CHECK(found && is(view.base, view.len, "aabaab"));
      teardown(&in);
    }
  }
}

static void owns_nothing_when_it_is_empty(void) {
  struct neap_inbuf in;
  setup(&in, "hello");
  take(&in, 5);
  CHECK(in.block == NULL && mem.used == 0);
  take(&in, 1); /* more than there is is harmless */
  CHECK(in.len == 0);
  teardown(&in);
}

static void brings_back_what_was_taken(void) {
  struct neap_inbuf in;
  size_t size;
  setup(&in, "one two three");
  neap__inbuf_take(&in, 4);
  neap__inbuf_take(&in, 4);
  CHECK(holds(&in, "three"));
  /* Growing keeps what is held. */
  char *room = neap__inbuf_reserve(&in, &mem, 1000, &size);
  if (CHECK(room != NULL && size >= 1000)) {
    memset(room, 'x', 1000);
    neap__inbuf_filled(&in, 1000);
  }
  CHECK(in.len == 1005);
  neap__inbuf_rewind(&in);
  CHECK(in.len == 1013 && memcmp(neap__inbuf_bytes(&in), "one two t", 9) == 0);
  neap__inbuf_take(&in, 1013);
  neap__inbuf_rewind(&in);
  CHECK(in.len == 1013);
  take(&in, 4);
  neap__inbuf_rewind(&in); /* what was committed does not come back */
  CHECK(memcmp(neap__inbuf_bytes(&in), "two", 3) == 0);
  teardown(&in);
}

/* A stream of many bytes through a small buffer, with a checksum of both. */
static void passes_bytes_on_in_order(void) {
  struct neap_inbuf in;
  neap__mem_init(&mem, NULL, NULL);
  in = (struct neap_inbuf){0};
  unsigned char next_in = 0, next_out = 0;
  unsigned seed = 1;
  size_t most = 0;
  for (int round = 0; round < 20000; round++) {
    seed = seed * 1664525u + 1013904223u;
    size_t n = (seed >> 8) % 50, size;
    char *room = neap__inbuf_reserve(&in, &mem, n + 1, &size);
    if (!CHECK(room != NULL))
      break;
    for (size_t i = 0; i < n; i++)
      room[i] = (char)next_in++;
    neap__inbuf_filled(&in, n);
    size_t m = (seed >> 16) % 60;
    m = m < in.len ? m : in.len;
    for (size_t i = 0; i < m; i++)
      CHECK((unsigned char)neap__inbuf_bytes(&in)[i] == next_out++);
    take(&in, m);
    most = in.capacity > most ? in.capacity : most;
  }
  CHECK(most < 16 * 1024);
  teardown(&in);
}

static void leaves_all_as_it_was_without_memory(void) {
  struct neap_inbuf in;
  size_t size;
  setup(&in, "kept");
  mem.limit = mem.used;
  CHECK(neap__inbuf_reserve(&in, &mem, 5000, &size) == NULL);
  CHECK(neap__inbuf_append(&in, &mem, "0123456789", 10) < 0);
  CHECK(holds(&in, "kept"));
  mem.limit = 0;
  CHECK(neap__inbuf_reserve(&in, &mem, SIZE_MAX / 2, &size) == NULL);
  CHECK(holds(&in, "kept"));
  teardown(&in);
}

static void adopts_a_block(void) {
  struct neap_inbuf in;
  setup(&in, "x");
  take(&in, 1);
  char *block = neap__mem_alloc(&mem, 64);
  memcpy(block, "adopted", 7);
  neap__inbuf_adopt(&in, &mem, block, 64, 7);
  put(&in, " and more");
  CHECK(holds(&in, "adopted and more"));
  teardown(&in);
}

/* What is shown of text as a numeral, the way liolib.c's reader takes it. */
static void check_number(const char *text, bool at_end, int len, int tail) {
  struct neap_inbuf in;
  neap_view view = {0};
  setup(&in, text);
  bool known = neap__inbuf_number(&in, at_end, &view);
  bool as_told =
      len < 0 ? !known
              : known && view.len == (size_t)len && view.tail == (size_t)tail;
  if (!CHECK(as_told))
    printf("  of \"%.40s\": %zu and %zu\n", text, view.len, view.tail);
  teardown(&in);
}

static void shows_numerals_as_io_reads_them(void) {
  char many[300];
  check_number("12 ", false, 2, 0);
  check_number("12", false, -1, 0); /* the next byte decides */
  check_number("12", true, 2, 0);
  check_number("-0x1F.8p+3;", false, 10, 0);
  check_number("1e5x", false, 3, 0);
  check_number("0x", true, 2, 0);
  check_number("+", false, -1, 0);
  check_number("+-", false, 1, 0);
  check_number("abc", false, 0, 0);
  check_number("", true, 0, 0);
  check_number(".5.", false, 2, 0);
  check_number("1e+", true, 3, 0);
  check_number("0b1", false, 1, 0);
  check_number("nan", false, 0, 0);
  memset(many, '7', sizeof many);
  many[299] = '\0';
  check_number(many, false, 0, 200);
  many[200] = ' ';
  check_number(many, false, 200, 0);
}

static void counts_white_space(void) {
  struct neap_inbuf in;
  setup(&in, " \t\n\v\f\r x ");
  CHECK(neap__inbuf_space(&in) == 7);
  take(&in, 7);
  CHECK(neap__inbuf_space(&in) == 0);
  teardown(&in);
}

TESTS(TEST(finds_lines), TEST(finds_delimiters_that_come_in_pieces),
      TEST(finds_the_same_however_it_is_split),
      TEST(owns_nothing_when_it_is_empty), TEST(brings_back_what_was_taken),
      TEST(passes_bytes_on_in_order), TEST(leaves_all_as_it_was_without_memory),
      TEST(adopts_a_block), TEST(shows_numerals_as_io_reads_them),
      TEST(counts_white_space))
