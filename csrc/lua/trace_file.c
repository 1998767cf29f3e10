/*
 * trace_file.c: trace events in Chrome's format (an array of JSON objects,
 * "Trace Event Format"), which chrome://tracing and ui.perfetto.dev open. A
 * task is a track, with a slice for each time that it runs, waits or is ready;
 * the loop is track 0, with a slice for each look at it. An arrow leads from
 * who wakes or spawns a task to that task.
 */
#include "lua/trace.h"

#include "core/info.h"
#include "lua/task_handle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOP_TRACK ((uint64_t)0)

struct neapL_trace_file {
  FILE *file;
  uint64_t arrows; /* so many by now: each has a number of its own */
  int pid;
  bool begun; /* the next event needs a comma */
};

/* --- JSON ----------------------------------------------------------------- */

/* The length of the UTF-8 character at text, 0 if it is none (RFC 3629). */
static size_t utf8_len(const unsigned char *text) {
  size_t len = text[0] < 0x80                      ? 1
               : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
               : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
               : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                   : 0;
  for (size_t i = 1; i < len; i++)
    if ((text[i] & 0xc0) != 0x80)
      return 0;
  const unsigned second = text[1];
  if ((text[0] == 0xe0 && second < 0xa0) ||
      (text[0] == 0xed && second >= 0xa0) || /* a surrogate */
      (text[0] == 0xf0 && second < 0x90) || (text[0] == 0xf4 && second >= 0x90))
    return 0;
  return len;
}

/* What is between the quotes of a JSON string. */
static void put_text(FILE *file, const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  while (*at != '\0') {
    size_t len = utf8_len(at);
    if (len == 0)
      fputs("\\ufffd", file);
    else if (*at < 0x20)
      fprintf(file, "\\u%04x", (unsigned)*at);
    else if (*at == '"' || *at == '\\')
      fprintf(file, "\\%c", *at);
    else
      fwrite(at, 1, len, file);
    at += len > 0 ? len : 1;
  }
}

/* Begins an event; put_end ends it. */
static FILE *put_event(struct neapL_trace_file *f, const char *phase,
                       uint64_t track) {
  fprintf(f->file, "%s{\"ph\":\"%s\",\"pid\":%d,\"tid\":%llu",
          f->begun ? ",\n" : "", phase, f->pid, (unsigned long long)track);
  f->begun = true;
  return f->file;
}

/* Microseconds, with the nanoseconds behind the point. */
static void put_time(FILE *file, uint64_t at_ns) {
  fprintf(file, ",\"ts\":%llu.%03u", (unsigned long long)(at_ns / 1000),
          (unsigned)(at_ns % 1000));
}

static void put_end(FILE *file) {
  fputc('}', file);
}

/* --- tracks, slices, arrows ----------------------------------------------- */

static void put_name(struct neapL_trace_file *f, uint64_t track,
                     const char *prefix, const char *name) {
  FILE *file = put_event(f, "M", track);
  fprintf(file, ",\"name\":\"thread_name\",\"args\":{\"name\":\"%s", prefix);
  put_text(file, name);
  fputs("\"}", file);
  put_end(file);
  file = put_event(f, "M", track);
  fprintf(file,
          ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%llu}",
          (unsigned long long)track);
  put_end(file);
}

static void name_track(struct neapL_trace_file *f,
                       const struct neap_task *task) {
  char prefix[32];
  const char *name = neapL_task_name(task);
  snprintf(prefix, sizeof prefix, "task %llu%s", (unsigned long long)task->id,
           name != NULL ? " " : "");
  put_name(f, task->id, prefix, name != NULL ? name : "");
}

static void end_slice(struct neapL_trace_file *f, uint64_t track,
                      uint64_t at_ns) {
  FILE *file = put_event(f, "E", track);
  put_time(file, at_ns);
  put_end(file);
}

static void begin_slice(struct neapL_trace_file *f, uint64_t track,
                        uint64_t at_ns, const char *category, const char *name,
                        const char *detail) {
  FILE *file = put_event(f, "B", track);
  put_time(file, at_ns);
  fprintf(file, ",\"cat\":\"%s\",\"name\":\"", category);
  put_text(file, name);
  fputc('"', file);
  if (detail != NULL) {
    fputs(",\"args\":{\"on\":\"", file);
    put_text(file, detail);
    fputs("\"}", file);
  }
  put_end(file);
}

/* The slice of what task does now, that is, not run. */
static void begin_rest(struct neapL_trace_file *f, const struct neap_task *task,
                       uint64_t at_ns) {
  const struct neap_op *op = task->op;
  char detail[128];
  if (task->state != NEAP_TASK_WAITING || op == NULL) {
    begin_slice(f, task->id, at_ns, "ready", "ready", NULL);
    return;
  }
  neap__info_wait(task, detail, sizeof detail);
  begin_slice(f, task->id, at_ns, "wait", op->what, detail);
}

static void put_arrow(struct neapL_trace_file *f, const struct neap_task *from,
                      const struct neap_task *to, uint64_t at_ns) {
  static const char rest[] = ",\"cat\":\"wake\",\"name\":\"wake\",\"id\":%llu";
  unsigned long long id = ++f->arrows;
  FILE *file = put_event(f, "s", from != NULL ? from->id : LOOP_TRACK);
  put_time(file, at_ns);
  fprintf(file, rest, id);
  put_end(file);
  file = put_event(f, "f", to->id);
  put_time(file, at_ns);
  fprintf(file, rest, id);
  fputs(",\"bp\":\"e\"", file); /* to the slice around it, not the next one */
  put_end(file);
}

/* --- events --------------------------------------------------------------- */

static void add_ready(struct neapL_trace_file *f,
                      const struct neap_trace_event *event) {
  begin_slice(f, event->task->id, event->at_ns, "ready", "ready", NULL);
  put_arrow(f, event->by, event->task, event->at_ns);
}

void neapL_trace_file_add(struct neapL *N,
                          const struct neap_trace_event *event) {
  struct neapL_trace_file *f = N->trace_file;
  const uint64_t at = event->at_ns;
  const struct neap_task *task = event->task;
  switch (event->kind) {
  case NEAP_EVENT_SPAWN:
    name_track(f, task);
    add_ready(f, event);
    break;
  case NEAP_EVENT_RUN:
    end_slice(f, task->id, at);
    begin_slice(f, task->id, at, "run", "run", NULL);
    break;
  case NEAP_EVENT_STOP:
    end_slice(f, task->id, at);
    if (task->state != NEAP_TASK_ENDED)
      begin_rest(f, task, at);
    break;
  case NEAP_EVENT_WAIT: /* its stop tells as much */
    break;
  case NEAP_EVENT_WAKE:
    end_slice(f, task->id, at);
    add_ready(f, event);
    break;
  case NEAP_EVENT_POLL:
    begin_slice(f, LOOP_TRACK, at, "poll", "poll", NULL);
    break;
  case NEAP_EVENT_POLLED:
    end_slice(f, LOOP_TRACK, at);
    break;
  }
}

/* The slices that are open at the beginning, and those at the end. */
static void each_task(struct neapL *N, struct neapL_trace_file *f, bool begin) {
  struct neap_list *head = &N->rt->sched.tasks, *node;
  uint64_t now = uv_hrtime();
  for (node = head->next; node != head; node = node->next) {
    const struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    if (!begin) {
      end_slice(f, task->id, now);
      continue;
    }
    name_track(f, task);
    if (task == N->rt->sched.current)
      begin_slice(f, task->id, now, "run", "run", NULL);
    else
      begin_rest(f, task, now);
  }
}

int neapL_trace_file_new(struct neapL *N, const char *path,
                         struct neapL_trace_file **out) {
  struct neapL_trace_file *f = neap__mem_zalloc(&N->rt->mem, sizeof *f);
  if (f == NULL)
    return UV_ENOMEM;
  f->file = fopen(path, "we"); /* e: children don't inherit it */
  if (f->file == NULL) {
    int err = uv_translate_sys_error(errno);
    neap__mem_free(&N->rt->mem, f, sizeof *f);
    return err;
  }
  f->pid = (int)uv_os_getpid();
  fputs("[\n", f->file);
  put_name(f, LOOP_TRACK, "loop", "");
  each_task(N, f, true);
  *out = f;
  return 0;
}

int neapL_trace_file_free(struct neapL *N) {
  struct neapL_trace_file *f = N->trace_file;
  if (f == NULL)
    return 0;
  N->trace_file = NULL;
  each_task(N, f, false);
  fputs("\n]\n", f->file);
  bool failed = ferror(f->file) != 0;
  failed = fclose(f->file) != 0 || failed;
  neap__mem_free(&N->rt->mem, f, sizeof *f);
  return failed ? UV_EIO : 0;
}
