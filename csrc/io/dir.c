/*
 * dir.c: the names in a folder. One job reads them all, sorts them and packs
 * them into one block, so that the cursor over them never waits.
 */
#include "io/handle.h"
#include "io/job.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Shared memory, so that it may outlive the runtime. Each entry is a byte, the
   index of its type, and its name ended by NUL. */
struct neap_dir {
  char *at, *end;
  char *block;
};

/* In uv_dirent_type_t's order. */
static const char *const type_names[] = {
    "unknown", "file", "directory", "link", "fifo", "socket", "char", "block"};

struct scan_job {
  struct neap_job job;
  uv_fs_t req;
  char *block; /* shared memory: len of capacity bytes */
  size_t len, capacity;
  char path[];
};

static struct scan_job *scan_job_of(struct neap_job *job) {
  return NEAP_LIST_ENTRY(job, struct scan_job, job);
}

static int make_room(struct scan_job *scan, size_t n) {
  if (scan->capacity - scan->len >= n)
    return 0;
  size_t capacity = 2 * scan->capacity + n + 256;
  char *block = neap__mem_shared_alloc(capacity);
  if (block == NULL)
    return UV_ENOMEM;
  if (scan->len > 0)
    memcpy(block, scan->block, scan->len);
  neap__mem_shared_free(scan->block);
  scan->block = block;
  scan->capacity = capacity;
  return 0;
}

static uv_dirent_type_t type_of(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return UV_DIRENT_FILE;
  case S_IFDIR:
    return UV_DIRENT_DIR;
  case S_IFLNK:
    return UV_DIRENT_LINK;
  case S_IFIFO:
    return UV_DIRENT_FIFO;
  case S_IFSOCK:
    return UV_DIRENT_SOCKET;
  case S_IFCHR:
    return UV_DIRENT_CHAR;
  case S_IFBLK:
    return UV_DIRENT_BLOCK;
  default:
    return UV_DIRENT_UNKNOWN;
  }
}

/* For file systems that keep no types in their folders. The path is put
   together in the free end of the block. */
static int look_up_type(struct scan_job *scan, const char *name,
                        uv_dirent_type_t *type) {
  size_t n = strlen(scan->path) + strlen(name) + 2;
  int err = make_room(scan, n);
  if (err < 0)
    return err;
  char *path = scan->block + scan->len;
  snprintf(path, n, "%s/%s", scan->path, name);
  struct stat st;
  if (lstat(path, &st) == 0) /* else it has gone meanwhile: unknown */
    *type = type_of(st.st_mode);
  return 0;
}

static int add(struct scan_job *scan, const uv_dirent_t *entry) {
  size_t size = strlen(entry->name) + 1;
  uv_dirent_type_t type = entry->type;
  int err = 0;
  if (type == UV_DIRENT_UNKNOWN)
    err = look_up_type(scan, entry->name, &type);
  if (err == 0)
    err = make_room(scan, size + 1);
  if (err < 0)
    return err;
  scan->block[scan->len] = (char)type;
  memcpy(scan->block + scan->len + 1, entry->name, size);
  scan->len += size + 1;
  return 0;
}

static void work_scan(struct neap_job *job) {
  struct scan_job *scan = scan_job_of(job);
  int err = uv_fs_scandir(NULL, &scan->req, scan->path, 0, NULL);
  uv_dirent_t entry;
  if (err > 0)
    err = 0; /* how many there are */
  while (err == 0) {
    err = uv_fs_scandir_next(&scan->req, &entry);
    if (err == 0)
      err = add(scan, &entry);
  }
  uv_fs_req_cleanup(&scan->req);
  job->result = err == UV_EOF ? 0 : err;
}

static void drop_scan(struct neap_job *job) {
  neap__mem_shared_free(scan_job_of(job)->block);
}

int neap_fs_scandir(neap_rt *rt, const char *path, neap_dir **out) {
  struct scan_job *scan = NULL;
  size_t size = strlen(path) + 1;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  struct neap_dir *dir = neap__mem_shared_alloc(sizeof *dir);
  if (dir == NULL)
    return UV_ENOMEM;
  err = neap__job_new(rt, "scandir", NEAP_JOB_PURE, sizeof *scan + size,
                      (void **)&scan);
  if (err < 0)
    goto fail;
  scan->job.work = work_scan;
  scan->job.drop = drop_scan;
  memcpy(scan->path, path, size);
  err = neap__job_run(&scan->job);
  if (err < 0)
    goto fail;
  dir->block = dir->at = dir->end = scan->block;
  if (scan->block != NULL)
    dir->end += scan->len;
  neap__job_free(&scan->job);
  *out = dir;
  return 0;
fail:
  if (scan != NULL && !scan->job.dropped)
    drop_scan(&scan->job);
  neap__job_free(scan != NULL ? &scan->job : NULL);
  neap__mem_shared_free(dir);
  return err;
}

bool neap_dir_next(neap_dir *dir, const char **name, const char **type) {
  if (dir->at == dir->end)
    return false;
  *type = type_names[(unsigned char)*dir->at];
  *name = dir->at + 1;
  dir->at += strlen(*name) + 2;
  return true;
}

void neap_dir_close(neap_dir *dir) {
  if (dir == NULL)
    return;
  neap__mem_shared_free(dir->block);
  neap__mem_shared_free(dir);
}
