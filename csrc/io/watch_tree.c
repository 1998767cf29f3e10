/* watch_tree.c: what events mean; see watch_tree.h. */
#include "io/watch_tree.h"

#include "io/watch.h"
#include "io/watch_look.h"

#include <assert.h>
#include <string.h>

void neap__watch_tree_init(struct neap_watch_tree *tree, struct neap_rt *rt) {
  tree->rt = rt;
  tree->nodes.mem = tree->seen.mem = &rt->mem;
}

/* --- telling -------------------------------------------------------- */

char *neap__watch_tree_copy(struct neap_watch_tree *tree, const char *text,
                            size_t *size) {
  *size = strlen(text) + 1;
  char *copy = neap__mem_alloc(&tree->rt->mem, *size);
  if (copy != NULL)
    memcpy(copy, text, *size);
  return copy;
}

void neap__watch_tree_drop(struct neap_watch_tree *tree, char **text,
                           size_t size) {
  neap__mem_free(&tree->rt->mem, *text, size);
  *text = NULL;
}

/* Whether an event of name in this node's folder is of interest. */
static bool concerns(const struct neap_watch_node *node, const char *name) {
  const struct neap_watch *watch = node->watch;
  return watch != NULL && (watch->only == NULL ||
                           (name != NULL && strcmp(watch->only, name) == 0));
}

/* The path of name in the node's folder, for the script; for a file under watch
   what it was called by. NULL: no memory. */
static char *path_of(struct neap_watch_tree *tree,
                     const struct neap_watch_node *node, const char *name,
                     size_t *size) {
  const struct neap_watch *watch = node->watch;
  if (watch->only != NULL)
    return neap__watch_tree_copy(tree, watch->root, size);
  return neap__watch_node_path(&tree->nodes, node, watch->root, name, size);
}

void neap__watch_tree_tell(struct neap_watch_tree *tree,
                           enum neap_watch_kind kind,
                           const struct neap_watch_node *node, const char *name,
                           const char *from) {
  size_t size;
  if (!concerns(node, name))
    return;
  char *path = path_of(tree, node, name, &size);
  if (path == NULL) {
    neap__watch_overflow(node->watch);
    return;
  }
  neap__watch_tell(node->watch, kind, path, from);
  neap__watch_tree_drop(tree, &path, size);
}

void neap__watch_tree_fail(struct neap_watch_tree *tree,
                           const struct neap_watch_node *node, const char *name,
                           int err) {
  size_t size;
  char *path = path_of(tree, node, name, &size);
  if (path == NULL)
    neap__watch_overflow(node->watch);
  else
    neap__watch_fail(node->watch, path, err, tree->limit(err));
  neap__watch_tree_drop(tree, &path, size);
}

/* --- nodes ---------------------------------------------------------- */

static struct neap_watch_node *first_child(struct neap_watch_node *node) {
  return NEAP_LIST_ENTRY(node->children.next, struct neap_watch_node, sibling);
}

/* Frees node and all below it, and with stop set ends the kernel's watches. */
static void free_nodes(struct neap_watch_tree *tree,
                       struct neap_watch_node *top, bool stop) {
  struct neap_watch_node *node = top;
  while (node != NULL) {
    if (!neap__list_empty(&node->children)) {
      node = first_child(node);
      continue;
    }
    struct neap_watch_node *parent = node == top ? NULL : node->parent;
    int wd = node->wd;
    neap__watch_node_free(&tree->nodes, node);
    if (stop && neap__watch_node_find(&tree->nodes, wd) == NULL)
      tree->remove(tree->fd, wd);
    node = parent;
  }
}

struct neap_watch_node *
neap__watch_tree_node(const struct neap_watch_tree *tree, int wd,
                      const struct neap_watch *watch) {
  struct neap_watch_node *node = neap__watch_node_find(&tree->nodes, wd);
  while (node != NULL && node->watch != watch)
    node = neap__watch_node_next(node);
  return node;
}

void neap__watch_tree_sweep(struct neap_watch_tree *tree,
                            bool (*is_stale)(const struct neap_watch_tree *,
                                             const struct neap_watch_node *)) {
  for (uint32_t i = 0; i < tree->nodes.nbuckets; i++) {
    struct neap_watch_node *node = tree->nodes.buckets[i];
    while (node != NULL) {
      bool drop = is_stale(tree, node);
      if (drop)
        free_nodes(tree, node, true);
      /* With it others of the bucket may have gone. */
      node = drop ? tree->nodes.buckets[i] : node->next;
    }
  }
}

static bool is_orphan(const struct neap_watch_tree *tree,
                      const struct neap_watch_node *node) {
  (void)tree;
  return node->watch == NULL;
}

void neap__watch_tree_scan_over(struct neap_watch_tree *tree) {
  tree->nscans--;
  if (tree->nscans == 0 && tree->has_orphans) {
    tree->has_orphans = false;
    neap__watch_tree_sweep(tree, is_orphan);
  }
}

void neap__watch_tree_end(struct neap_watch_tree *tree,
                          struct neap_watch *watch) {
  struct neap_watch_node *root = watch->node;
  if (tree->scanned == watch)
    tree->scanned = NULL;
  if (root == NULL)
    return;
  watch->node = NULL;
  if (tree->nscans == 0 || watch->recursive) {
    /* Of a recursive watch the kernel's end with the descriptor. */
    free_nodes(tree, root, !watch->recursive);
  } else {
    root->watch = NULL;
    tree->has_orphans = true;
  }
}

void neap__watch_tree_deinit(struct neap_watch_tree *tree) {
  assert(tree->nscans == 0 && tree->nodes.n == 0);
  neap__watch_tree_drop(tree, &tree->half.name, tree->half.name_size);
  neap__watch_tree_drop(tree, &tree->scan_name, tree->scan_name_size);
  neap__watch_scan_free(tree->scan);
  tree->scan = NULL;
  neap__mem_free(&tree->rt->mem, tree->stack,
                 tree->stack_capacity * sizeof(struct neap_watch_node *));
  tree->stack = NULL;
  neap__watch_seen_clear(&tree->seen);
  neap__watch_node_deinit(&tree->nodes);
}

bool neap__watch_tree_is_busy(const struct neap_watch_tree *tree) {
  return tree->scan != NULL;
}

/* --- events --------------------------------------------------------- */

/* Each watch over the folder wd is told. */
static void tell_all(struct neap_watch_tree *tree, enum neap_watch_kind kind,
                     int wd, const char *name) {
  struct neap_watch_node *node = neap__watch_node_find(&tree->nodes, wd);
  for (; node != NULL; node = neap__watch_node_next(node))
    neap__watch_tree_tell(tree, kind, node, name, NULL);
}

/* A folder has come into a watch that is recursive: its tree has that node
   alone. */
static void look_into(struct neap_watch_tree *tree, int wd, const char *name) {
  struct neap_watch_node *node = neap__watch_node_find(&tree->nodes, wd);
  if (node != NULL && node->watch != NULL && node->watch->recursive)
    neap__watch_look_into(tree, node, name);
}

void neap__watch_tree_created(struct neap_watch_tree *tree, int wd,
                              const char *name, bool is_folder) {
  neap__watch_tree_settle(tree);
  if (neap__watch_seen_take(&tree->seen, wd, name))
    return;
  tell_all(tree, NEAP_WATCH_CREATE, wd, name);
  if (is_folder)
    look_into(tree, wd, name);
}

void neap__watch_tree_changed(struct neap_watch_tree *tree, int wd,
                              const char *name) {
  neap__watch_tree_settle(tree);
  tell_all(tree, NEAP_WATCH_CHANGE, wd, name);
}

/* name is not in the folder any more; if that was a folder under watch, it is
   elsewhere or nowhere. */
static void remove_name(struct neap_watch_tree *tree, int wd,
                        const char *name) {
  neap__watch_seen_take(&tree->seen, wd, name);
  tell_all(tree, NEAP_WATCH_REMOVE, wd, name);
  struct neap_watch_node *node = neap__watch_node_find(&tree->nodes, wd);
  struct neap_watch_node *child =
      node != NULL ? neap__watch_node_child(node, name) : NULL;
  if (child != NULL)
    free_nodes(tree, child, true);
}

void neap__watch_tree_removed(struct neap_watch_tree *tree, int wd,
                              const char *name) {
  neap__watch_tree_settle(tree);
  remove_name(tree, wd, name);
}

void neap__watch_tree_moved_from(struct neap_watch_tree *tree, int wd,
                                 const char *name, uint32_t cookie) {
  neap__watch_tree_settle(tree);
  struct neap_watch_half *half = &tree->half;
  half->name = neap__watch_tree_copy(tree, name, &half->name_size);
  if (half->name == NULL) { /* the other half is told as a new name, then */
    remove_name(tree, wd, name);
    return;
  }
  half->wd = wd;
  half->cookie = cookie;
}

void neap__watch_tree_settle(struct neap_watch_tree *tree) {
  struct neap_watch_half half = tree->half;
  if (half.name == NULL)
    return;
  tree->half.name = NULL;
  remove_name(tree, half.wd, half.name);
  neap__watch_tree_drop(tree, &half.name, half.name_size);
}

/* A rename within one watch, from its node to another; a file under watch is
   one that was given or lost its name. */
static void tell_rename(struct neap_watch_tree *tree,
                        const struct neap_watch_node *from,
                        const struct neap_watch_node *to, const char *name) {
  const char *old_name = tree->half.name;
  size_t size;
  if (to->watch->only != NULL) {
    neap__watch_tree_tell(tree, NEAP_WATCH_REMOVE, from, old_name, NULL);
    neap__watch_tree_tell(tree, NEAP_WATCH_CREATE, to, name, NULL);
    return;
  }
  char *path = neap__watch_node_path(&tree->nodes, from, from->watch->root,
                                     old_name, &size);
  if (path == NULL)
    neap__watch_overflow(from->watch);
  else
    neap__watch_tree_tell(tree, NEAP_WATCH_RENAME, to, name, path);
  neap__watch_tree_drop(tree, &path, size);
}

/* The watches over either folder are told what that is for them. */
static void tell_move(struct neap_watch_tree *tree, int wd, const char *name) {
  const struct neap_watch_half *half = &tree->half;
  struct neap_watch_node *node = neap__watch_node_find(&tree->nodes, half->wd);
  for (; node != NULL; node = neap__watch_node_next(node)) {
    if (node->watch == NULL)
      continue;
    struct neap_watch_node *to = neap__watch_tree_node(tree, wd, node->watch);
    if (to != NULL)
      tell_rename(tree, node, to, name);
    else
      neap__watch_tree_tell(tree, NEAP_WATCH_REMOVE, node, half->name, NULL);
  }
  node = neap__watch_node_find(&tree->nodes, wd);
  for (; node != NULL; node = neap__watch_node_next(node))
    if (node->watch != NULL &&
        neap__watch_tree_node(tree, half->wd, node->watch) == NULL)
      neap__watch_tree_tell(tree, NEAP_WATCH_CREATE, node, name, NULL);
}

/* A folder under watch was renamed within its tree: its node moves. False: it
   has none. */
static bool move_folder(struct neap_watch_tree *tree, int wd,
                        const char *name) {
  const struct neap_watch_half *half = &tree->half;
  struct neap_watch_node *from = neap__watch_node_find(&tree->nodes, half->wd);
  struct neap_watch_node *to = neap__watch_node_find(&tree->nodes, wd);
  struct neap_watch_node *node =
      from != NULL ? neap__watch_node_child(from, half->name) : NULL;
  if (node == NULL || to == NULL)
    return false;
  /* What was there was an empty folder. */
  struct neap_watch_node *under = neap__watch_node_child(to, name);
  if (under != NULL && under != node)
    free_nodes(tree, under, true);
  if (neap__watch_node_move(&tree->nodes, node, to, name) < 0)
    neap__watch_tree_lost(tree);
  return true;
}

void neap__watch_tree_moved_to(struct neap_watch_tree *tree, int wd,
                               const char *name, bool is_folder,
                               uint32_t cookie) {
  struct neap_watch_half *half = &tree->half;
  if (half->name == NULL || half->cookie != cookie) {
    neap__watch_tree_created(tree, wd, name, is_folder);
    return;
  }
  neap__watch_seen_take(&tree->seen, half->wd, half->name);
  neap__watch_seen_take(&tree->seen, wd, name);
  tell_move(tree, wd, name);
  bool is_known = is_folder && move_folder(tree, wd, name);
  neap__watch_tree_drop(tree, &half->name, half->name_size);
  if (is_folder && !is_known)
    look_into(tree, wd, name);
}

void neap__watch_tree_gone(struct neap_watch_tree *tree, int wd) {
  neap__watch_tree_settle(tree);
  struct neap_watch_node *node = neap__watch_node_find(&tree->nodes, wd);
  for (; node != NULL; node = neap__watch_node_next(node)) {
    /* Of others the folder around them tells it. */
    if (node->parent != NULL || node->watch == NULL)
      continue;
    neap__watch_tell(node->watch, NEAP_WATCH_REMOVE, node->watch->root, NULL);
    neap__watch_end(node->watch);
  }
}

void neap__watch_tree_forget(struct neap_watch_tree *tree, int wd) {
  struct neap_watch_node *node = neap__watch_node_find(&tree->nodes, wd);
  while (node != NULL) {
    struct neap_watch_node *next = neap__watch_node_next(node);
    if (node->watch != NULL && node->watch->node == node)
      node->watch->node = NULL;
    /* Those below it are gone as well, or were moved before. */
    free_nodes(tree, node, true);
    node = next;
  }
}

static void lose(struct neap_watch_tree *tree, struct neap_watch_node *node) {
  if (node->watch == NULL || node->parent != NULL)
    return;
  neap__watch_overflow(node->watch);
  if (!node->watch->recursive)
    return;
  if (tree->scan != NULL)
    tree->rescan = true;
  else
    neap__watch_look_again(tree, node->watch);
}

void neap__watch_tree_lost(struct neap_watch_tree *tree) {
  neap__watch_tree_settle(tree);
  for (uint32_t i = 0; i < tree->nodes.nbuckets; i++) {
    struct neap_watch_node *node = tree->nodes.buckets[i];
    for (; node != NULL; node = node->next)
      lose(tree, node);
  }
}

void neap__watch_tree_drained(struct neap_watch_tree *tree) {
  neap__watch_seen_clear(&tree->seen);
}
