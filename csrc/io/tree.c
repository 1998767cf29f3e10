/* tree.c: a way through a tree of folders; the idea is in tree.h. */
#include "io/tree.h"

#include "core/mem.h"
#include "io/fd.h"
#include "io/fs_stat.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <uv.h>

/* How many folders stay open at most. */
#ifdef NEAP_HOSTILE
#define OPEN_MOST 2
#else
#define OPEN_MOST 32
#endif

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

static int last_error(void) {
  return uv_translate_sys_error(errno);
}

struct neap_tree_level *neap__tree_top(const struct neap_tree *tree) {
  assert(tree->depth > 0);
  return &tree->levels[tree->depth - 1];
}

int neap__tree_fd(const struct neap_tree *tree) {
  DIR *dir = neap__tree_top(tree)->dir;
  return dir != NULL ? dirfd(dir) : -1;
}

/* --- the path ------------------------------------------------------- */

/* Room for size bytes in a block of shared memory. */
static int grow(void **block, size_t used, size_t *capacity, size_t size) {
  if (size <= *capacity)
    return 0;
  void *bigger = neap__mem_shared_alloc(2 * size);
  if (bigger == NULL)
    return UV_ENOMEM;
  if (used > 0)
    memcpy(bigger, *block, used);
  neap__mem_shared_free(*block);
  *block = bigger;
  *capacity = 2 * size;
  return 0;
}

/* Makes the path end, len bytes from its beginning, with name. */
static int put_name(struct neap_tree *tree, size_t len, const char *name) {
  size_t n = strlen(name);
  void *path = tree->path;
  int err = grow(&path, len, &tree->path_capacity, len + n + 2);
  if (err < 0)
    return err;
  tree->path = path;
  if (len > 0 && tree->path[len - 1] != '/')
    tree->path[len++] = '/';
  memcpy(tree->path + len, name, n + 1);
  tree->name_at = len;
  tree->len = len + n;
  return 0;
}

int neap__tree_name(struct neap_tree *tree, const char *name) {
  tree->kind = DT_UNKNOWN;
  return put_name(tree, neap__tree_top(tree)->path_len, name);
}

const char *neap__tree_folder(struct neap_tree *tree) {
  tree->len = tree->name_at = neap__tree_top(tree)->path_len;
  tree->path[tree->len] = '\0';
  return tree->path;
}

/* --- folders -------------------------------------------------------- */

/* fd if it is what level was. Else it is closed: UV_ENOENT, or why that can't
   be known. Negative codes pass through. */
static int check_same(int fd, const struct neap_tree_level *level) {
  neap_fs_info info;
  if (fd < 0)
    return fd;
  int err = neap__fs_stat_at(fd, "", false, &info);
  if (err == 0 && info.dev == level->dev && info.ino == level->ino)
    return fd;
  neap__fd_close(fd);
  return err < 0 ? err : UV_ENOENT;
}

static int open_again(int dirfd, const char *name, int flags) {
  int fd;
  do {
    fd = openat(dirfd, name, FOLDER_FLAGS | flags);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? last_error() : fd;
}

/* Closes the outermost of those that are open, if they are too many. */
static void park(struct neap_tree *tree) {
  if (tree->depth - tree->nparked <= OPEN_MOST)
    return;
  struct neap_tree_level *level = &tree->levels[tree->nparked++];
  if (level->dir == NULL)
    return; /* lost before */
  level->place = telldir(level->dir);
  closedir(level->dir);
  level->dir = NULL;
}

/* fd is the innermost folder from now on, or closed on failure. */
static int push(struct neap_tree *tree, int fd) {
  neap_fs_info info;
  void *levels = tree->levels;
  size_t size = sizeof *tree->levels, capacity = tree->capacity * size;
  int err = neap__fs_stat_at(fd, "", false, &info);
  if (err == 0)
    err =
        grow(&levels, tree->depth * size, &capacity, (tree->depth + 1) * size);
  tree->levels = levels;
  tree->capacity = (uint32_t)(capacity / size);
  DIR *dir = err == 0 ? fdopendir(fd) : NULL;
  if (dir == NULL) {
    err = err < 0 ? err : last_error();
    neap__fd_close(fd);
    return err;
  }
  tree->levels[tree->depth++] = (struct neap_tree_level){
      .dir = dir, .dev = info.dev, .ino = info.ino, .path_len = tree->len};
  park(tree);
  return 0;
}

int neap__tree_open(struct neap_tree *tree, const char *path, bool follow,
                    const char *shown) {
  int fd = open_again(AT_FDCWD, path, follow ? 0 : O_NOFOLLOW);
  if (fd < 0)
    return fd;
  int err = put_name(tree, 0, shown);
  if (err < 0) {
    neap__fd_close(fd);
    return err;
  }
  return push(tree, fd);
}

/* Whether fd is a folder that we are in. */
static bool is_cycle(const struct neap_tree *tree, int fd) {
  neap_fs_info info;
  if (neap__fs_stat_at(fd, "", false, &info) < 0)
    return false; /* push will say it again */
  for (uint32_t i = 0; i < tree->depth; i++)
    if (tree->levels[i].ino == info.ino && tree->levels[i].dev == info.dev)
      return true;
  return false;
}

int neap__tree_enter(struct neap_tree *tree, bool follow) {
  int fd = open_again(neap__tree_fd(tree), neap__tree_entry(tree),
                      follow ? 0 : O_NOFOLLOW);
  if (fd == UV_ELOOP && !follow)
    return UV_ENOTDIR; /* some systems' way to say that it is a link */
  if (fd < 0)
    return fd;
  if (is_cycle(tree, fd)) {
    neap__fd_close(fd);
    return UV_ELOOP;
  }
  return push(tree, fd);
}

/*
 * Opens the innermost folder again. inner is the one that was left, or -1; one
 * that was come to through a link, or was moved, has another "..": then there
 * is still the path, and what it leads to must be the same folder, too.
 */
static int open_same(struct neap_tree *tree, int inner) {
  const struct neap_tree_level *level = neap__tree_top(tree);
  int fd = -1;
  if (inner >= 0)
    fd = check_same(open_again(inner, "..", 0), level);
  if (fd >= 0)
    return fd;
  char cut = tree->path[level->path_len];
  tree->path[level->path_len] = '\0';
  fd = open_again(AT_FDCWD, level->path_len > 0 ? tree->path : ".", 0);
  tree->path[level->path_len] = cut;
  return check_same(fd, level);
}

static int reopen(struct neap_tree *tree, int inner) {
  struct neap_tree_level *level = neap__tree_top(tree);
  int fd = open_same(tree, inner);
  level->dir = fd >= 0 ? fdopendir(fd) : NULL;
  if (level->dir == NULL) {
    level->lost = fd < 0 ? fd : last_error();
    if (fd >= 0)
      neap__fd_close(fd);
    return level->lost;
  }
  seekdir(level->dir, level->place);
  return 0;
}

/* Where the last name of a path of len bytes begins. */
static size_t name_in(const char *path, size_t len) {
  while (len > 0 && path[len - 1] != '/')
    len--;
  return len;
}

int neap__tree_leave(struct neap_tree *tree) {
  struct neap_tree_level left = *neap__tree_top(tree);
  int err = 0;
  tree->depth--;
  tree->len = left.path_len;
  tree->path[tree->len] = '\0';
  tree->name_at = name_in(tree->path, tree->len);
  tree->kind = DT_DIR;
  if (tree->depth > 0 && tree->depth == tree->nparked) {
    tree->nparked--;
    err = reopen(tree, left.dir != NULL ? dirfd(left.dir) : -1);
  }
  if (left.dir != NULL)
    closedir(left.dir);
  return err;
}

/* --- entries -------------------------------------------------------- */

static bool is_dots(const char *name) {
  return name[0] == '.' &&
         (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* For file systems that keep no types in their folders. DT_UNKNOWN: it has gone
   meanwhile. */
static unsigned char look_up_kind(const struct neap_tree *tree) {
  neap_fs_info info;
  if (neap__fs_stat_at(neap__tree_fd(tree), neap__tree_entry(tree), false,
                       &info) < 0)
    return DT_UNKNOWN;
  return (unsigned char)IFTODT(info.mode);
}

int neap__tree_next(struct neap_tree *tree) {
  struct neap_tree_level *level = neap__tree_top(tree);
  struct dirent *entry;
  if (level->dir == NULL)
    return level->lost;
  do {
    errno = 0;
    entry = readdir(level->dir);
    if (entry == NULL && errno != EINTR)
      return errno != 0 ? last_error() : 0;
  } while (entry == NULL || is_dots(entry->d_name));
  int err = put_name(tree, level->path_len, entry->d_name);
  if (err < 0)
    return err;
  tree->kind = entry->d_type;
  if (tree->kind == DT_UNKNOWN)
    tree->kind = look_up_kind(tree);
  return 1;
}

char *neap__tree_last_name(char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/')
    path[--len] = '\0';
  char *name = path + name_in(path, len);
  return name[0] == '\0' || is_dots(name) ? NULL : name;
}

void neap__tree_close(struct neap_tree *tree) {
  for (uint32_t i = 0; i < tree->depth; i++)
    if (tree->levels[i].dir != NULL)
      closedir(tree->levels[i].dir);
  neap__mem_shared_free(tree->levels);
  neap__mem_shared_free(tree->path);
  *tree = (struct neap_tree){0};
}
