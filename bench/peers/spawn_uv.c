/*
 * Runs a program n times by libuv, so many at a time, with its stdout and
 * stderr read to their end: what process.run does. Prints the time of one, in
 * us.
 * usage: spawn_uv n in_flight program
 */
#include <uv.h>

#include <stdio.h>
#include <stdlib.h>

struct run {
  uv_process_t process;
  uv_pipe_t out[2];
  int open; /* handles that have not been closed */
};

static uv_loop_t *loop;
static char *argv[2];
static long left;
static char buffer[65536];

static void start(void);

static void on_closed(uv_handle_t *handle) {
  struct run *run = handle->data;
  if (--run->open > 0)
    return;
  free(run);
  start();
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  (void)handle;
  (void)size;
  *buf = uv_buf_init(buffer, sizeof buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  (void)buf;
  if (n < 0)
    uv_close((uv_handle_t *)stream, on_closed);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signum) {
  (void)status;
  (void)signum;
  uv_close((uv_handle_t *)process, on_closed);
}

static void start(void) {
  if (left == 0)
    return;
  left--;
  struct run *run = calloc(1, sizeof *run);
  if (run == NULL)
    abort();
  uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
  for (int i = 0; i < 2; i++) {
    uv_pipe_init(loop, &run->out[i], 0);
    run->out[i].data = run;
    stdio[i + 1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio[i + 1].data.stream = (uv_stream_t *)&run->out[i];
  }
  uv_process_options_t options = {.exit_cb = on_exit_of,
                                  .file = argv[0],
                                  .args = argv,
                                  .stdio_count = 3,
                                  .stdio = stdio};
  run->process.data = run;
  run->open = 3;
  if (uv_spawn(loop, &run->process, &options) != 0)
    abort();
  for (int i = 0; i < 2; i++)
    uv_read_start((uv_stream_t *)&run->out[i], on_alloc, on_read);
}

int main(int argc, char **args) {
  if (argc != 4)
    return 1;
  loop = uv_default_loop();
  long n = atol(args[1]);
  left = n;
  argv[0] = args[3];
  uint64_t begun = uv_hrtime();
  for (long i = atol(args[2]); i > 0; i--)
    start();
  uv_run(loop, UV_RUN_DEFAULT);
  printf("%.3f\n", (double)(uv_hrtime() - begun) / (double)n / 1e3);
  return 0;
}
