/*
 * The harness of the C tests: one program per module, tests by name, a last
 * line that ./dev test reads. Included once per program: it defines main.
 *
 *   static void finds_a_line(void) { CHECK(neap__inbuf_line(...) == 0); }
 *   TESTS(TEST(finds_a_line), TEST(...))
 */
#ifndef NEAP_SPEC_TEST_H
#define NEAP_SPEC_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
  const char *name;
  void (*run)(void);
};

/* The checks of the running test that did not hold. */
static int test_failures;

/* Notes and prints a check that does not hold, and goes on: what follows may
 * tell more. Gives the condition back, for `if (!CHECK(p != NULL)) return;`. */
#define CHECK(cond) test_check((cond), #cond, __FILE__, __LINE__)

static inline bool test_check(bool holds, const char *what, const char *file,
                              int line) {
  if (!holds) {
    test_failures++;
    printf("%s:%d: does not hold: %s\n", file, line, what);
  }
  return holds;
}

/* How often to do something: small in ./dev test, big in ./dev soak. */
static inline long test_count(long small, long big) {
  return getenv("NEAP_SOAK") != NULL ? big : small;
}

/* Runs the tests whose name contains argv[1]; 0 if each of them passed. */
static inline int test_main(const struct test *tests, size_t n, int argc,
                            char **argv) {
  int passed = 0, failed = 0;
  for (size_t i = 0; i < n; i++) {
    if (argc > 1 && strstr(tests[i].name, argv[1]) == NULL)
      continue;
    test_failures = 0;
    tests[i].run();
    if (test_failures == 0)
      passed++;
    else
      failed++;
    printf("%s %s\n", test_failures == 0 ? "ok  " : "FAIL", tests[i].name);
    fflush(stdout); /* a crash in the next one must not swallow it */
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define TEST(function)                                                         \
  { #function, function }
#define TESTS(...)                                                             \
  int main(int argc, char **argv) {                                            \
    static const struct test tests[] = {__VA_ARGS__};                          \
    return test_main(tests, sizeof tests / sizeof tests[0], argc, argv);       \
  }

#endif
