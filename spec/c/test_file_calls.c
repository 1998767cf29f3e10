/*
 * test_file_calls.c: what files do in the pool beside reading, without Lua:
 * writing behind, places, locks, atomic replacing. For the sanitizers too.
 */
#include "core/op.h"
#include "core/rt.h"
#include "io/file.h"

#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 64

/* A file name of this process in path. */
static const char *name(char path[PATH_SIZE], const char *what) {
  snprintf(path, PATH_SIZE, "/tmp/neap-spec-%ld-%s", (long)getpid(), what);
  return path;
}

static neap_rt *new_rt(void) {
  neap_rt *rt = NULL;
  CHECK(neap_new(NULL, &rt) == 0);
  return rt;
}

static neap_file *open_file(neap_rt *rt, const char *path, int flags) {
  neap_file *file = NULL;
  CHECK(neap_file_open(rt, path, flags, 0600, &file) == 0);
  return file;
}

/* Byte i of what is written. */
static char byte_at(size_t i) {
  return (char)('a' + i % 26 + (i / 1000) % 2);
}

/* Writes n bytes in pieces that don't divide a buffer. */
static void write_pieces(neap_file *file, size_t n) {
  char piece[333];
  for (size_t i = 0; i < n;) {
    size_t len = n - i < sizeof piece ? n - i : sizeof piece;
    for (size_t k = 0; k < len; k++)
      piece[k] = byte_at(i + k);
    CHECK(neap_file_write(file, piece, len) == 0);
    i += len;
  }
}

static bool holds_pieces(neap_rt *rt, const char *path, size_t n) {
  neap_blob blob = {0};
  if (!CHECK(neap_fs_readfile(rt, path, SIZE_MAX, &blob) == 0))
    return false;
  bool same = blob.len == n;
  for (size_t i = 0; same && i < n; i++)
    same = blob.base[i] == byte_at(i);
  neap_fs_free_blob(&blob);
  return same;
}

static void full_buffers_are_written_behind(void) {
  char path[PATH_SIZE];
  neap_rt *rt = new_rt();
  const size_t n = 12 * NEAP_FILE_OUT + 7;
  neap_file *file =
      open_file(rt, name(path, "behind"), O_RDWR | O_CREAT | O_TRUNC);
  write_pieces(file, n);
  CHECK(neap_file_close(file) == 0);
  CHECK(holds_pieces(rt, path, n));
  CHECK(neap_file_free(file) == 0);
  unlink(path);
  neap_free(rt);
}

/* Given up, or left to the runtime, while the pool has a buffer of it. */
static void a_file_may_end_meanwhile(void) {
  char path[PATH_SIZE];
  for (int i = 0; i < test_count(40, 400); i++) {
    neap_rt *rt = new_rt();
    size_t n = NEAP_FILE_OUT + 333 * (size_t)(i % 5);
    neap_file *file =
        open_file(rt, name(path, "end"), O_WRONLY | O_CREAT | O_TRUNC);
    write_pieces(file, n);
    if (i % 2 == 0)
      CHECK(neap_file_free(file) == 0);
    else
      neap_free(rt);
    if (i % 2 == 1)
      rt = new_rt();
    CHECK(holds_pieces(rt, path, n));
    neap_free(rt);
  }
  unlink(path);
}

static void failures_are_told_once(void) {
  neap_rt *rt = new_rt();
  neap_file *file = open_file(rt, "/dev/full", O_WRONLY);
  /* A device that can't be polled is written by the pool from then on. */
  CHECK(neap_file_write(file, "x", 1) == 0);
  CHECK(neap_file_flush(file) == UV_ENOSPC);
  CHECK(neap_file_flush(file) == 0);
  CHECK(neap_file_close(file) == 0);
  CHECK(neap_file_free(file) == 0);
  neap_free(rt);
}

static void places_are_read_and_written(void) {
  char path[PATH_SIZE];
  neap_rt *rt = new_rt();
  neap_file *file = open_file(rt, name(path, "at"), O_RDWR | O_CREAT | O_TRUNC);
  neap_blob blob = {0};
  neap_fs_info info;
  const neap_fs_time then = {.sec = 5, .nsec = 6};
  CHECK(neap_file_write(file, "0123456789", 10) == 0);
  CHECK(neap_file_pwrite(file, "ab", 2, 4) == 0);
  CHECK(neap_file_pread(file, 100, 3, &blob) == 0 && blob.len == 7 &&
        memcmp(blob.base, "3ab6789", 7) == 0);
  neap_fs_free_blob(&blob);
  CHECK(neap_file_truncate(file, 6) == 0);
  CHECK(neap_file_chmod(file, 0640) == 0);
  CHECK(neap_file_utime(file, NULL, &then) == 0);
  CHECK(neap_file_sync(file, true) == 0);
  CHECK(neap_file_stat(file, &info) == 0 && info.size == 6 &&
        (info.mode & 0777) == 0640 && info.mtime.sec == 5 &&
        info.mtime.nsec == 6);
  CHECK(neap_file_fd(file) >= 0);
  CHECK(neap_file_close(file) == 0);
  CHECK(neap_file_fd(file) == UV_EBADF);
  CHECK(neap_file_pread(file, 1, 0, &blob) == UV_EBADF);
  CHECK(neap_file_free(file) == 0);
  unlink(path);
  neap_free(rt);
}

struct locker {
  neap_file *file;
  int *inside, rounds;
};

/* Whoever has the lock is alone. */
static int lock_and_unlock(neap_rt *rt, void *arg) {
  struct locker *on = arg;
  for (int i = 0; i < 5; i++) {
    uint64_t id;
    int err = neap_file_lock(on->file, false, NEAP_NEVER, &id);
    if (!CHECK(err == 0))
      return err;
    CHECK((*on->inside)++ == 0);
    neap_yield(rt);
    (*on->inside)--;
    on->rounds++;
    CHECK(neap_file_unlock(on->file, id) == 0);
  }
  return 0;
}

static void locks_wait_for_each_other(void) {
  char path[PATH_SIZE];
  neap_rt *rt = new_rt();
  int inside = 0;
  struct locker lockers[3] = {{0}};
  neap_task *tasks[3];
  for (int i = 0; i < 3; i++) {
    lockers[i].inside = &inside;
    lockers[i].file = open_file(rt, name(path, "lock"), O_RDWR | O_CREAT);
    CHECK(neap_spawn(rt, lock_and_unlock, &lockers[i], NULL, &tasks[i]) == 0);
  }
  for (int i = 0; i < 3; i++) {
    CHECK(neap_join(tasks[i], NULL) == 0 && lockers[i].rounds == 5);
    neap_task_unref(tasks[i]);
  }
  uint64_t id;
  CHECK(neap_file_lock(lockers[0].file, false, 0, &id) == 0);
  CHECK(neap_file_lock(lockers[1].file, true, 0, &id) == UV_EAGAIN);
  for (int i = 0; i < 3; i++)
    CHECK(neap_file_free(lockers[i].file) == 0);
  unlink(path);
  neap_free(rt);
}

static void files_are_replaced(void) {
  char path[PATH_SIZE];
  struct stat st;
  neap_rt *rt = new_rt();
  name(path, "atomic");
  CHECK(neap_fs_replacefile(rt, path, "one", 3, 0600) == 0);
  CHECK(chmod(path, 0644) == 0);
  CHECK(neap_fs_replacefile(rt, path, "second", 6, 0600) == 0);
  CHECK(stat(path, &st) == 0 && st.st_size == 6 && (st.st_mode & 0777) == 0644);
  CHECK(neap_fs_replacefile(rt, "/tmp", "x", 1, 0600) == UV_EISDIR);
  unlink(path);
  neap_free(rt);
}

TESTS(TEST(full_buffers_are_written_behind), TEST(a_file_may_end_meanwhile),
      TEST(failures_are_told_once), TEST(places_are_read_and_written),
      TEST(locks_wait_for_each_other), TEST(files_are_replaced))
