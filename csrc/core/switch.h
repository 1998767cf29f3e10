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
 * Prepares the stack that ends at top (exclusive, aligned to 16) so that a
 * switch to the result calls entry(arg), which must never return. The new stack
 * starts with the caller's floating-point control words.
 */
void *neap__switch_init(void *top, void (*entry)(void *), void *arg);

#endif
