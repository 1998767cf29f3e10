/*
 * test_names.c: names and trees of files from a C task: each call that the
 * other tests of files leave out.
 */
#include "include/neap.h"

#include "test.h"

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#pragma GCC diagnostic ignored "-Wframe-larger-than="

static char dir[128];

/* The path of name in the test's folder; four at a time. */
static const char *at(const char *name) {
  static char paths[4][256];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", dir, name);
  return path;
}

/* Runs fn as a task, in a folder that is removed afterwards. */
static void in_task(neap_task_fn fn) {
  neap_rt *rt = NULL;
  neap_blob name;
  neap_task *task;
  neap_figures figures;
  int result = -1;
  CHECK(neap_new(NULL, &rt) == 0);
  CHECK(neap_fs_tempdir(rt, &name) == 0);
  snprintf(dir, sizeof dir, "%s", name.base);
  neap_fs_free_blob(&name);
  CHECK(neap_spawn(rt, fn, NULL, NULL, &task) == 0);
  CHECK(neap_join(task, &result) == 0 && result == 0);
  neap_task_unref(task);
  CHECK(neap_fs_remove_shielded(rt, dir, NULL) == 0);
  neap_info(rt, &figures);
  CHECK(figures.handles == 0 && figures.jobs == 0);
  neap_free(rt);
}

static bool holds(neap_rt *rt, const char *path, const char *text) {
  neap_blob blob;
  if (neap_fs_readfile(rt, path, 1000, &blob) < 0)
    return false;
  bool same =
      blob.len == strlen(text) && memcmp(blob.base, text, blob.len) == 0;
  neap_fs_free_blob(&blob);
  return same;
}

static int make_and_rename(neap_rt *rt, void *arg) {
  neap_fs_info info;
  (void)arg;
  CHECK(neap_fs_mkdir(rt, at("a"), 0700) == 0);
  CHECK(neap_fs_mkdir(rt, at("a"), 0700) == UV_EEXIST);
  CHECK(neap_fs_mkdirs(rt, at("a/b/c"), 0700) == 0);
  CHECK(neap_fs_writefile(rt, at("a/b/f"), "one", 3, 0600, false) == 0);
  CHECK(neap_fs_writefile(rt, at("a/b/f"), "two", 3, 0600, true) == 0);
  CHECK(holds(rt, at("a/b/f"), "onetwo"));
  CHECK(neap_fs_rename(rt, at("a/b/f"), at("a/b/g")) == 0);
  CHECK(neap_fs_stat(rt, at("a/b/f"), &info) == UV_ENOENT);
  CHECK(neap_fs_stat(rt, at("a/b/g"), &info) == 0 && info.size == 6);
  CHECK(neap_fs_rmdir(rt, at("a/b")) == UV_ENOTEMPTY);
  CHECK(neap_fs_rmdir(rt, at("a/b/c")) == 0);
  CHECK(neap_fs_unlink(rt, at("a/b/g")) == 0);
  CHECK(neap_fs_unlink(rt, at("a/b/g")) == UV_ENOENT);
  return 0;
}

static int link_and_follow(neap_rt *rt, void *arg) {
  neap_fs_info info;
  neap_blob text;
  (void)arg;
  CHECK(neap_fs_writefile(rt, at("f"), "x", 1, 0600, false) == 0);
  CHECK(neap_fs_link(rt, at("f"), at("hard")) == 0);
  CHECK(neap_fs_symlink(rt, "f", at("soft")) == 0);
  CHECK(neap_fs_lstat(rt, at("soft"), &info) == 0);
  CHECK(strcmp(info.type, "link") == 0);
  CHECK(neap_fs_stat(rt, at("soft"), &info) == 0 && info.nlink == 2);
  CHECK(neap_fs_readlink(rt, at("soft"), &text) == 0);
  CHECK(text.len == 1 && text.base[0] == 'f');
  neap_fs_free_blob(&text);
  CHECK(neap_fs_realpath(rt, at("soft"), &text) == 0);
  CHECK(text.len > 2 && memcmp(text.base + text.len - 2, "/f", 2) == 0);
  neap_fs_free_blob(&text);
  return 0;
}

static int set_attributes(neap_rt *rt, void *arg) {
  neap_fs_info info;
  neap_fs_space space;
  neap_fs_time at_sec = {.sec = 1000, .nsec = 7};
  (void)arg;
  CHECK(neap_fs_touch(rt, at("f")) == 0);
  CHECK(neap_fs_chmod(rt, at("f"), 0640) == 0);
  CHECK(neap_fs_utime(rt, at("f"), &at_sec, &at_sec) == 0);
  CHECK(neap_fs_stat(rt, at("f"), &info) == 0);
  CHECK((info.mode & 0777) == 0640);
  CHECK(info.mtime.sec == 1000 && info.mtime.nsec == 7);
  CHECK(neap_fs_chown(rt, at("f"), (uint32_t)-1, (uint32_t)-1) == 0);
  CHECK(neap_fs_lchown(rt, at("f"), getuid(), (uint32_t)-1) == 0);
  CHECK(neap_fs_access(rt, at("f"), R_OK) == 0);
  CHECK(neap_fs_access(rt, at("nothing"), F_OK) == UV_ENOENT);
  CHECK(neap_fs_statfs(rt, dir, &space) == 0 && space.bsize > 0);
  return 0;
}

static int make_temporary(neap_rt *rt, void *arg) {
  neap_blob name;
  neap_file *file;
  neap_fs_info info;
  (void)arg;
  CHECK(neap_fs_mkdtemp(rt, at("d-XXXXXX"), &name) == 0);
  CHECK(neap_fs_stat(rt, name.base, &info) == 0);
  CHECK(strcmp(info.type, "directory") == 0);
  neap_fs_free_blob(&name);
  CHECK(neap_fs_mkstemp(rt, at("f-XXXXXX"), &name, &file) == 0);
  CHECK(neap_file_write(file, "text", 4) == 0);
  CHECK(neap_file_close(file) == 0 && neap_file_is_closed(file));
  CHECK(holds(rt, name.base, "text"));
  CHECK(neap_file_free(file) == 0);
  neap_fs_free_blob(&name);
  CHECK(neap_fs_tempfile(rt, &name, &file) == 0);
  CHECK(neap_fs_access(rt, name.base, F_OK) == 0);
  CHECK(neap_file_close(file) == 0);
  CHECK(neap_fs_access(rt, name.base, F_OK) == UV_ENOENT);
  CHECK(neap_file_free(file) == 0);
  neap_fs_free_blob(&name);
  return 0;
}

/* A tree of three files and a folder below "t". */
static void grow_tree(neap_rt *rt) {
  CHECK(neap_fs_mkdirs(rt, at("t/sub"), 0700) == 0);
  CHECK(neap_fs_writefile(rt, at("t/one"), "1", 1, 0600, false) == 0);
  CHECK(neap_fs_writefile(rt, at("t/two"), "2", 1, 0600, false) == 0);
  CHECK(neap_fs_writefile(rt, at("t/sub/three"), "3", 1, 0600, false) == 0);
}

static int list_and_walk(neap_rt *rt, void *arg) {
  neap_dir *names;
  neap_walk *walk;
  neap_walk_entry entry;
  neap_walk_options options = {.size = sizeof options, .stat = true};
  const char *name, *type;
  int n = 0, err;
  uint64_t bytes = 0;
  (void)arg;
  grow_tree(rt);
  CHECK(neap_fs_scandir(rt, at("t"), &names) == 0);
  CHECK(neap_dir_next(names, &name, &type) && strcmp(name, "one") == 0);
  CHECK(strcmp(type, "file") == 0);
  CHECK(neap_dir_next(names, &name, &type) && strcmp(name, "sub") == 0);
  CHECK(strcmp(type, "directory") == 0);
  CHECK(neap_dir_next(names, &name, &type));
  CHECK(!neap_dir_next(names, &name, &type));
  neap_dir_close(names);
  CHECK(neap_walk_open(rt, at("t"), &options, &walk) == 0);
  while ((err = neap_walk_next(walk, &entry)) == 1) {
    n++;
    if (strcmp(entry.type, "file") == 0)
      bytes += entry.info->size;
  }
  CHECK(err == 0 && n == 4 && bytes == 3);
  CHECK(!neap_walk_waited(walk));
  neap_walk_close(walk);
  return 0;
}

static int copy_and_remove(neap_rt *rt, void *arg) {
  neap_copy *copy;
  int err;
  (void)arg;
  grow_tree(rt);
  CHECK(neap_fs_copy(rt, at("t"), at("u"), false) == UV_EISDIR);
  CHECK(neap_fs_copy(rt, at("t"), at("u"), true) == 0);
  CHECK(holds(rt, at("u/sub/three"), "3"));
  CHECK(neap_copy_new(at("t"), at("v"), true, &copy) == 0);
  while ((err = neap_copy_step(rt, copy)) == 1)
    CHECK(neap_copy_path(copy) != NULL);
  CHECK(err == 0 && neap_copy_bytes(copy) == 3);
  neap_copy_free(copy);
  CHECK(holds(rt, at("v/sub/three"), "3"));
  CHECK(neap_copy_new(at("nothing"), at("w"), true, &copy) == 0);
  CHECK(neap_copy_step(rt, copy) == UV_ENOENT);
  CHECK(neap_copy_undo(rt, copy) == 0);
  neap_copy_free(copy);
  CHECK(neap_fs_remove(rt, at("u"), false, NULL) == UV_ENOTEMPTY);
  CHECK(neap_fs_remove(rt, at("u"), true, NULL) == 0);
  CHECK(neap_fs_access(rt, at("u"), F_OK) == UV_ENOENT);
  CHECK(neap_fs_remove_blocking(at("v")) == 0);
  CHECK(neap_fs_access(rt, at("v"), F_OK) == UV_ENOENT);
  return 0;
}

static int watch_folder(neap_rt *rt, void *arg) {
  neap_watch *watch;
  neap_watch_event event;
  neap_watch_options options = {.size = sizeof options, .recursive = true};
  (void)arg;
  CHECK(neap_watch_open(rt, dir, &options, &watch) == 0);
  CHECK(neap_watch_next(watch, 0, &event) == UV_ETIMEDOUT);
  CHECK(neap_fs_touch(rt, at("new")) == 0);
  CHECK(neap_watch_next(watch, NEAP_NEVER, &event) == 1);
  CHECK(strcmp(event.kind, "create") == 0 && strcmp(event.name, "new") == 0);
  CHECK(!neap_watch_waited(watch));
  neap_watch_close(watch);
  return 0;
}

/* What is read of a file in steps can be brought back. */
static int read_in_steps(neap_rt *rt, void *arg) {
  neap_file *file;
  neap_view view;
  const char *text = "12 line\nrest";
  (void)arg;
  CHECK(neap_fs_writefile(rt, at("f"), text, strlen(text), 0600, false) == 0);
  CHECK(neap_file_open(rt, at("f"), O_RDWR, 0, &file) == 0);
  CHECK(neap_file_begin_read(file) == 0);
  CHECK(neap_file_try_read(file) == UV_EAGAIN);
  CHECK(neap_file_peek_number(file, &view) == 0 && view.len == 2);
  neap_file_take(file, view.len + view.tail);
  neap_file_rewind(file);
  CHECK(neap_file_peek_line(file, &view) == 0 && view.len == 7);
  neap_file_take(file, view.len + view.tail);
  neap_file_commit(file);
  CHECK(neap_file_peek_count(file, 2, &view) == 0 && view.len == 2);
  CHECK(neap_file_peek_all(file, &view) == 0 && view.len == 4);
  neap_file_take(file, 4);
  neap_file_commit(file);
  CHECK(neap_file_peek_count(file, 1, &view) == UV_EOF);
  neap_file_end(file);
  CHECK(neap_file_seek(file, 0, SEEK_SET) == 0);
  CHECK(neap_file_setvbuf(file, NEAP_FILE_LINE, 0) == 0);
  CHECK(neap_file_begin_write(file) == 0);
  CHECK(neap_file_append(file, "34\n", 3) == 0);
  CHECK(neap_file_put(file) == 0);
  neap_file_end(file);
  CHECK(holds(rt, at("f"), "34\nline\nrest"));
  CHECK(!neap_file_has_waiters(file));
  CHECK(neap_file_close(file) == 0);
  CHECK(neap_file_free(file) == 0);
  return 0;
}

static void makes_renames_and_removes(void) {
  in_task(make_and_rename);
}

static void links_and_follows(void) {
  in_task(link_and_follow);
}

static void sets_attributes(void) {
  in_task(set_attributes);
}

static void makes_temporary_names(void) {
  in_task(make_temporary);
}

static void lists_and_walks(void) {
  in_task(list_and_walk);
}

static void copies_and_removes_trees(void) {
  in_task(copy_and_remove);
}

static void watches_a_folder(void) {
  in_task(watch_folder);
}

static void reads_a_file_in_steps(void) {
  in_task(read_in_steps);
}

TESTS(TEST(makes_renames_and_removes), TEST(links_and_follows),
      TEST(sets_attributes), TEST(makes_temporary_names), TEST(lists_and_walks),
      TEST(copies_and_removes_trees), TEST(watches_a_folder),
      TEST(reads_a_file_in_steps))
