/* watch_look.c: looking through folders that come under watch, job by job. */
#include "io/watch_look.h"

#include "io/job.h"
#include "io/watch.h"

#include <assert.h>

static bool is_old(const struct neap_watch_tree *tree,
                   const struct neap_watch_node *node) {
  return node->watch == tree->scanned && node->round != tree->round &&
         node->parent != NULL;
}

/* The node of a folder at that depth of the scan (0: its own) is node. */
static int set_stack(struct neap_watch_tree *tree, uint32_t depth,
                     struct neap_watch_node *node) {
  size_t one = sizeof(struct neap_watch_node *);
  if (depth >= tree->stack_capacity) {
    uint32_t capacity = 2 * depth + 8;
    void *stack = neap__mem_realloc(&tree->rt->mem, tree->stack,
                                    tree->stack_capacity * one, capacity * one);
    if (stack == NULL)
      return UV_ENOMEM;
    tree->stack = stack;
    tree->stack_capacity = capacity;
  }
  tree->stack[depth] = node;
  return 0;
}

/* A folder is under watch: its node, new or where it is now. */
static int take_folder(struct neap_watch_tree *tree,
                       const struct neap_watch_find *find,
                       struct neap_watch_node *parent) {
  struct neap_watch *watch = tree->scanned;
  const char *name = find->depth > 0           ? find->name
                     : tree->scan_name != NULL ? tree->scan_name
                                               : "";
  struct neap_watch_node *node = neap__watch_tree_node(tree, find->wd, watch);
  int err = 0;
  if (node == NULL)
    node = neap__watch_node_new(&tree->nodes, watch, find->wd, parent, name);
  else if (node->parent != NULL && parent != NULL)
    err = neap__watch_node_move(&tree->nodes, node, parent, name);
  if (node == NULL || err < 0)
    return UV_ENOMEM;
  node->round = tree->round;
  if (parent == NULL)
    watch->node = node;
  return set_stack(tree, find->depth + 1, node);
}

/* stack[0] is the parent of the folder that is looked through. */
static int take_find(struct neap_watch_tree *tree,
                     const struct neap_watch_find *find) {
  struct neap_watch_node *parent = tree->stack[find->depth];
  if (find->depth > 0 && tree->telling && find->wd != NEAP_WATCH_KNOWN) {
    neap__watch_tree_tell(tree, NEAP_WATCH_CREATE, parent, find->name, NULL);
    neap__watch_seen_add(&tree->seen, parent->wd, find->name);
  }
  if (find->err < 0)
    neap__watch_tree_fail(tree, parent, find->name, find->err);
  return find->wd >= 0 ? take_folder(tree, find, parent) : 0;
}

static int take_finds(struct neap_watch_tree *tree,
                      const struct neap_watch_scan *scan) {
  const struct neap_watch_find *find = neap__watch_scan_next(scan, NULL);
  int err = 0;
  while (err == 0 && find != NULL) {
    err = take_find(tree, find);
    find = neap__watch_scan_next(scan, find);
  }
  return err;
}

static struct neap_watch_scan *new_scan(struct neap_watch_tree *tree,
                                        const struct neap_watch *watch,
                                        const char *path) {
  struct neap_watch_scan *scan = neap__watch_scan_new(path);
  if (scan == NULL)
    return NULL;
  scan->add = tree->add;
  scan->fd = tree->fd;
  scan->deep = watch->recursive;
  return scan;
}

struct scan_job {
  struct neap_job job;
  struct neap_watch_tree *tree;
  struct neap_watch_scan *scan;
};

static void work_scan(struct neap_job *job) {
  struct scan_job *on = NEAP_LIST_ENTRY(job, struct scan_job, job);
  job->result = neap__watch_scan_step(on->scan);
}

static int start_step(struct neap_watch_tree *tree);

static void close_scan(struct neap_watch_tree *tree) {
  neap__watch_scan_free(tree->scan);
  tree->scan = NULL;
  neap__watch_tree_drop(tree, &tree->scan_name, tree->scan_name_size);
  tree->scanned = NULL;
  neap__watch_tree_scan_over(tree);
}

/* A scan that an event has caused has come to its end, with a code or 0. */
static void finish_scan(struct neap_watch_tree *tree, int err) {
  struct neap_watch *watch = tree->scanned;
  bool whole = tree->scan_name == NULL;
  if (watch != NULL && !tree->ended) {
    struct neap_watch_node *parent = tree->stack[0];
    if (err < 0 && err != UV_ENOENT && err != UV_ENOTDIR)
      neap__watch_tree_fail(tree, whole ? watch->node : parent, tree->scan_name,
                            err);
    if (whole && err == 0)
      neap__watch_tree_sweep(tree, is_old);
  }
  close_scan(tree);
  if (watch != NULL && !tree->ended && tree->rescan)
    neap__watch_look_again(tree, watch);
  if (tree->nscans == 0)
    tree->on_idle(tree);
}

static void on_step_done(struct neap_job *job) {
  struct neap_watch_tree *tree =
      NEAP_LIST_ENTRY(job, struct scan_job, job)->tree;
  int result = job->result;
  if (tree->scanned == NULL || tree->ended)
    result = 0; /* it was closed meanwhile */
  else if (result >= 0 && take_finds(tree, tree->scan) < 0)
    result = UV_ENOMEM;
  if (result == 1)
    result = start_step(tree);
  if (result != 1)
    finish_scan(tree, result);
}

/* Returns 1 or a negative code. */
static int start_step(struct neap_watch_tree *tree) {
  struct scan_job *on;
  int err =
      neap__job_new(tree->rt, "watch", NEAP_JOB_PURE, sizeof *on, (void **)&on);
  if (err < 0)
    return err;
  on->job.work = work_scan;
  on->job.done = on_step_done;
  on->tree = tree;
  on->scan = tree->scan;
  err = neap__job_start(&on->job);
  if (err < 0)
    neap__job_free(&on->job);
  return err < 0 ? err : 1;
}

/* Looks through name in parent's folder (NULL: the root), and tells what is
   there if `telling`. The tree is busy until it is done. */
static int start_scan(struct neap_watch_tree *tree, struct neap_watch *watch,
                      struct neap_watch_node *parent, const char *name,
                      bool telling) {
  size_t size;
  const struct neap_watch_node *at = parent != NULL ? parent : watch->node;
  assert(tree->scan == NULL);
  if (name != NULL) {
    tree->scan_name = neap__watch_tree_copy(tree, name, &tree->scan_name_size);
    if (tree->scan_name == NULL)
      return UV_ENOMEM;
  }
  char *path =
      neap__watch_node_path(&tree->nodes, at, watch->root, name, &size);
  if (path != NULL)
    tree->scan = new_scan(tree, watch, path);
  neap__watch_tree_drop(tree, &path, size);
  int err = tree->scan != NULL ? set_stack(tree, 0, parent) : UV_ENOMEM;
  tree->nscans++;
  tree->scanned = watch;
  tree->telling = telling;
  if (err == 0) {
    tree->scan->names = telling;
    err = start_step(tree);
  }
  if (err < 0)
    close_scan(tree);
  return err;
}

/* What can't be looked through for want of memory may have been missed. */
void neap__watch_look_into(struct neap_watch_tree *tree,
                           struct neap_watch_node *parent, const char *name) {
  if (start_scan(tree, parent->watch, parent, name, true) < 0)
    neap__watch_overflow(parent->watch);
}

void neap__watch_look_again(struct neap_watch_tree *tree,
                            struct neap_watch *watch) {
  tree->rescan = false;
  tree->round++;
  if (start_scan(tree, watch, NULL, NULL, false) < 0)
    neap__watch_overflow(watch);
}

int neap__watch_look_first(struct neap_watch_tree *tree,
                           struct neap_watch *watch, const char *path) {
  struct neap_watch_scan *scan = new_scan(tree, watch, path);
  if (scan == NULL)
    return UV_ENOMEM;
  scan->first = true;
  tree->nscans++;
  int result;
  do {
    result = neap__job_step(tree->rt, "watch", NEAP_JOB_EFFECT,
                            neap__watch_scan_step, scan);
    if (watch->handle.closed)
      result = UV_ECANCELED;
    if (result >= 0) {
      /* Others may have used these while we waited. */
      tree->scanned = watch;
      tree->telling = false;
      int err = set_stack(tree, 0, NULL);
      if (err == 0)
        err = take_finds(tree, scan);
      tree->scanned = NULL;
      result = err < 0 ? err : result;
    }
  } while (result == 1);
  neap__watch_scan_free(scan);
  neap__watch_tree_scan_over(tree);
  return result;
}
