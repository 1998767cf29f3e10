/*
 * test_switch.c: what a switch must keep: callee-saved registers, the
 * floating-point control words, everything at or above the stored pointer.
 */
#include "core/switch.h"

#include "test.h"

#include <fenv.h>
#include <math.h>
#include <stdint.h>

#define STACK_SIZE ((size_t)256 * 1024)

static void *main_sp, *other_sp;
static void (*body)(void *arg);
static double kept_rounding;

static void first(void *arg) {
  body(arg);
  neap__switch(&other_sp, main_sp);
  abort();
}

/* Starts fn(arg) on a stack of its own and returns at its first switch. */
static void *start(void (*fn)(void *), void *arg) {
  char *stack = malloc(STACK_SIZE);
  body = fn;
  uintptr_t top = ((uintptr_t)stack + STACK_SIZE) & ~(uintptr_t)15;
  neap__switch(&main_sp, neap__switch_init((void *)top, first, arg));
  return stack;
}

static uint64_t mix(const uint64_t *v, const double *d, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; i++)
    sum = sum * 31 + v[i] + (uint64_t)d[i];
  return sum;
}

/* Holds values in registers over switches as far as the compiler can. The main
   side goes to the other one as the driver does. */
__attribute__((noinline)) static uint64_t churn(uint64_t v, void **mine,
                                                void **theirs, int times) {
  uint64_t a = v + 1, b = v + 2, c = v + 3, d = v + 5, e = v + 7, f = v + 11;
  double p = (double)v + 0.5, q = (double)v + 1.5, r = (double)v + 2.5;
  double s = (double)v + 3.5, t = (double)v + 4.5, u = (double)v + 5.5;
  for (int i = 0; i < times; i++) {
    if (mine == &main_sp)
      neap__switch_into(mine, *theirs);
    else
      neap__switch(mine, *theirs);
    a += b ^ (uint64_t)i, b += c, c += d, d += e, e += f, f += a;
    p += q * 0.5, q += r * 0.5, r += s * 0.25, s += t * 0.25;
    t += u * 0.125, u += 1.0;
  }
  uint64_t ints[] = {a, b, c, d, e, f};
  double floats[] = {p, q, r, s, t, u};
  return mix(ints, floats, 6);
}

static uint64_t other_result;

static void churn_other(void *arg) {
  other_result = churn((uint64_t)(uintptr_t)arg, &other_sp, &main_sp, 40);
}

/* The same arithmetic without any switch. */
__attribute__((noinline)) static uint64_t plain(uint64_t v, int times) {
  uint64_t a = v + 1, b = v + 2, c = v + 3, d = v + 5, e = v + 7, f = v + 11;
  double p = (double)v + 0.5, q = (double)v + 1.5, r = (double)v + 2.5;
  double s = (double)v + 3.5, t = (double)v + 4.5, u = (double)v + 5.5;
  for (int i = 0; i < times; i++) {
    a += b ^ (uint64_t)i, b += c, c += d, d += e, e += f, f += a;
    p += q * 0.5, q += r * 0.5, r += s * 0.25, s += t * 0.25;
    t += u * 0.125, u += 1.0;
  }
  uint64_t ints[] = {a, b, c, d, e, f};
  double floats[] = {p, q, r, s, t, u};
  return mix(ints, floats, 6);
}

static void keeps_registers_on_both_sides(void) {
  void *stack = start(churn_other, (void *)(uintptr_t)1000);
  uint64_t mine = churn(7, &main_sp, &other_sp, 40);
  CHECK(mine == plain(7, 40));
  CHECK(other_result == plain(1000, 40));
  free(stack);
}

static void round_down(void *arg) {
  (void)arg;
  fesetround(FE_DOWNWARD);
  neap__switch(&other_sp, main_sp);
  volatile double below_two = 1.9;
  kept_rounding = nearbyint(below_two);
  CHECK(fegetround() == FE_DOWNWARD);
}

static void keeps_the_rounding_mode_of_each_stack(void) {
  fesetround(FE_UPWARD);
  void *stack = start(round_down, NULL);
  CHECK(fegetround() == FE_UPWARD);
  volatile double above_one = 1.1; /* not rounded by the compiler */
  CHECK(nearbyint(above_one) == 2.0);
  neap__switch(&main_sp, other_sp);
  CHECK(kept_rounding == 1.0);
  CHECK(fegetround() == FE_UPWARD);
  fesetround(FE_TONEAREST);
  free(stack);
}

static void inherits(void *arg) {
  *(int *)arg = fegetround();
}

static void starts_with_the_rounding_mode_of_its_maker(void) {
  int mode = -1;
  fesetround(FE_TOWARDZERO);
  void *stack = start(inherits, &mode);
  CHECK(mode == FE_TOWARDZERO);
  fesetround(FE_TONEAREST);
  free(stack);
}

static void note_alignment(void *arg) {
  char local __attribute__((aligned(16)));
  *(uintptr_t *)arg = (uintptr_t)__builtin_frame_address(0) | (uintptr_t)&local;
}

static void enters_on_an_aligned_stack(void) {
  uintptr_t seen = 1;
  void *stack = start(note_alignment, &seen);
  CHECK(seen % 16 == 0);
  free(stack);
}

TESTS(TEST(keeps_registers_on_both_sides),
      TEST(keeps_the_rounding_mode_of_each_stack),
      TEST(starts_with_the_rounding_mode_of_its_maker),
      TEST(enters_on_an_aligned_stack))
