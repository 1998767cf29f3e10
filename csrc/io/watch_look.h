/* watch_look.h: looking through folders that come under watch. */
#ifndef NEAP_IO_WATCH_LOOK_H
#define NEAP_IO_WATCH_LOOK_H

#include "io/watch_tree.h"

/* Puts the folder at path, with those in it if the watch is recursive, under
   watch. Waits. Returns 0 or a negative code. */
int neap__watch_look_first(struct neap_watch_tree *tree,
                           struct neap_watch *watch, const char *path);

/* A folder of that name has come into parent's: puts it under watch and tells
   what is in it. The tree is busy until that is done. */
void neap__watch_look_into(struct neap_watch_tree *tree,
                           struct neap_watch_node *parent, const char *name);

/* Events of a recursive watch were lost: the same with its whole tree, of which
   nothing is told. */
void neap__watch_look_again(struct neap_watch_tree *tree,
                            struct neap_watch *watch);

#endif
