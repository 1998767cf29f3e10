/*
 * list.h: an intrusive, circular, doubly linked list. A node sits inside the
 * object it links, so nothing is allocated and removal from the middle is
 * constant time: that is what makes leaving a wait queue cancel-safe.
 */
#ifndef NEAP_CORE_LIST_H
#define NEAP_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A head or a node. An all-zero node counts as not linked. */
struct neap_list {
  struct neap_list *next, *prev;
};

/* The object of type `type` whose member `member` is the node `node`. */
#define NEAP_LIST_ENTRY(node, type, member)                                    \
  ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void neap__list_init(struct neap_list *head) {
  head->next = head->prev = head;
}

static inline bool neap__list_empty(const struct neap_list *head) {
  return head->next == head;
}

static inline bool neap__list_linked(const struct neap_list *node) {
  return node->next != NULL;
}

/* Adds node, which is not linked, behind the last one. */
static inline void neap__list_push(struct neap_list *head,
                                   struct neap_list *node) {
  node->prev = head->prev;
  node->next = head;
  head->prev->next = node;
  head->prev = node;
}

/* Adds node, which is not linked, before the first one. */
static inline void neap__list_push_front(struct neap_list *head,
                                         struct neap_list *node) {
  neap__list_push(head->next, node);
}

/* Takes node out of its list; harmless on one that is in none. */
static inline void neap__list_remove(struct neap_list *node) {
  if (!neap__list_linked(node))
    return;
  node->prev->next = node->next;
  node->next->prev = node->prev;
  node->next = node->prev = NULL;
}

/* Takes out and returns the first node, or NULL when there is none. */
static inline struct neap_list *neap__list_pop(struct neap_list *head) {
  struct neap_list *node = head->next;
  if (node == head)
    return NULL;
  neap__list_remove(node);
  return node;
}

#endif
