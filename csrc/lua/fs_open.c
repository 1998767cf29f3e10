/* fs_open.c: opening files, by io's modes or by the system's flags. */
#include "lua/fs_open.h"

#include "lua/file.h"

#include <fcntl.h>
#include <string.h>

#define MODE_MAX 07777

/* What follows the first letter of a mode: "+", then "b" and "x" in any
   order. Returns false when it is no such thing. */
static bool parse_rest(const char *rest, bool *update, bool *exclusive) {
  *update = *rest == '+';
  rest += *update;
  for (; *rest != '\0'; rest++) {
    if (*rest == 'x')
      *exclusive = true;
    else if (*rest != 'b')
      return false;
  }
  return true;
}

int neapL_fs_modeflags(const char *mode) {
  bool update = false, exclusive = false;
  if (mode[0] == '\0' || !parse_rest(mode + 1, &update, &exclusive))
    return -1;
  int flags = exclusive ? O_EXCL : 0;
  switch (mode[0]) {
  case 'r':
    return exclusive ? -1 : update ? O_RDWR : O_RDONLY;
  case 'w':
    return flags | (update ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
  case 'a':
    return flags | (update ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
  default:
    return -1;
  }
}

/* open(2)'s flags by their names. Some are not everywhere. */
static const struct {
  const char *name;
  int flag;
} flag_names[] = {
    {"rdonly", O_RDONLY},     {"wronly", O_WRONLY},
    {"rdwr", O_RDWR},         {"append", O_APPEND},
    {"creat", O_CREAT},       {"excl", O_EXCL},
    {"trunc", O_TRUNC},       {"sync", O_SYNC},
    {"dsync", O_DSYNC},       {"nofollow", O_NOFOLLOW},
    {"nonblock", O_NONBLOCK}, {"directory", O_DIRECTORY},
#ifdef O_NOATIME
    {"noatime", O_NOATIME},
#endif
#ifdef O_TMPFILE
    {"tmpfile", O_TMPFILE},
#endif
};

#define SEPARATORS " ,|"

/* The flag that the n bytes at name are, or -1. */
static int flag_named(const char *name, size_t n) {
  for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++) {
    if (strlen(flag_names[i].name) == n &&
        memcmp(flag_names[i].name, name, n) == 0)
      return flag_names[i].flag;
  }
  return -1;
}

/* Names with separators between them as flags, or -1. */
static int named_flags(const char *names) {
  int flags = 0;
  bool any = false;
  for (;;) {
    names += strspn(names, SEPARATORS);
    size_t n = strcspn(names, SEPARATORS);
    if (n == 0)
      return any ? flags : -1;
    int flag = flag_named(names, n);
    if (flag < 0)
      return -1;
    flags |= flag;
    any = true;
    names += n;
  }
}

/* The mode, or the table of flags= and perm=, at arg. */
static int checkflags(lua_State *L, int arg, int *perm) {
  *perm = NEAPL_FILE_MODE;
  if (lua_type(L, arg) != LUA_TTABLE) {
    int flags = neapL_fs_modeflags(luaL_optstring(L, arg, "r"));
    luaL_argcheck(L, flags >= 0, arg, "invalid mode");
    return flags;
  }
  *perm = (int)neapL_optfieldint(L, arg, "perm", 0, MODE_MAX, NEAPL_FILE_MODE);
  const char *names = neapL_optfieldstring(L, arg, "flags", "r");
  int flags = neapL_fs_modeflags(names);
  if (flags < 0)
    flags = named_flags(names);
  if (flags < 0)
    neapL_fielderror(L, arg, "flags", "no mode and no flags");
  if ((flags & O_ACCMODE) == O_ACCMODE)
    neapL_fielderror(L, arg, "flags", "more than one of rdonly, wronly, rdwr");
  lua_pop(L, 1);
  return flags;
}

/* fs.open(path [, mode | {flags=, perm=}]) -> file | nil, message, code.
 * Waits, unless it is cached. */
int neapL_fs_open(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  int perm;
  int flags = checkflags(L, 2, &perm);
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_file *box = neapL_file_new(L);
  neap_file *file;
  int err = neap_file_open(rt, path, flags, perm, &file);
  if (err < 0)
    return neapL_fail(L, err, path);
  box->file = file;
  return 1;
}

/* fs.lines(path, ...) -> iterator, nil, nil, file | nil, message, code. Waits,
 * unless it is cached; so does the iterator. */
int neapL_fs_lines(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  int n = lua_gettop(L) - 1;
  neapL_file_checklines(L, 2, n);
  neap_rt *rt = neapL_waitrt(L);
  luaL_checkstack(L, 1, "too many arguments");
  struct neapL_file *box = neapL_file_new(L);
  lua_insert(L, 2);
  neap_file *file;
  int err = neap_file_open(rt, path, O_RDONLY, NEAPL_FILE_MODE, &file);
  if (err < 0)
    return neapL_fail(L, err, path);
  box->file = file;
  neapL_file_pushlines(L, 2, n, true);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 2); /* what a for loop closes */
  return 4;
}
