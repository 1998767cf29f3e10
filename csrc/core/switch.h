/*
 * switch.h: the jump from one C stack to another, the only part of neap that
 * is written per machine. A switch is an ordinary call to the compiler: it
 * saves what the machine's calling convention makes the callee keep, stores
 * the stack pointer, loads the other one and returns there.
 */
#ifndef NEAP_CORE_SWITCH_H
#define NEAP_CORE_SWITCH_H

/*
 * Leaves the running stack, storing in *from where it can be gone on with, and
 * goes on at `to`, which came from here or from neap__switch_init. Everything
 * that lives on the left stack is at or above *from. Keeps callee-saved
 * registers and the floating-point control words (rounding, exception masks).
 */
void neap__switch(void **from, void *to);

/*
 * neap__switch for the driver's loop, which goes into one task after another.
 *
 * A processor guesses where a return goes from the calls it has seen. A call of
 * neap__switch is one that is not returned from on its own stack: from then on
 * all guesses are wrong by one, here and in the task. So the driver goes into a
 * task without a call, by a jump, and arrives there by a return, whose guess is
 * the task's own call of neap__switch. Measured: a switch there and back, with
 * what stands around it, takes 42 ns instead of 67.
 *
 * For this to help, no function may return between two calls of it: it is
 * inline, and so is what calls it in the loop.
 */
#if defined(__x86_64__) && !defined(NEAP_SWITCH_UCONTEXT)
static inline __attribute__((always_inline)) void neap__switch_into(void **from,
                                                                    void *to) {
  /* All that a call may change is named. The red zone, 128 bytes below the
     stack pointer, may be the caller's (psABI, section 3.2.2). */
  __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                   "leaq 1f(%%rip), %%rax\n\t"
                   "pushq %%rax\n\t"
                   "jmp neap__switch_by_ret\n"
                   "1:\n\t"
                   "leaq 128(%%rsp), %%rsp"
                   : "+D"(from), "+S"(to)
                   :
                   : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0",
                     "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                     "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                     "xmm14", "xmm15", "cc", "memory");
}
#else
static inline void neap__switch_into(void **from, void *to) {
  neap__switch(from, to);
}
#endif

/*
 * Prepares the stack that ends at top (exclusive, aligned to 16) so that a
 * switch to the result calls entry(arg), which must never return. The new stack
 * starts with the caller's floating-point control words.
 */
void *neap__switch_init(void *top, void (*entry)(void *), void *arg);

#endif
