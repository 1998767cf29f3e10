/* watch_scan.c: looking through a folder; see watch_scan.h. */
#include "io/watch_scan.h"

#include "core/mem.h"
#include "io/job.h"

#include <string.h>

/* Finds of one step. */
#ifdef NEAP_HOSTILE
#define FINDS_MOST 2
#else
#define FINDS_MOST 1024
#endif

struct neap_watch_scan *neap__watch_scan_new(const char *path) {
  size_t size = strlen(path) + 1;
  struct neap_watch_scan *scan = neap__mem_shared_alloc(sizeof *scan + size);
  if (scan == NULL)
    return NULL;
  memset(scan, 0, sizeof *scan);
  memcpy(scan->path, path, size);
  return scan;
}

void neap__watch_scan_free(struct neap_watch_scan *scan) {
  if (scan == NULL)
    return;
  neap__tree_close(&scan->tree);
  neap__mem_shared_free(scan->finds);
  neap__mem_shared_free(scan);
}

static int make_room(struct neap_watch_scan *scan, size_t size) {
  if (scan->len + size <= scan->capacity)
    return 0;
  size_t capacity = 2 * scan->capacity + size + 1024;
  char *finds = neap__mem_shared_alloc(capacity);
  if (finds == NULL)
    return UV_ENOMEM;
  if (scan->len > 0)
    memcpy(finds, scan->finds, scan->len);
  neap__mem_shared_free(scan->finds);
  scan->finds = finds;
  scan->capacity = capacity;
  return 0;
}

static int found(struct neap_watch_scan *scan, uint32_t depth, int wd,
                 int code) {
  const char *name = depth > 0 ? neap__tree_entry(&scan->tree) : "";
  size_t len = strlen(name);
  size_t size = (sizeof(struct neap_watch_find) + len + 1 + 7) / 8 * 8;
  int err = make_room(scan, size);
  if (err < 0)
    return err;
  struct neap_watch_find find = {
      .size = (uint32_t)size, .depth = depth, .wd = wd, .err = code};
  char *to = scan->finds + scan->len;
  memcpy(to, &find, sizeof find);
  memcpy(to + sizeof find, name, len + 1);
  scan->len += size;
  return 1;
}

bool neap__watch_scan_is_limit(int err) {
  return err == UV_ENOSPC || err == UV_ENOMEM || err == UV_EMFILE ||
         err == UV_ENFILE;
}

/* The folder that was entered is put under watch. */
static int watch_top(struct neap_watch_scan *scan) {
  uint32_t depth = scan->tree.depth - 1;
  int wd = scan->add(scan->fd, neap__tree_fd(&scan->tree));
  if (wd < 0) {
    neap__tree_leave(&scan->tree);
    if (depth == 0 || (scan->first && neap__watch_scan_is_limit(wd)))
      return wd;
  }
  return found(scan, depth, wd < 0 ? -1 : wd, wd < 0 ? wd : 0);
}

static int begin(struct neap_watch_scan *scan) {
  int err = neap__tree_open(&scan->tree, scan->path, scan->first, scan->path);
  return err < 0 ? err : watch_top(scan);
}

/* An entry. */
static int look(struct neap_watch_scan *scan) {
  struct neap_tree *tree = &scan->tree;
  if (tree->kind != DT_DIR)
    return scan->names ? found(scan, tree->depth, -1, 0) : 1;
  int err = neap__tree_enter(tree, false);
  if (err == 0)
    return watch_top(scan);
  if (err == UV_ENOENT || err == UV_ENOTDIR)
    return 1; /* gone: its folder's watch tells what has come instead */
  return found(scan, tree->depth, -1, err);
}

static int go_on(struct neap_watch_scan *scan) {
  struct neap_tree *tree = &scan->tree;
  if (!scan->begun) {
    scan->begun = true;
    return begin(scan);
  }
  if (tree->depth == 0 || (!scan->deep && !scan->names))
    return 0;
  int more = neap__tree_next(tree);
  if (more == 1)
    return look(scan);
  neap__tree_leave(tree);
  /* One that was deleted meanwhile: the folder around it tells. */
  if (more == 0 || more == UV_ENOENT)
    return tree->depth > 0;
  if (tree->depth == 0)
    return more;
  return found(scan, tree->depth, NEAP_WATCH_KNOWN, more);
}

int neap__watch_scan_step(void *state) {
  struct neap_watch_scan *scan = state;
  uint64_t until = uv_hrtime() + NEAP_JOB_STEP_NS;
  int more = 1;
  scan->len = 0;
  for (int i = 0; more == 1 && i < FINDS_MOST; i++) {
    more = go_on(scan);
    if (uv_hrtime() >= until)
      break;
  }
  return more;
}

const struct neap_watch_find *
neap__watch_scan_next(const struct neap_watch_scan *scan,
                      const struct neap_watch_find *at) {
  const char *next = scan->finds;
  if (at != NULL)
    next = (const char *)at + at->size;
  if (next == NULL || next >= scan->finds + scan->len)
    return NULL;
  return (const struct neap_watch_find *)(const void *)next;
}
