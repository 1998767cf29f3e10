/*
 * fs_tree.c: making folders with all around them, and removing them with all in
 * them. Removing is the work of several pool jobs, so that it can be cancelled
 * between two names; what was removed by then is gone.
 */
#include "io/handle.h"
#include "io/job.h"
#include "io/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the folders around a new one may be used for, less the umask. */
#define FOLDER_MODE 0777

/* --- making --------------------------------------------------------- */

struct mkdir_job {
  struct neap_job job;
  int mode;
  char path[];
};

static int make(const char *path, int mode) {
  return mkdir(path, (mode_t)mode) < 0 ? uv_translate_sys_error(errno) : 0;
}

/* Whether path leads to a folder. */
static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Makes what is missing around path. Some of it may be there although we may
   not make it, so only the last call's failure counts, or a first one that
   tells more than "no such folder". */
static int make_around(char *path, int mode) {
  int first = 0;
  for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
    *at = '\0';
    int err = make(path, FOLDER_MODE);
    *at = '/';
    if (err < 0 && err != UV_EEXIST && first == 0)
      first = err;
  }
  int err = make(path, mode);
  return err == UV_ENOENT && first < 0 ? first : err;
}

static void work_mkdir(struct neap_job *job) {
  struct mkdir_job *on = NEAP_LIST_ENTRY(job, struct mkdir_job, job);
  int err = make(on->path, on->mode);
  if (err == UV_ENOENT && on->path[0] != '\0')
    err = make_around(on->path, on->mode);
  /* Somebody else may have made it meanwhile. */
  job->result = err == UV_EEXIST && is_folder(on->path) ? 0 : err;
}

int neap_fs_mkdirs(neap_rt *rt, const char *path, int mode) {
  struct mkdir_job *on;
  size_t size = strlen(path) + 1;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__job_new(rt, "mkdir", NEAP_JOB_EFFECT, sizeof *on + size,
                        (void **)&on);
  if (err < 0)
    return err;
  on->job.work = work_mkdir;
  on->mode = mode;
  memcpy(on->path, path, size);
  err = neap__job_run(&on->job);
  neap__job_free(&on->job);
  return err;
}

/* --- removing ------------------------------------------------------- */

/* A folder into which somebody else puts files meanwhile is read again, but
   not for ever. Some file systems skip names, too, when others are removed. */
#define PASSES 3

/* A name may be swapped for another kind of thing between two calls. */
#define SWAPS 100

/* Shared memory. */
struct removal {
  struct neap_tree tree;
  bool recursive, begun;
  int err; /* the first failure, and its path in shared memory */
  char *failed;
  char *name; /* of the outermost entry, in path */
  char path[];
};

/* Notes a failure with the entry; the rest is gone on with. */
static void note(struct removal *removal, int err) {
  struct neap_tree *tree = &removal->tree;
  if (removal->err < 0)
    return;
  removal->err = err;
  removal->failed = neap__mem_shared_alloc(tree->len + 1);
  if (removal->failed != NULL) /* else it ends here, by the outermost name */
    memcpy(removal->failed, tree->path, tree->len + 1);
}

static int remove_name(const struct neap_tree *tree, int flags) {
  int result;
  do {
    result = unlinkat(neap__tree_fd(tree), neap__tree_entry(tree), flags);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? uv_translate_sys_error(errno) : 0;
}

/* Where unlinking a folder is EPERM (POSIX): was it one? */
static bool entry_is_folder(const struct neap_tree *tree) {
  struct stat st;
  return fstatat(neap__tree_fd(tree), neap__tree_entry(tree), &st,
                 AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(st.st_mode);
}

/*
 * Removes the entry, or enters it if it is a folder. Its kind is only what to
 * try first: a link is never entered, a folder never unlinked, so a swap shows
 * by a failure, and the other call is tried. Returns 0 or a code.
 */
static int take_away(struct removal *removal) {
  struct neap_tree *tree = &removal->tree;
  bool folder = tree->kind == DT_DIR;
  int err = 0;
  for (int i = 0; i < SWAPS; i++) {
    if (folder)
      err = removal->recursive ? neap__tree_enter(tree, false)
                               : remove_name(tree, AT_REMOVEDIR);
    else
      err = remove_name(tree, 0);
    if (!folder &&
        (err == UV_EISDIR || (err == UV_EPERM && entry_is_folder(tree))))
      folder = true;
    else if (folder && err == UV_ENOTDIR)
      folder = false;
    else
      break;
  }
  /* One that we may not read may be empty. */
  if (folder && err == UV_EACCES && remove_name(tree, AT_REMOVEDIR) == 0)
    err = 0;
  return err;
}

/* The outermost entry: that one must be there. */
static int begin(struct removal *removal) {
  struct neap_tree *tree = &removal->tree;
  char *path = removal->path, *name = removal->name;
  const char *shown = "", *around = ".";
  char cut = *name;
  *name = '\0';
  if (name > path)
    shown = around = path;
  int err = neap__tree_open(tree, around, true, shown);
  *name = cut;
  if (err == 0)
    err = neap__tree_name(tree, name);
  if (err == 0)
    err = take_away(removal);
  return err;
}

/* The innermost folder has been read to its end. */
static void end_folder(struct removal *removal) {
  struct neap_tree *tree = &removal->tree;
  uint32_t passes = neap__tree_top(tree)->passes + 1;
  int err = neap__tree_leave(tree);
  if (err < 0) { /* the one around it was moved away, and is not ours now */
    note(removal, err);
    return;
  }
  err = remove_name(tree, AT_REMOVEDIR);
  if (err == UV_ENOTDIR) { /* swapped for a link, say */
    tree->kind = DT_UNKNOWN;
    err = take_away(removal);
  } else if ((err == UV_ENOTEMPTY || err == UV_EEXIST) && removal->err == 0 &&
             passes < PASSES) {
    err = neap__tree_enter(tree, false);
    if (err == 0)
      neap__tree_top(tree)->passes = passes;
  }
  /* What is gone has been removed, whoever did it. */
  if (err < 0 && err != UV_ENOENT)
    note(removal, err);
}

/* One name. Returns 1, or 0 when all is done. */
static int go_on(struct removal *removal) {
  struct neap_tree *tree = &removal->tree;
  if (!removal->begun) {
    removal->begun = true;
    removal->err = begin(removal);
  }
  if (tree->depth <= 1 || (removal->err < 0 && removal->failed == NULL))
    return 0;
  int found = neap__tree_next(tree);
  if (found <= 0) {
    if (found < 0 && found != UV_ENOENT) {
      neap__tree_folder(tree);
      note(removal, found);
    }
    end_folder(removal);
    return 1;
  }
  int err = take_away(removal);
  if (err < 0 && err != UV_ENOENT)
    note(removal, err);
  return 1;
}

static int step(void *state) {
  struct removal *removal = state;
  uint64_t until = uv_hrtime() + NEAP_JOB_STEP_NS;
  do {
    if (go_on(removal) == 0)
      return removal->err;
  } while (uv_hrtime() < until);
  return 1;
}

static int new_removal(const char *path, bool recursive, struct removal **out) {
  size_t size = strlen(path) + 1;
  if (size == 1)
    return UV_ENOENT;
  struct removal *removal = neap__mem_shared_alloc(sizeof *removal + size);
  if (removal == NULL)
    return UV_ENOMEM;
  memset(removal, 0, sizeof *removal);
  memcpy(removal->path, path, size);
  removal->recursive = recursive;
  removal->name = neap__tree_last_name(removal->path);
  if (removal->name == NULL) {
    neap__mem_shared_free(removal);
    return UV_EINVAL;
  }
  *out = removal;
  return 0;
}

static int remove_with(struct neap_rt *rt, const char *path, bool recursive,
                       enum neap_job_effect effect, neap_blob *failed) {
  struct removal *removal;
  int err = new_removal(path, recursive, &removal);
  if (err < 0)
    return err;
  err = neap__job_repeat(rt, "remove", effect, step, removal);
  if (err < 0 && removal->failed != NULL && failed != NULL) {
    *failed =
        (neap_blob){.base = removal->failed, .len = strlen(removal->failed)};
    removal->failed = NULL;
  }
  neap__tree_close(&removal->tree);
  neap__mem_shared_free(removal->failed);
  neap__mem_shared_free(removal);
  return err;
}

int neap_fs_remove(neap_rt *rt, const char *path, bool recursive,
                   neap_blob *failed) {
  return remove_with(rt, path, recursive, NEAP_JOB_EFFECT, failed);
}

int neap_fs_remove_shielded(neap_rt *rt, const char *path, neap_blob *failed) {
  return remove_with(rt, path, true, NEAP_JOB_SHIELDED, failed);
}

int neap_fs_remove_blocking(const char *path) {
  struct removal *removal;
  int err = new_removal(path, true, &removal);
  if (err < 0)
    return err;
  do {
    err = step(removal);
  } while (err == 1);
  neap__tree_close(&removal->tree);
  neap__mem_shared_free(removal->failed);
  neap__mem_shared_free(removal);
  return err;
}
