/* watch_list.c: lists of what is there, and their differences; see
   watch_list.h. */
#include "io/watch_list.h"

#include "core/mem.h"
#include "io/fs_stat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Makes room for size bytes more. */
static int grow(void **block, size_t used, size_t *capacity, size_t size) {
  if (used + size <= *capacity)
    return 0;
  size_t bigger = 2 * *capacity + size + 1024;
  void *copy = neap__mem_shared_alloc(bigger);
  if (copy == NULL)
    return UV_ENOMEM;
  if (used > 0)
    memcpy(copy, *block, used);
  neap__mem_shared_free(*block);
  *block = copy;
  *capacity = bigger;
  return 0;
}

static int add(struct neap_watch_list *list, const char *path,
               const neap_fs_info *info) {
  size_t size = strlen(path) + 1, one = sizeof *list->entries;
  void *text = list->text, *entries = list->entries;
  int err = grow(&text, list->len, &list->text_capacity, size);
  list->text = text;
  if (err == 0)
    err = grow(&entries, list->n * one, &list->capacity, one);
  list->entries = entries;
  if (err < 0)
    return err;
  memcpy(list->text + list->len, path, size);
  list->entries[list->n++] = (struct neap_watch_entry){.at = list->len,
                                                       .dev = info->dev,
                                                       .ino = info->ino,
                                                       .size = info->size,
                                                       .mode = info->mode,
                                                       .mtime = info->mtime,
                                                       .ctime = info->ctime};
  list->len += size;
  return 1;
}

static int begin(struct neap_watch_list *list, const char *root) {
  neap_fs_info info;
  int err = neap__tree_open(&list->tree, root, true, root);
  if (err != UV_ENOTDIR)
    return err < 0 ? err : 1;
  err = neap__fs_stat_at(AT_FDCWD, root, true, &info);
  return err < 0 ? err : add(list, root, &info);
}

/* What has gone since its name was read is not there. */
static int look(struct neap_watch_list *list, bool recursive) {
  struct neap_tree *tree = &list->tree;
  neap_fs_info info;
  if (neap__fs_stat_at(neap__tree_fd(tree), neap__tree_entry(tree), false,
                       &info) < 0)
    return 1;
  int err = add(list, tree->path, &info);
  /* A folder that can't be read is one without names. */
  if (err == 1 && recursive && S_ISDIR((mode_t)info.mode))
    neap__tree_enter(tree, false);
  return err;
}

static int go_on(struct neap_watch_list *list, const char *root,
                 bool recursive) {
  struct neap_tree *tree = &list->tree;
  if (!list->begun) {
    list->begun = true;
    return begin(list, root);
  }
  if (tree->depth == 0)
    return 0;
  if (neap__tree_next(tree) == 1)
    return look(list, recursive);
  neap__tree_leave(tree);
  return 1;
}

static int by_path(const void *a, const void *b) {
  const struct neap_watch_entry *left = a, *right = b;
  return strcmp(left->path, right->path);
}

int neap__watch_list_step(struct neap_watch_list *list, const char *root,
                          bool recursive, uint64_t until_ns) {
  int more;
  do {
    more = go_on(list, root, recursive);
  } while (more == 1 && uv_hrtime() < until_ns);
  if (more != 0)
    return more;
  neap__tree_close(&list->tree);
  for (size_t i = 0; i < list->n; i++)
    list->entries[i].path = list->text + list->entries[i].at;
  if (list->n > 0)
    qsort(list->entries, list->n, sizeof *list->entries, by_path);
  return 0;
}

static bool is_later(neap_fs_time a, neap_fs_time b) {
  return a.sec != b.sec || a.nsec != b.nsec;
}

/* A folder has changed when its permissions have: that names came or went is
   told of these. */
static bool has_changed(const struct neap_watch_entry *a,
                        const struct neap_watch_entry *b) {
  if (a->mode != b->mode || a->ino != b->ino || a->dev != b->dev)
    return true;
  if (S_ISDIR((mode_t)a->mode))
    return false;
  return a->size != b->size || is_later(a->mtime, b->mtime) ||
         is_later(a->ctime, b->ctime);
}

static int differ(struct neap_watch_diffs *diffs, enum neap_watch_kind kind,
                  const char *path) {
  void *list = diffs->list;
  size_t one = sizeof *diffs->list;
  int err = grow(&list, diffs->n * one, &diffs->capacity, one);
  diffs->list = list;
  if (err == 0)
    diffs->list[diffs->n++] =
        (struct neap_watch_diff){.kind = kind, .path = path};
  return err;
}

static int compare_both(const struct neap_watch_entry *before,
                        const struct neap_watch_entry *now,
                        struct neap_watch_diffs *out) {
  if (((before->mode ^ now->mode) & S_IFMT) != 0) {
    int err = differ(out, NEAP_WATCH_REMOVE, before->path);
    return err < 0 ? err : differ(out, NEAP_WATCH_CREATE, now->path);
  }
  return has_changed(before, now) ? differ(out, NEAP_WATCH_CHANGE, now->path)
                                  : 0;
}

int neap__watch_list_compare(const struct neap_watch_list *before,
                             const struct neap_watch_list *now,
                             struct neap_watch_diffs *out) {
  const struct neap_watch_entry *a = before->entries, *b = now->entries;
  size_t i = 0, j = 0;
  int err = 0;
  while (err == 0 && (i < before->n || j < now->n)) {
    int order = i == before->n ? 1 : j == now->n ? -1 : by_path(&a[i], &b[j]);
    if (order == 0)
      err = compare_both(&a[i++], &b[j++], out);
    else if (order < 0)
      err = differ(out, NEAP_WATCH_REMOVE, a[i++].path);
    else
      err = differ(out, NEAP_WATCH_CREATE, b[j++].path);
  }
  return err;
}

void neap__watch_list_free(struct neap_watch_list *list) {
  neap__tree_close(&list->tree);
  neap__mem_shared_free(list->entries);
  neap__mem_shared_free(list->text);
  *list = (struct neap_watch_list){0};
}
