/* watch_node.c: the folders under watch; see watch_node.h. */
#include "io/watch_node.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#define BUCKETS_FIRST 16

static struct neap_watch_node **bucket_of(const struct neap_watch_nodes *nodes,
                                          int wd) {
  /* The kernel numbers watches one after the other. */
  return &nodes->buckets[(uint32_t)wd & (nodes->nbuckets - 1)];
}

/* As many buckets as nodes, at least. */
static bool make_room(struct neap_watch_nodes *nodes) {
  if (nodes->n < nodes->nbuckets)
    return true;
  struct neap_watch_nodes bigger = *nodes;
  bigger.nbuckets = nodes->nbuckets > 0 ? 2 * nodes->nbuckets : BUCKETS_FIRST;
  size_t size = bigger.nbuckets * sizeof(struct neap_watch_node *);
  bigger.buckets = neap__mem_zalloc(nodes->mem, size);
  if (bigger.buckets == NULL)
    return nodes->nbuckets > 0; /* longer chains, then */
  for (uint32_t i = 0; i < nodes->nbuckets; i++) {
    struct neap_watch_node *node = nodes->buckets[i];
    while (node != NULL) {
      struct neap_watch_node *next = node->next;
      struct neap_watch_node **bucket = bucket_of(&bigger, node->wd);
      node->next = *bucket;
      *bucket = node;
      node = next;
    }
  }
  neap__mem_free(nodes->mem, nodes->buckets,
                 nodes->nbuckets * sizeof(struct neap_watch_node *));
  *nodes = bigger;
  return true;
}

static char *copy_name(struct neap_watch_nodes *nodes, const char *name,
                       size_t *size) {
  *size = strlen(name) + 1;
  char *copy = neap__mem_alloc(nodes->mem, *size);
  if (copy != NULL)
    memcpy(copy, name, *size);
  return copy;
}

static void put_into(struct neap_watch_node *node,
                     struct neap_watch_node *parent) {
  node->parent = parent;
  if (parent != NULL)
    neap__list_push(&parent->children, &node->sibling);
}

struct neap_watch_node *neap__watch_node_new(struct neap_watch_nodes *nodes,
                                             struct neap_watch *watch, int wd,
                                             struct neap_watch_node *parent,
                                             const char *name) {
  size_t size;
  struct neap_watch_node *node = NULL;
  char *copy = copy_name(nodes, name, &size);
  if (copy != NULL && make_room(nodes))
    node = neap__mem_zalloc(nodes->mem, sizeof *node);
  if (node == NULL) {
    neap__mem_free(nodes->mem, copy, size);
    return NULL;
  }
  neap__list_init(&node->children);
  node->watch = watch;
  node->wd = wd;
  node->name = copy;
  node->name_size = (uint32_t)size;
  put_into(node, parent);
  struct neap_watch_node **bucket = bucket_of(nodes, wd);
  node->next = *bucket;
  *bucket = node;
  nodes->n++;
  return node;
}

void neap__watch_node_free(struct neap_watch_nodes *nodes,
                           struct neap_watch_node *node) {
  assert(neap__list_empty(&node->children));
  struct neap_watch_node **at = bucket_of(nodes, node->wd);
  while (*at != node)
    at = &(*at)->next;
  *at = node->next;
  nodes->n--;
  neap__list_remove(&node->sibling);
  neap__mem_free(nodes->mem, node->name, node->name_size);
  neap__mem_free(nodes->mem, node, sizeof *node);
}

static struct neap_watch_node *first_of(struct neap_watch_node *node, int wd) {
  while (node != NULL && node->wd != wd)
    node = node->next;
  return node;
}

struct neap_watch_node *
neap__watch_node_find(const struct neap_watch_nodes *nodes, int wd) {
  return nodes->nbuckets > 0 ? first_of(*bucket_of(nodes, wd), wd) : NULL;
}

struct neap_watch_node *
neap__watch_node_next(const struct neap_watch_node *node) {
  return first_of(node->next, node->wd);
}

static struct neap_watch_node *node_of(struct neap_list *sibling) {
  return NEAP_LIST_ENTRY(sibling, struct neap_watch_node, sibling);
}

struct neap_watch_node *
neap__watch_node_child(const struct neap_watch_node *node, const char *name) {
  struct neap_list *link = node->children.next;
  for (; link != &node->children; link = link->next)
    if (strcmp(node_of(link)->name, name) == 0)
      return node_of(link);
  return NULL;
}

int neap__watch_node_move(struct neap_watch_nodes *nodes,
                          struct neap_watch_node *node,
                          struct neap_watch_node *parent, const char *name) {
  size_t size;
  char *copy = copy_name(nodes, name, &size);
  if (copy == NULL)
    return UV_ENOMEM;
  neap__mem_free(nodes->mem, node->name, node->name_size);
  node->name = copy;
  node->name_size = (uint32_t)size;
  neap__list_remove(&node->sibling);
  put_into(node, parent);
  return 0;
}

/* How many bytes the names of node and those around it take, with a slash in
   front of each; not the root's, which is not part of its watch's paths. */
static size_t names_len(const struct neap_watch_node *node) {
  size_t len = 0;
  for (; node->parent != NULL; node = node->parent)
    len += node->name_size;
  return len;
}

char *neap__watch_node_path(const struct neap_watch_nodes *nodes,
                            const struct neap_watch_node *node,
                            const char *root, const char *name, size_t *size) {
  size_t root_len = strlen(root);
  size_t name_len = name != NULL ? strlen(name) : 0;
  if (root_len > 0 && root[root_len - 1] == '/')
    root_len--; /* each name brings a slash */
  size_t len = root_len + names_len(node) + (name != NULL ? name_len + 1 : 0);
  *size = len + 2; /* a root of "/" alone stays one */
  char *path = neap__mem_alloc(nodes->mem, *size);
  if (path == NULL)
    return NULL;
  char *at = path + len;
  *at = '\0';
  if (name != NULL) {
    at -= name_len;
    memcpy(at, name, name_len);
    *--at = '/';
  }
  for (; node->parent != NULL; node = node->parent) {
    at -= node->name_size - 1;
    memcpy(at, node->name, node->name_size - 1);
    *--at = '/';
  }
  /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): its end is above */
  memcpy(path, root, root_len);
  if (len == 0)
    memcpy(path, "/", 2);
  return path;
}

void neap__watch_node_deinit(struct neap_watch_nodes *nodes) {
  assert(nodes->n == 0);
  neap__mem_free(nodes->mem, nodes->buckets,
                 nodes->nbuckets * sizeof(struct neap_watch_node *));
  nodes->buckets = NULL;
  nodes->nbuckets = 0;
}
