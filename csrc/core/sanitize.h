/*
 * sanitize.h: tells ASan, TSan and valgrind about stacks and switches, so that
 * they do not take a task's stack for wild memory. Empty in other builds.
 * Source: <sanitizer/common_interface_defs.h>, <sanitizer/tsan_interface.h>
 * (the comments on the fiber functions), valgrind's manual, section 3.1.
 */
#ifndef NEAP_CORE_SANITIZE_H
#define NEAP_CORE_SANITIZE_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define NEAP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NEAP_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define NEAP_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NEAP_TSAN 1
#endif
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#define NEAP_VALGRIND 1
#endif
#endif

#ifdef NEAP_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef NEAP_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef NEAP_VALGRIND
#include <valgrind/valgrind.h>
#endif

/*
 * One stack as the tools know it. The driver's stack has base NULL until the
 * first switch away from it has told where it is.
 */
struct neap_sanitize {
#ifdef NEAP_ASAN
  const void *base; /* lowest address */
  size_t size;
  void *fake; /* ASan's shadow frames of this stack while it is away */
#endif
#ifdef NEAP_TSAN
  void *fiber;
#endif
#ifdef NEAP_VALGRIND
  unsigned id;
#endif
  char unused; /* ISO C has no empty struct */
};

/* Whether every slot must be private in this process: a tool that watches
   stacks must see honest ones. */
static inline int neap__sanitize_private(void) {
#if defined(NEAP_ASAN) || defined(NEAP_TSAN)
  return 1;
#elif defined(NEAP_VALGRIND)
  return RUNNING_ON_VALGRIND != 0;
#else
  return 0;
#endif
}

/* A stack of size bytes from base on has come to be. */
static inline void neap__sanitize_open(struct neap_sanitize *s, void *base,
                                       size_t size) {
  (void)s, (void)base, (void)size;
#ifdef NEAP_ASAN
  s->base = base;
  s->size = size;
  s->fake = NULL;
#endif
#ifdef NEAP_TSAN
  s->fiber = __tsan_create_fiber(0);
#endif
#ifdef NEAP_VALGRIND
  s->id = VALGRIND_STACK_REGISTER(base, (char *)base + size);
#endif
}

static inline void neap__sanitize_close(struct neap_sanitize *s) {
  (void)s;
#ifdef NEAP_TSAN
  __tsan_destroy_fiber(s->fiber);
#endif
#ifdef NEAP_VALGRIND
  VALGRIND_STACK_DEREGISTER(s->id);
#endif
}

/* Right before the switch from `from` to `to`. ends: nobody comes back. */
static inline void neap__sanitize_leave(struct neap_sanitize *from,
                                        struct neap_sanitize *to, int ends) {
  (void)from, (void)to, (void)ends;
#ifdef NEAP_ASAN
  __sanitizer_start_switch_fiber(ends ? NULL : &from->fake, to->base, to->size);
#endif
#ifdef NEAP_TSAN
  if (from->fiber == NULL)
    from->fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* Right after the switch, on `self`'s stack, which `from` left. */
static inline void neap__sanitize_arrive(struct neap_sanitize *self,
                                         struct neap_sanitize *from,
                                         int first) {
  (void)self, (void)from, (void)first;
#ifdef NEAP_ASAN
  __sanitizer_finish_switch_fiber(first ? NULL : self->fake, &from->base,
                                  &from->size);
#endif
}

#endif
