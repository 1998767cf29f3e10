/*
 * tool.c: a host that has a libuv loop and handles of its own, which neap's
 * tasks share: the host runs its loop as it always has, and they run in it.
 *
 *   tool FILE...      counts each file's lines, all at once
 *
 * The host hands out line numbers for the report, as a host hands out whatever
 * it owns: from a callback of its own, to a task that waits for it.
 */
#include <neap.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct host {
  uv_loop_t loop;
  uv_timer_t desk; /* answers requests, one each time it fires */
  neap_rt *rt;
  neap_wait *asked[64]; /* requests, the oldest first */
  unsigned nasked, nanswered;
  int failed;
};

/* What a task asks the host for. It lies in the wait object, not in a frame:
   whoever answers may do so when the task waits no more. */
struct request {
  unsigned number;
};

/* --- the host's side: callbacks that only wake */

static void on_desk(uv_timer_t *timer) {
  struct host *host = timer->data;
  neap_wait *wait = host->asked[0];
  struct request *request = neap_wait_data(wait);
  host->nasked--;
  memmove(host->asked, host->asked + 1, host->nasked * sizeof *host->asked);
  request->number = ++host->nanswered;
  neap_wake(wait, 0); /* once, also when nobody waits any more */
  if (host->nasked == 0)
    uv_timer_stop(timer);
}

/* --- the tasks' side: calls that wait */

static int ask_for_number(struct host *host, unsigned *number) {
  neap_wait *wait;
  if (host->nasked == sizeof host->asked / sizeof *host->asked)
    return UV_EAGAIN;
  int err = neap_wait_new(host->rt, sizeof(struct request), &wait);
  if (err < 0)
    return err;
  host->asked[host->nasked++] = wait;
  uv_timer_start(&host->desk, on_desk, 0, 1);
  err = neap_park(wait);
  if (err == 0)
    *number = ((struct request *)neap_wait_data(wait))->number;
  neap_wait_free(wait);
  return err;
}

static int count_lines(neap_rt *rt, const char *path, unsigned long *lines) {
  neap_file *file;
  char bytes[4096];
  int64_t n;
  int err = neap_file_open(rt, path, O_RDONLY, 0, &file);
  if (err < 0)
    return err;
  *lines = 0;
  while ((n = neap_file_read(file, bytes, sizeof bytes)) > 0)
    for (int64_t i = 0; i < n; i++)
      *lines += bytes[i] == '\n';
  neap_file_close(file);
  neap_file_free(file);
  return (int)n;
}

struct job {
  struct host *host;
  const char *path;
};

static int report(neap_rt *rt, void *arg) {
  struct job *job = arg;
  unsigned long lines = 0;
  unsigned number = 0;
  int err = count_lines(rt, job->path, &lines);
  if (err < 0)
    fprintf(stderr, "tool: %s: %s\n", job->path, uv_strerror(err));
  else
    err = ask_for_number(job->host, &number);
  if (err == 0)
    printf("%u. %s: %lu\n", number, job->path, lines);
  job->host->failed |= err < 0;
  return err;
}

static int run(struct host *host, struct job *jobs, int n, char **paths) {
  neap_options options = {.size = sizeof options, .loop = &host->loop};
  int err = neap_new(&options, &host->rt);
  for (int i = 0; err == 0 && i < n; i++) {
    jobs[i] = (struct job){host, paths[i]};
    err = neap_spawn(host->rt, report, &jobs[i], NULL, NULL);
  }
  /* The host's own run. It ends when neither the host nor a task has anything
     under way any more. */
  uv_run(&host->loop, UV_RUN_DEFAULT);
  neap_free(host->rt);
  return err;
}

int main(int argc, char **argv) {
  struct host host = {.failed = 0};
  struct job *jobs = calloc((size_t)argc, sizeof *jobs);
  if (jobs == NULL || uv_loop_init(&host.loop) < 0)
    return 1;
  uv_timer_init(&host.loop, &host.desk);
  host.desk.data = &host;
  int err = run(&host, jobs, argc - 1, argv + 1);
  uv_close((uv_handle_t *)&host.desk, NULL);
  uv_run(&host.loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&host.loop) < 0)
    fprintf(stderr, "tool: something was left open\n"), err = UV_EBUSY;
  free(jobs);
  printf("%u of %d files\n", host.nanswered, argc - 1);
  return err < 0 || host.failed;
}
