/*
 * watch_node.h: the folders under watch. Each is a node that knows its name and
 * the node around it, so that a folder that is renamed is one change, and its
 * path is put together when it is asked for. Nodes are found by the number the
 * kernel gave the watch; several watches over one folder share that number.
 */
#ifndef NEAP_IO_WATCH_NODE_H
#define NEAP_IO_WATCH_NODE_H

#include "core/list.h"
#include "core/mem.h"

struct neap_watch;

struct neap_watch_node {
  struct neap_watch_node *next;   /* in its bucket */
  struct neap_watch_node *parent; /* NULL: the watch's root */
  struct neap_list children, sibling;
  struct neap_watch *watch;
  int wd;
  uint32_t round; /* the user's */
  uint32_t name_size;
  char *name; /* ended by NUL */
};

/* A hash table by wd; all-zero is valid. */
struct neap_watch_nodes {
  struct neap_mem *mem;
  struct neap_watch_node **buckets;
  uint32_t n, nbuckets; /* a power of two, or 0 */
};

/* A node of that name in parent (NULL: a root). NULL: no memory. */
struct neap_watch_node *neap__watch_node_new(struct neap_watch_nodes *nodes,
                                             struct neap_watch *watch, int wd,
                                             struct neap_watch_node *parent,
                                             const char *name);

/* Frees a node without children. */
void neap__watch_node_free(struct neap_watch_nodes *nodes,
                           struct neap_watch_node *node);

/* The first node of wd, and the next one of the same wd; NULL: none. */
struct neap_watch_node *
neap__watch_node_find(const struct neap_watch_nodes *nodes, int wd);
struct neap_watch_node *
neap__watch_node_next(const struct neap_watch_node *node);

/* The child of that name, or NULL. */
struct neap_watch_node *
neap__watch_node_child(const struct neap_watch_node *node, const char *name);

/* Gives it another place and name. Returns 0 or UV_ENOMEM with nothing
   changed. */
int neap__watch_node_move(struct neap_watch_nodes *nodes,
                          struct neap_watch_node *node,
                          struct neap_watch_node *parent, const char *name);

/*
 * The path of name in the node's folder (name NULL: its own path), beginning
 * with root, in memory of *size bytes that the caller frees. NULL: no memory.
 */
char *neap__watch_node_path(const struct neap_watch_nodes *nodes,
                            const struct neap_watch_node *node,
                            const char *root, const char *name, size_t *size);

/* Frees the table itself, which is empty. */
void neap__watch_node_deinit(struct neap_watch_nodes *nodes);

#endif
