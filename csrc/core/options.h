/*
 * options.h: a caller's structs of options. Each begins with its size as the
 * caller knows it, so that it may grow: what is missing at its end is zero, and
 * what this library does not know must be.
 */
#ifndef NEAP_CORE_OPTIONS_H
#define NEAP_CORE_OPTIONS_H

#include <uv.h>

#include <stddef.h>
#include <string.h>

/*
 * Fills out, a cleared struct of size bytes, from what given has of it; NULL
 * leaves it. Returns 0; UV_EINVAL when given's size was not set; UV_E2BIG when
 * it asks for something that is newer than this library.
 */
static inline int neap__options_read(void *out, size_t size,
                                     const void *given) {
  size_t theirs;
  if (given == NULL)
    return 0;
  memcpy(&theirs, given, sizeof theirs);
  if (theirs < sizeof theirs)
    return UV_EINVAL;
  for (size_t i = size; i < theirs; i++)
    if (((const char *)given)[i] != 0)
      return UV_E2BIG;
  memcpy(out, given, theirs < size ? theirs : size);
  return 0;
}

#endif
