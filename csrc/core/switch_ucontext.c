/*
 * switch_ucontext.c: the switch by swapcontext, for machines without one of
 * their own. It also saves the signal mask, by a system call: about 30 times
 * as slow. The context lies in the frame of the left stack, so that it is
 * saved and restored with the other frames, at the same address (glibc's
 * ucontext_t points into itself).
 */
#include "core/switch.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/* How far below its context a frame of neap__switch may reach. Compilers put
   saved registers there; the assertion holds them to it. */
#define BELOW 512

static ucontext_t *context_at(void *sp) {
  return (ucontext_t *)(void *)((char *)sp + BELOW);
}

/* An address below everything that the caller's frame holds. */
__attribute__((noinline)) static uintptr_t below_caller(void) {
  return (uintptr_t)__builtin_frame_address(0);
}

/* A ucontext_t is some 970 bytes: this file is the one that can't keep the
   512 bytes a frame is allowed. */
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wframe-larger-than="
#endif

void neap__switch(void **from, void *to) {
  ucontext_t self;
  *from = (void *)((uintptr_t)&self - BELOW);
  assert((uintptr_t)*from <= below_caller());
  swapcontext(&self, context_at(to));
}

/* makecontext passes ints only: a pointer travels as two of them. */
static void first_frame(unsigned entry_hi, unsigned entry_lo, unsigned arg_hi,
                        unsigned arg_lo) {
  uintptr_t entry = (uintptr_t)((uint64_t)entry_hi << 32 | entry_lo);
  uintptr_t arg = (uintptr_t)((uint64_t)arg_hi << 32 | arg_lo);
  ((void (*)(void *))entry)((void *)arg);
}

void *neap__switch_init(void *top, void (*entry)(void *), void *arg) {
  ucontext_t *context =
      (ucontext_t *)(((uintptr_t)top - sizeof *context) & ~(uintptr_t)63);
  void *sp = (char *)context - BELOW;
  uint64_t e = (uintptr_t)entry, a = (uintptr_t)arg;
  getcontext(context);
  context->uc_link = NULL;
  /* makecontext puts its first frame at the end of this range, thus between
     sp and the context, and uses nothing else of it yet. */
  context->uc_stack.ss_sp = sp;
  context->uc_stack.ss_size = BELOW;
  makecontext(context, (void (*)(void))first_frame, 4, (unsigned)(e >> 32),
              (unsigned)e, (unsigned)(a >> 32), (unsigned)a);
  return sp;
}
