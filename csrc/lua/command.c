/* command.c: the table that says what is to be run; see process.h. */
#include "lua/process.h"

#include "lua/file.h"
#include "lua/stream.h"

#include <limits.h>
#include <string.h>
#include <uv.h>

extern char **environ;

static const char *const stdio_names[] = {"stdin", "stdout", "stderr"};

/* --- the program and its environment ---------------------------------- */

static bool has_nul(lua_State *L, int index) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  return strlen(text) != len;
}

/* Pushes an array of the words in the table at arg, and a table that keeps
   them. */
static char **check_words(lua_State *L, int arg) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, arg);
  luaL_argcheck(L, n > 0, arg, "no program to run");
  luaL_argcheck(L, n < INT_MAX - 1, arg, "too many arguments");
  lua_createtable(L, (int)n, 0);
  char **words = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *words, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, arg, i);
    if (!lua_isstring(L, -1))
      luaL_argerror(L, arg,
                    lua_pushfstring(L, "word %I is a %s", (LUAI_UACINT)i,
                                    luaL_typename(L, -1)));
    words[i - 1] = (char *)lua_tostring(L, -1); /* of a number: made here */
    if (has_nul(L, -1))
      luaL_argerror(
          L, arg,
          lua_pushfstring(L, "word %I contains a zero byte", (LUAI_UACINT)i));
    lua_rawseti(L, -3, i);
  }
  words[n] = NULL;
  luaL_argcheck(L, words[0][0] != 0, arg, "the program's name is empty");
  return words;
}

/* Pushes field, a table or nil. */
static bool get_table(lua_State *L, int arg, const char *field) {
  int type = lua_getfield(L, arg, field);
  if (type != LUA_TNIL && type != LUA_TTABLE)
    neapL_fielderror(
        L, arg, field,
        lua_pushfstring(L, "table expected, got %s", luaL_typename(L, -1)));
  return type == LUA_TTABLE;
}

/* The name and the value on L's top become "name=value" in the table at set;
   false instead of a value takes the name out. Pops the value. */
static void set_variable(lua_State *L, int arg, const char *field, int set) {
  if (lua_type(L, -2) != LUA_TSTRING)
    neapL_fielderror(L, arg, field, "a name is not a string");
  const char *name = lua_tostring(L, -2);
  if (name[0] == 0 || strchr(name, '=') != NULL || has_nul(L, -2))
    neapL_fielderror(L, arg, field,
                     lua_pushfstring(L, "'%s' can't be a name", name));
  if (lua_type(L, -1) == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushnil(L);
  } else if (!lua_isstring(L, -1)) {
    neapL_fielderror(
        L, arg, field,
        lua_pushfstring(L, "'%s' is a %s", name, luaL_typename(L, -1)));
  } else if (has_nul(L, -1)) {
    neapL_fielderror(L, arg, field,
                     lua_pushfstring(L, "'%s' contains a zero byte", name));
  } else {
    lua_pushvalue(L, -2);
    lua_pushliteral(L, "=");
    lua_pushvalue(L, -3);
    lua_concat(L, 3);
    lua_remove(L, -2);
  }
  lua_setfield(L, set, name);
}

/* Adds all of the table on L's top to the table at set. Pops it. */
static void set_variables(lua_State *L, int arg, const char *field, int set) {
  lua_pushnil(L);
  while (lua_next(L, -2) != 0)
    set_variable(L, arg, field, set);
  lua_pop(L, 1);
}

static void set_ours(lua_State *L, int set) {
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
    const char *end = strchr(*entry, '=');
    if (end == NULL)
      continue;
    lua_pushlstring(L, *entry, (size_t)(end - *entry));
    lua_pushstring(L, *entry);
    lua_rawset(L, set);
  }
}

/* Pushes an array of the strings in the table on the top, which keeps them. */
static char **push_array(lua_State *L) {
  size_t n = 0;
  int set = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, set) != 0; lua_pop(L, 1))
    n++;
  char **words = lua_newuserdatauv(L, (n + 1) * sizeof *words, 0);
  n = 0;
  for (lua_pushnil(L); lua_next(L, set) != 0; lua_pop(L, 1))
    words[n++] = (char *)lua_tostring(L, -1);
  words[n] = NULL;
  return words;
}

/* The environment, or NULL: ours. */
static char **check_environment(lua_State *L, int arg) {
  bool replaced = get_table(L, arg, "env");
  int env = lua_gettop(L);
  bool added = get_table(L, arg, "setenv");
  if (!replaced && !added) {
    lua_pop(L, 2);
    return NULL;
  }
  lua_newtable(L);
  int set = lua_gettop(L);
  if (replaced) {
    lua_pushvalue(L, env);
    set_variables(L, arg, "env", set);
  } else {
    set_ours(L, set);
  }
  if (added) {
    lua_pushvalue(L, env + 1);
    set_variables(L, arg, "setenv", set);
  }
  return push_array(L);
}

/* --- descriptors ------------------------------------------------------ */

static void check_word(lua_State *L, int arg, const char *field,
                       neap_stdio *io) {
  static const struct {
    const char *word;
    neap_stdio_kind kind;
  } words[] = {{"pipe", NEAP_STDIO_PIPE},
               {"inherit", NEAP_STDIO_INHERIT},
               {"null", NEAP_STDIO_NULL}};
  const char *word = lua_tostring(L, -1);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strcmp(words[i].word, word) == 0) {
      io->kind = words[i].kind;
      return;
    }
  }
  neapL_fielderror(L, arg, field,
                   lua_pushfstring(L,
                                   "'%s' is neither 'pipe', 'inherit' nor "
                                   "'null'",
                                   word));
}

static void check_object(lua_State *L, int arg, const char *field,
                         neap_stdio *io) {
  const struct neapL_file *file = neapL_file_test(L, -1);
  const struct neapL_conn *conn = luaL_testudata(L, -1, "neap.conn");
  const luaL_Stream *stream = luaL_testudata(L, -1, LUA_FILEHANDLE);
  if (file == NULL && conn == NULL && stream == NULL)
    neapL_fielderror(
        L, arg, field,
        lua_pushfstring(L, "string, file or connection expected, got %s",
                        luaL_typename(L, -1)));
  if (file != NULL && file->file != NULL && !neap_file_is_closed(file->file)) {
    io->kind = NEAP_STDIO_FILE;
    io->file = file->file;
  } else if (conn != NULL && conn->stream != NULL) {
    io->kind = NEAP_STDIO_STREAM;
    io->stream = conn->stream;
  } else if (stream != NULL && stream->closef != NULL &&
             fflush(stream->f) == 0) {
    io->kind = NEAP_STDIO_FD;
    io->fd = fileno(stream->f);
  } else {
    neapL_fielderror(L, arg, field, "is closed");
  }
}

/* Pushes each of the three, which then stays alive. */
static void check_stdio(lua_State *L, int arg, neap_process_options *o,
                        const neap_stdio_kind *def) {
  for (int i = 0; i < 3; i++) {
    int type = lua_getfield(L, arg, stdio_names[i]);
    if (type == LUA_TNIL)
      o->stdio[i].kind = def[i];
    else if (type == LUA_TSTRING)
      check_word(L, arg, stdio_names[i], &o->stdio[i]);
    else
      check_object(L, arg, stdio_names[i], &o->stdio[i]);
  }
}

/* --- the whole of it -------------------------------------------------- */

static bool optfieldid(lua_State *L, int arg, const char *field, uint32_t *id) {
  const lua_Integer none = -1; /* no id: setuid(2) has it for "as it is" */
  lua_Integer given =
      neapL_optfieldint(L, arg, field, 0, (lua_Integer)UINT32_MAX - 1, none);
  if (given != none)
    *id = (uint32_t)given;
  return given != none;
}

neap_process_options *neapL_command_check(lua_State *L, int arg,
                                          const neap_stdio_kind *def) {
  luaL_checktype(L, arg, LUA_TTABLE);
  luaL_checkstack(L, 20, NULL);
  neap_process_options *o = lua_newuserdatauv(L, sizeof *o, 0);
  *o = (neap_process_options){.size = sizeof *o};
  o->argv = check_words(L, arg);
  o->envp = check_environment(L, arg);
  o->cwd = neapL_optfieldstring(L, arg, "cwd", NULL);
  if (o->cwd != NULL && has_nul(L, -1))
    neapL_fielderror(L, arg, "cwd", "path contains a zero byte");
  o->detached = neapL_optfieldbool(L, arg, "detached", false);
  o->grace_ns = neapL_optfieldseconds(L, arg, "grace", 0);
  o->has_uid = optfieldid(L, arg, "uid", &o->uid);
  o->has_gid = optfieldid(L, arg, "gid", &o->gid);
  if (lua_getfield(L, arg, "pty") != LUA_TNIL)
    neapL_fielderror(L, arg, "pty", "not supported");
  lua_pop(L, 1);
  check_stdio(L, arg, o, def);
  return o;
}

void neapL_command_started(lua_State *L, int arg) {
  for (int i = 0; i < 3; i++) {
    lua_getfield(L, arg, stdio_names[i]);
    if (luaL_testudata(L, -1, "neap.conn") != NULL &&
        luaL_callmeta(L, -1, "__close"))
      lua_pop(L, 1);
    lua_pop(L, 1);
  }
}

int neapL_command_fail(lua_State *L, const neap_process_options *o, int err) {
  const char *what = o->argv[0];
  if (o->failed == NEAP_PROCESS_CWD)
    what = o->cwd;
  if (o->failed != NEAP_PROCESS_STDIO || err != UV_EBUSY)
    return neapL_fail(L, err, what);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: a connection that was read from, or is in use", what);
  lua_pushliteral(L, "EBUSY");
  return 3;
}
