/*
 * file.h: the file object of scripts: its type and reading in file.c, writing
 * in file_write.c, the rest of its methods in file_attr.c and file_lock.c; and
 * the same as one of io's own in compat_file.c.
 */
#ifndef NEAP_LUA_FILE_H
#define NEAP_LUA_FILE_H

#include "lua/neapl.h"

#include <stdio.h>

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

/* What the userdata "neap.file" and "neap.compat.file" hold. */
struct neapL_file {
  neap_file *file; /* NULL: not open yet, or given up */
  /* Bytes on their way to a Lua string: should making it raise, they are freed
     with the next ones, or with the file. */
  neap_blob blob;
  const struct neapL_file_tail *tail; /* NULL: nothing */
  neap_process *process;              /* the tail's: popen.c */
  int fd;                             /* the tail's: std.c */
  bool stock;  /* of neap.compat: what it returns and raises is io's */
  FILE *stdio; /* compat_file.c: C's own stream of a standard descriptor */
};

/* Makes the types of files and of their locks. */
void neapL_file_open(lua_State *L, struct neapL *N);
void neapL_file_openlock(lua_State *L, struct neapL *N);

/* Pushes a file object that is not open yet. */
struct neapL_file *neapL_file_new(lua_State *L);

/* The file object at arg, or NULL for anything else. */
struct neapL_file *neapL_file_test(lua_State *L, int arg);

/* The file object at 1 in one of its methods. Raises for anything else; check
   also for a closed one, if io's would. */
struct neapL_file *neapL_file_self(lua_State *L);
struct neapL_file *neapL_file_check(lua_State *L);

/* The file, or NULL when it is closed. */
neap_file *neapL_file_get(lua_State *L, const struct neapL_file *box);

/* Pushes what a call on a closed file gives, and returns 3. */
int neapL_file_failclosed(lua_State *L);

/* neapL_fail for what a call on the file brought. */
int neapL_file_fail(lua_State *L, const struct neapL_file *box, int err);

/* Pushes true and returns 1, or fails as above. */
int neapL_file_done(lua_State *L, const struct neapL_file *box, int err);

/* Raises unless the n arguments from first on are formats that an iterator may
   have. */
void neapL_file_checklines(lua_State *L, int first, int n);

/* Pushes an iterator over the file object at index file, whose formats are the
   n values behind it and were checked; closes: at the end it closes the file.
 */
int neapL_file_pushlines(lua_State *L, int file, int n, bool closes);

/* Closes where one may wait and where not; not cancellable. Returns 0 or the
   code with which writing out or closing failed. */
int neapL_file_shut(lua_State *L, struct neapL_file *box);

/* Makes a string of the argument, as io writes it. */
void neapL_file_checktext(lua_State *L, int arg);

/* Methods, of file.c: */
int neapL_file_read(lua_State *L);
int neapL_file_lines(lua_State *L);
int neapL_file_close(lua_State *L);
int neapL_file_tbc(lua_State *L);
int neapL_file_gc(lua_State *L);
int neapL_file_tostring(lua_State *L);

/* of file_write.c: */
int neapL_file_write(lua_State *L);
int neapL_file_seek(lua_State *L);
int neapL_file_flush(lua_State *L);
int neapL_file_setvbuf(lua_State *L);
int neapL_file_pwrite(lua_State *L);
int neapL_file_truncate(lua_State *L);
int neapL_file_sync(lua_State *L);
int neapL_file_datasync(lua_State *L);

/* of file_attr.c: */
int neapL_file_pread(lua_State *L);
int neapL_file_stat(lua_State *L);
int neapL_file_chmod(lua_State *L);
int neapL_file_utime(lua_State *L);
int neapL_file_fd(lua_State *L);

/* of file_lock.c: */
int neapL_file_lock(lua_State *L);

#endif
