/*
 * fs_data.h: the bytes of one regular file on their way to another, holes kept,
 * for pool threads. Done in steps, so that a big file can be left off between
 * two of them.
 */
#ifndef NEAP_IO_FS_DATA_H
#define NEAP_IO_FS_DATA_H

#include <stdbool.h>
#include <stdint.h>

/* All-zero but in and out, which are -1: nothing under way. */
struct neap_fs_data {
  int in, out;
  uint64_t at;   /* all before it is done */
  uint64_t size; /* what `in` had at the beginning */
  uint64_t end;  /* of the bytes around `at` that are not in a hole */
  bool no_range, no_holes;
  char *buffer; /* shared memory, or NULL */
};

/* Begins to copy `in`, which has size bytes, to the empty file `out`; both are
   its own from now on. Returns 0: done; 1: to be gone on with. */
int neap__fs_data_begin(struct neap_fs_data *data, int in, int out,
                        uint64_t size);

/* Goes on until uv_hrtime() is until_ns, and adds to *bytes what it has copied.
   Returns 1: not done yet; 0; or a negative code. */
int neap__fs_data_step(struct neap_fs_data *data, uint64_t until_ns,
                       uint64_t *bytes);

/* Closes both. Returns 0 or the code of a late failure to write. */
int neap__fs_data_end(struct neap_fs_data *data);

#endif
