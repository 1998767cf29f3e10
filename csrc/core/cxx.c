/* cxx.c: finding the C++ runtime; why: cxx.h. */
#include "core/cxx.h"

#include <dlfcn.h>
#include <link.h>

typedef struct neap_exceptions *(*globals_fn)(void);

/* There when neap is linked into a program that is C++. */
__attribute__((weak)) struct neap_exceptions *
__cxa_get_globals(void); /* NOLINT(bugprone-reserved-identifier): the ABI's */

static int on_library(struct dl_phdr_info *info, size_t size, void *count) {
  (void)size;
  *(unsigned long long *)count = info->dlpi_adds;
  return 1; /* the first one tells it already */
}

static globals_fn find_in(void *library) {
  /* POSIX has it that dlsym's result may be a function; ISO C does not. */
  union {
    void *object;
    globals_fn function;
  } found = {dlsym(library, "__cxa_get_globals")};
  return found.function;
}

void neap__cxx_look(struct neap_cxx *cxx) {
  static const char *const names[] = {"libstdc++.so.6", "libc++abi.so.1",
                                      "libc++.so.1"};
  unsigned long long count = 0;
  if (cxx->globals != NULL)
    return;
  dl_iterate_phdr(on_library, &count); /* 15 ns */
  if (count == cxx->seen)
    return;
  cxx->seen = count;
  cxx->globals =
      __cxa_get_globals != NULL ? __cxa_get_globals : find_in(RTLD_DEFAULT);
  /* What came with a Lua module is not among the default symbols. */
  for (size_t i = 0; cxx->globals == NULL && i < sizeof names / sizeof *names;
       i++) {
    cxx->library = dlopen(names[i], RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    if (cxx->library == NULL)
      continue;
    cxx->globals = find_in(cxx->library);
    if (cxx->globals == NULL)
      neap__cxx_deinit(cxx);
  }
}

void neap__cxx_deinit(struct neap_cxx *cxx) {
  cxx->globals = NULL;
  if (cxx->library != NULL)
    dlclose(cxx->library);
  cxx->library = NULL;
}
