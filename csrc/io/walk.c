/*
 * walk.c: the names in a tree of folders, one after the other. A job in the
 * pool goes on through the tree until it has a chunk of entries or its time is
 * up; while the script takes these, the next job brings the next chunk. So what
 * is in memory at a time is two chunks and the way to where the walk stands,
 * however big a folder is.
 */
#include "io/fs_stat.h"
#include "io/handle.h"
#include "io/job.h"
#include "io/tree.h"

#include "core/waitq.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* How many entries, and how many bytes of them, end a chunk. */
#ifdef NEAP_HOSTILE
#define CHUNK_ENTRIES 2
#else
#define CHUNK_ENTRIES 1024
#endif
#define CHUNK_BYTES ((size_t)256 * 1024)

/* An entry in a chunk; its path, ended by NUL, comes behind it. */
struct entry {
  uint32_t size; /* of all of it, a multiple of 8 */
  uint32_t len;  /* of the path */
  int32_t err;
  unsigned char kind; /* DT_* */
  bool has_info;
  neap_fs_info info;
};

/* Entries in shared memory, packed. */
struct chunk {
  char *base;
  size_t at, len, capacity;
};

/* Where the walk stands. The job's while there is one, else the walk's. */
struct way {
  struct neap_tree tree;
  bool follow, stat;
  uint32_t depth_most;
  bool begun, descend; /* the entry is a folder that is to be entered */
  struct chunk chunk;
  char root[];
};

struct walk_job {
  struct neap_job job;
  struct neap_walk *walk; /* NULL: it was closed */
  struct way *way;
};

struct neap_walk {
  struct neap_handle handle;
  struct way *way; /* NULL: a job has it, or the end was reached */
  struct walk_job *job;
  struct chunk now, next; /* being read; filled, and not begun */
  bool ended;             /* there is no more than that */
  int err;                /* what ended it early */
  struct neap_list waiters;
};

static struct neap_walk *walk_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_walk, handle);
}

static void free_chunk(struct chunk *chunk) {
  neap__mem_shared_free(chunk->base);
  *chunk = (struct chunk){0};
}

static void free_way(struct way *way) {
  if (way == NULL)
    return;
  neap__tree_close(&way->tree);
  free_chunk(&way->chunk);
  neap__mem_shared_free(way);
}

/* --- in a pool thread ----------------------------------------------- */

static int make_room(struct chunk *chunk, size_t size) {
  if (chunk->len + size <= chunk->capacity)
    return 0;
  size_t capacity = 2 * chunk->capacity + size + 4096;
  char *base = neap__mem_shared_alloc(capacity);
  if (base == NULL)
    return UV_ENOMEM;
  if (chunk->len > 0)
    memcpy(base, chunk->base, chunk->len);
  neap__mem_shared_free(chunk->base);
  chunk->base = base;
  chunk->capacity = capacity;
  return 0;
}

/* Adds the tree's entry, with info unless it is NULL, or as a failure. */
static int add(struct way *way, const neap_fs_info *info, int err) {
  const struct neap_tree *tree = &way->tree;
  struct entry entry = {.len = (uint32_t)tree->len,
                        .err = err,
                        .kind = tree->kind,
                        .has_info = info != NULL};
  /* Without one its place is left out. */
  size_t head = info != NULL ? sizeof entry : offsetof(struct entry, info);
  size_t size = (head + tree->len + 1 + 7) / 8 * 8;
  if (size > UINT32_MAX)
    return UV_ENOMEM;
  int failed = make_room(&way->chunk, size);
  if (failed < 0)
    return failed;
  char *to = way->chunk.base + way->chunk.len;
  entry.size = (uint32_t)size;
  if (info != NULL)
    entry.info = *info;
  memcpy(to, &entry, head);
  memcpy(to + head, tree->path, tree->len + 1);
  way->chunk.len += size;
  return 0;
}

/* What is known of the entry, as far as it is wanted. A link that leads nowhere
   is a link. Returns 1: info is filled in; 0, or a code. */
static int look(struct way *way, neap_fs_info *info) {
  struct neap_tree *tree = &way->tree;
  bool is_link = tree->kind == DT_LNK || tree->kind == DT_UNKNOWN;
  bool follow = way->follow && is_link;
  if (!way->stat && !follow)
    return 0;
  int fd = neap__tree_fd(tree);
  const char *name = neap__tree_entry(tree);
  int err = neap__fs_stat_at(fd, name, follow, info);
  if (err < 0 && follow)
    err = neap__fs_stat_at(fd, name, false, info);
  if (err < 0)
    return err;
  tree->kind = (unsigned char)IFTODT(info->mode);
  return way->stat;
}

static int add_entry(struct way *way) {
  neap_fs_info info;
  int known = look(way, &info);
  if (known < 0)
    return add(way, NULL, known);
  way->descend = way->tree.kind == DT_DIR && way->tree.depth < way->depth_most;
  return add(way, known == 1 ? &info : NULL, 0);
}

/* A step on the way. Returns 1, 0 at its end, or a code that ends it. */
static int go_on(struct way *way) {
  struct neap_tree *tree = &way->tree;
  int err = 0;
  if (way->descend) {
    way->descend = false;
    err = neap__tree_enter(tree, way->follow);
    if (err < 0)
      err = add(way, NULL, err);
    return err < 0 ? err : 1;
  }
  int found = neap__tree_next(tree);
  if (found > 0) {
    err = add_entry(way);
    return err < 0 ? err : 1;
  }
  if (found < 0) {
    neap__tree_folder(tree);
    err = add(way, NULL, found);
  }
  neap__tree_leave(tree); /* one that is lost says so when it is read */
  if (err < 0)
    return err;
  return tree->depth > 0;
}

/* Fills a chunk. Returns 1 if there is more, 0, or a code. */
static int fill(struct way *way) {
  uint64_t until = uv_hrtime() + NEAP_JOB_STEP_NS;
  int more = 1;
  if (!way->begun) {
    way->begun = true;
    more = neap__tree_open(&way->tree, way->root, true, way->root);
    more = more < 0 ? more : 1;
  }
  for (int i = 1; more == 1 && i <= CHUNK_ENTRIES; i++) {
    more = go_on(way);
    if (way->chunk.len >= CHUNK_BYTES || uv_hrtime() >= until)
      break;
  }
  return more;
}

static void work_walk(struct neap_job *job) {
  job->result = fill(NEAP_LIST_ENTRY(job, struct walk_job, job)->way);
}

/* --- on the loop's thread ------------------------------------------- */

/* A chunk has come. */
static void on_done(struct neap_job *job) {
  struct walk_job *on = NEAP_LIST_ENTRY(job, struct walk_job, job);
  struct neap_walk *walk = on->walk;
  if (walk == NULL) {
    free_way(on->way);
    return;
  }
  walk->job = NULL;
  walk->next = on->way->chunk;
  on->way->chunk = (struct chunk){0};
  if (job->result == 1) {
    walk->way = on->way;
  } else {
    walk->ended = true;
    walk->err = job->result;
    free_way(on->way);
  }
  neap__waitq_wake_all(&walk->waiters, 0);
}

static int start_job(struct neap_walk *walk) {
  struct walk_job *on;
  int err = neap__job_new(walk->handle.rt, "walk", NEAP_JOB_PURE, sizeof *on,
                          (void **)&on);
  if (err < 0)
    return err;
  on->job.work = work_walk;
  on->job.done = on_done;
  on->walk = walk;
  on->way = walk->way;
  err = neap__job_start(&on->job);
  if (err < 0) {
    neap__job_free(&on->job);
    return err;
  }
  walk->way = NULL;
  walk->job = on;
  return 0;
}

static void on_end(struct neap_handle *handle) {
  struct neap_walk *walk = walk_of(handle);
  if (walk->job != NULL) {
    walk->job->walk = NULL;
    neap__job_retract(&walk->job->job);
    walk->job = NULL;
  }
  free_way(walk->way);
  walk->way = NULL;
  free_chunk(&walk->now);
  free_chunk(&walk->next);
  neap__waitq_wake_all(&walk->waiters, UV_ECANCELED);
  neap__handle_gone(handle);
}

static struct way *new_way(const char *root, const neap_walk_options *o) {
  size_t size = strlen(root) + 1;
  struct way *way = neap__mem_shared_alloc(sizeof *way + size);
  if (way == NULL)
    return NULL;
  memset(way, 0, sizeof *way);
  memcpy(way->root, root, size);
  way->follow = o->follow;
  way->stat = o->stat;
  way->depth_most = o->depth > 0 ? o->depth : UINT32_MAX;
  return way;
}

/* Whether there are entries that nobody has taken yet. */
static bool has_entries(const struct neap_walk *walk) {
  return walk->now.at < walk->now.len || walk->next.len > 0;
}

/* Waits until there are, or none will come. */
static int wait_for_entries(struct neap_walk *walk) {
  int err = 0;
  while (err == 0 && !has_entries(walk) && !walk->ended) {
    if (walk->job == NULL)
      err = start_job(walk);
    if (err == 0)
      err = neap__waitq_wait(walk->handle.rt, &walk->waiters, "walk",
                             NEAP_FOREVER, false);
    if (err == 0 && walk->handle.closed)
      err = UV_ECANCELED;
  }
  return err;
}

int neap_walk_open(neap_rt *rt, const char *root,
                   const neap_walk_options *options, neap_walk **out) {
  neap_walk_options none = {.size = sizeof none};
  void *block;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__handle_new(rt, sizeof(struct neap_walk), on_end, &block);
  if (err != 0)
    return err;
  struct neap_walk *walk = block;
  neap__list_init(&walk->waiters);
  walk->way = new_way(root, options != NULL ? options : &none);
  if (walk->way == NULL) {
    neap__handle_unref(&walk->handle);
    return UV_ENOMEM;
  }
  neap__handle_opened(&walk->handle);
  neap__handle_ref(&walk->handle); /* it may be closed while we wait */
  err = wait_for_entries(walk);
  if (err == 0 && !has_entries(walk))
    err = walk->err; /* the folder could not even be opened */
  neap__handle_unref(&walk->handle);
  if (err < 0)
    neap_walk_close(walk);
  else
    *out = walk;
  return err;
}

/* The chunk that was filled is the one being read from now on. */
static void turn_over(struct neap_walk *walk) {
  free_chunk(&walk->now);
  walk->now = walk->next;
  walk->next = (struct chunk){0};
  /* While this one is read. If that fails, who waits for it tries again. */
  if (!walk->ended)
    start_job(walk);
}

static void take_entry(struct chunk *chunk, neap_walk_entry *out) {
  struct entry entry;
  char *at = chunk->base + chunk->at;
  size_t head = offsetof(struct entry, info);
  memcpy(&entry, at, head);
  *out = (neap_walk_entry){.len = entry.len, .err = entry.err};
  if (entry.has_info) {
    out->info = (const neap_fs_info *)(const void *)(at + head);
    head = sizeof entry;
  }
  out->path = at + head;
  out->type = neap__fs_stat_type(DTTOIF((mode_t)entry.kind));
  chunk->at += entry.size;
}

int neap_walk_next(neap_walk *walk, neap_walk_entry *out) {
  int err = neap__handle_begin(&walk->handle);
  if (err < 0)
    return err;
  neap__handle_ref(&walk->handle);
  err = wait_for_entries(walk);
  int result = err;
  if (err == 0 && has_entries(walk)) {
    if (walk->now.at == walk->now.len)
      turn_over(walk);
    take_entry(&walk->now, out);
    result = 1;
  } else if (err == 0) {
    result = walk->err;
    walk->err = 0; /* told once */
  }
  neap__handle_unref(&walk->handle);
  return result;
}

bool neap_walk_waited(const neap_walk *walk) {
  return !neap__list_empty(&walk->waiters);
}

void neap_walk_close(neap_walk *walk) {
  if (walk == NULL)
    return;
  neap__handle_close(&walk->handle);
  neap__handle_unref(&walk->handle);
}
