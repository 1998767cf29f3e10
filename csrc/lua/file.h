/* file.h: the file object of scripts. */
#ifndef NEAP_LUA_FILE_H
#define NEAP_LUA_FILE_H

#include "lua/neapl.h"

struct neapL_file;

/* What is more to a file than the file. */
struct neapL_file_tail {
  bool quiet; /* it is no mistake to leave it open */
  /* After it was closed for the first time, with err: pushes what close returns
     and returns how many. Waits, but is not cancelled. */
  int (*closed)(lua_State *L, struct neapL_file *box, int err);
  /* It was closed where nobody may wait. */
  void (*dropped)(struct neapL_file *box);
};

/* What the userdata "neap.file" holds. */
struct neapL_file {
  neap_file *file;                    /* NULL: not open yet, or given up */
  const struct neapL_file_tail *tail; /* NULL: nothing */
  neap_process *process;              /* the tail's: popen.c */
  int fd;                             /* the tail's: std.c */
};

/* Makes the type. */
void neapL_file_open(lua_State *L, struct neapL *N);

/* Pushes a file object that is not open yet. */
struct neapL_file *neapL_file_new(lua_State *L);

#endif
