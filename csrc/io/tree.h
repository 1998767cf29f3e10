/*
 * tree.h: a way through a tree of folders, for pool threads: a stack of open
 * folders and the entry that was come to in the innermost one.
 *
 * Each folder is opened by its name in the one around it (openat), not by its
 * path, and through a symbolic link only when told to. What is done to an entry
 * is done by its name in the open folder, too. So whoever swaps a folder for a
 * link while we are at work can't lead us out of the tree: the class of
 * CVE-2022-21658 (Rust's remove_dir_all; CWE-367 with CWE-59), where a path
 * that was found to be a folder is a link when it is then acted on.
 *
 * Only some of the innermost folders stay open, however deep the tree is. Those
 * further out are parked: how far they were read and what they were (device and
 * inode) is kept. They are opened again through the ".." of the folder in them
 * and taken only if they are still the same.
 */
#ifndef NEAP_IO_TREE_H
#define NEAP_IO_TREE_H

#include "include/neap.h"

#include <dirent.h>

struct neap_tree_level {
  DIR *dir;   /* NULL: parked, or lost */
  long place; /* telldir's, of a parked one */
  int lost;   /* why it could not be opened again */
  uint64_t dev, ino;
  size_t path_len; /* of its path in tree->path */
  uint32_t passes; /* the user's */
};

/* All-zero is valid. Shared memory. */
struct neap_tree {
  struct neap_tree_level *levels; /* outermost first */
  uint32_t depth, capacity;
  uint32_t nparked; /* so many of them, from the outermost on */
  /* The path of the entry, ended by NUL, and where its name begins; the paths
     of all levels are its beginnings. */
  char *path;
  size_t len, name_at, path_capacity;
  unsigned char kind; /* the entry's: DT_* */
};

/* Opens the outermost folder; follow: through a link, too. shown is what the
   paths of its entries begin with. Returns 0 or a negative code. */
int neap__tree_open(struct neap_tree *tree, const char *path, bool follow,
                    const char *shown);

/* Comes to the next entry. Returns 1, 0 when there is none, or a negative
   code. */
int neap__tree_next(struct neap_tree *tree);

/* Makes the entry the one of that name, whether it is there or not; its kind is
   unknown. Returns 0 or UV_ENOMEM. */
int neap__tree_name(struct neap_tree *tree, const char *name);

/*
 * Opens the entry as a folder: the innermost one from now on. Without follow a
 * link is UV_ENOTDIR; UV_ELOOP: it is one of those that we are in. Returns 0 or
 * a negative code.
 */
int neap__tree_enter(struct neap_tree *tree, bool follow);

/* Leaves the innermost folder, which is the entry then; a negative code: the
   one around it is not what it was, and neap__tree_next will say so too. */
int neap__tree_leave(struct neap_tree *tree);

/* The innermost folder: its descriptor (-1: it is lost) and its level. */
int neap__tree_fd(const struct neap_tree *tree);
struct neap_tree_level *neap__tree_top(const struct neap_tree *tree);

/* The entry's name and path, borrowed until the next call. */
static inline const char *neap__tree_entry(const struct neap_tree *tree) {
  return tree->path + tree->name_at;
}

/* Makes the path that of the innermost folder itself, for a message. */
const char *neap__tree_folder(struct neap_tree *tree);

/* The last name of path, from which it takes the slashes behind it; NULL: it
   has none that is an entry's ("/", "..", ""). */
char *neap__tree_last_name(char *path);

/* Closes every folder and frees all. */
void neap__tree_close(struct neap_tree *tree);

#endif
