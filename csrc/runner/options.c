/* options.c: reading the command line; see options.h. */
#include "runner/options.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct runner_options *o, const char *bad,
                 const char *problem) {
  o->bad = bad;
  o->problem = problem;
  return false;
}

/* "10ms", "0.5s", "100us", "2": seconds. Negative: no duration. */
static double read_duration(const char *text) {
  static const struct {
    const char *name;
    double seconds;
  } units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"us", 1e-6}};
  char *end;
  double n = strtod(text, &end);
  if (end == text || !isfinite(n) || n <= 0)
    return -1;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
    if (strcmp(end, units[i].name) == 0)
      return n * units[i].seconds;
  return -1;
}

/* "SIGUSR1" or "USR1". 0: not one that a dump may be asked for by. */
static int read_signal(const char *name) {
  static const struct {
    const char *name;
    int signum;
  } signals[] = {
      {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"HUP", SIGHUP}, {"QUIT", SIGQUIT}};
  if (strncmp(name, "SIG", 3) == 0)
    name += 3;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    if (strcmp(name, signals[i].name) == 0)
      return signals[i].signum;
  return 0;
}

/* --name=value, or --name and value behind it. False: it is not that option.
   Moves *at to its last word; *value NULL: there is none. */
static bool is_long(int argc, char **argv, int *at, const char *name,
                    const char **value) {
  size_t len = strlen(name);
  const char *word = argv[*at];
  if (strncmp(word, name, len) != 0)
    return false;
  if (word[len] == '=') {
    *value = word + len + 1;
    return true;
  }
  if (word[len] != 0)
    return false;
  *value = *at + 1 < argc ? argv[++*at] : NULL;
  return true;
}

/* An option of ours at *at. */
static bool read_ours(int argc, char **argv, int *at,
                      struct runner_options *o) {
  const char *word = argv[*at], *value = NULL;
  if (strcmp(word, "--help") == 0) {
    o->help = true;
  } else if (is_long(argc, argv, at, "--dump-on", &value)) {
    o->dump_signal = value != NULL ? read_signal(value) : 0;
    if (o->dump_signal == 0)
      return fail(o, word, "needs SIGUSR1, SIGUSR2, SIGHUP or SIGQUIT");
  } else if (is_long(argc, argv, at, "--preempt", &value)) {
    o->preempt = value != NULL ? read_duration(value) : -1;
    if (o->preempt < 0)
      return fail(o, word, "needs a duration, such as 10ms");
  } else if (is_long(argc, argv, at, "--watchdog", &value)) {
    o->watchdog = value != NULL ? read_duration(value) : -1;
    if (o->watchdog < 0)
      return fail(o, word, "needs a duration, such as 100ms");
  } else if (is_long(argc, argv, at, "--trace", &value)) {
    o->trace = value;
    if (value == NULL || value[0] == 0)
      return fail(o, word, "needs the name of a file");
  } else {
    return fail(o, word, NULL);
  }
  return true;
}

/* -e and -l: the value is the rest of the word or the next word. */
static bool has_value(int argc, char **argv, int *at) {
  if (argv[*at][2] != 0)
    return true;
  ++*at;
  return *at < argc && argv[*at][0] != '-';
}

/* One of lua's options at *at, which is none of "-" and "--". */
static bool read_lua(int argc, char **argv, int *at, struct runner_options *o) {
  const char *word = argv[*at];
  const bool alone = word[2] == 0;
  switch (word[1]) {
  case 'E':
    o->no_env = true;
    return alone || fail(o, word, NULL);
  case 'W':
    return alone || fail(o, word, NULL);
  case 'i':
    o->interactive = o->version = true;
    return alone || fail(o, word, NULL);
  case 'v':
    o->version = true;
    return alone || fail(o, word, NULL);
  case 'e':
    o->executes = true;
    return has_value(argc, argv, at) || fail(o, word, "needs argument");
  case 'l':
    return has_value(argc, argv, at) || fail(o, word, "needs argument");
  default:
    return fail(o, word, NULL);
  }
}

bool runner_options_read(int argc, char **argv, struct runner_options *out) {
  struct runner_options o = {0};
  bool ok = true;
  int at = 1;
  for (; ok && at < argc && argv[at][0] == '-'; at++) {
    const char *word = argv[at];
    if (word[1] == 0) {
      o.by_stdin = true;
      break;
    }
    if (strcmp(word, "--") == 0) {
      at++;
      break;
    }
    ok = word[1] == '-' ? read_ours(argc, argv, &at, &o)
                        : read_lua(argc, argv, &at, &o);
  }
  o.script = at;
  *out = o;
  return ok;
}

char runner_options_next(char **argv, int script, int *at, const char **value) {
  while (*at < script) {
    const char *word = argv[(*at)++];
    if (word[0] != '-' || strcmp(word, "--") == 0)
      break;
    const char letter = word[1];
    *value = NULL;
    if (letter == 'W')
      return letter;
    if (letter == 'e' || letter == 'l') {
      *value = word[2] != 0 ? word + 2 : argv[(*at)++];
      return letter;
    }
    if (letter == '-' && strchr(word, '=') == NULL &&
        strcmp(word, "--help") != 0)
      ++*at; /* the value of one of ours */
  }
  return 0;
}
