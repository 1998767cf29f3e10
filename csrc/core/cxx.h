/*
 * cxx.h: the exceptions that a C++ runtime keeps per thread, kept per stack.
 * Lua may be built as C++, hosts and Lua modules are written in it, and a wait
 * may stand in a catch block. The runtime may come into the process at any
 * time, with a module that needs it: it is looked for again when a library has
 * been loaded since.
 */
#ifndef NEAP_CORE_CXX_H
#define NEAP_CORE_CXX_H

#include "core/mem.h"

/* The C++ runtime's exception state of one stack (Itanium C++ ABI, level II,
   2.2.2 "Caught Exception Stack"): what __cxa_get_globals points to. */
struct neap_exceptions {
  void *caught;
  unsigned int uncaught;
};

struct neap_cxx {
  struct neap_exceptions *(*globals)(void); /* NULL: no C++ runtime yet */
  void *library;                            /* keeps it, or NULL */
  unsigned long long seen; /* libraries ever loaded, at the last look */
};

/* Looks whether a C++ runtime has been loaded since the last call. On the
   driver's stack. */
void neap__cxx_look(struct neap_cxx *cxx);

void neap__cxx_deinit(struct neap_cxx *cxx);

/* Puts `theirs` in place and what was in place into `ours`. */
static inline void neap__cxx_swap(const struct neap_cxx *cxx,
                                  struct neap_exceptions *ours,
                                  const struct neap_exceptions *theirs) {
  if (cxx->globals == NULL)
    return;
  struct neap_exceptions *globals = cxx->globals();
  ours->caught = globals->caught;
  ours->uncaught = globals->uncaught;
  globals->caught = theirs->caught;
  globals->uncaught = theirs->uncaught;
}

#endif
