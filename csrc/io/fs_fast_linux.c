/*
 * fs_fast_linux.c: openat2(2) with RESOLVE_CACHED (Linux 5.12) fails with
 * EAGAIN instead of going to the disk for a name, preadv2(2) with RWF_NOWAIT
 * (4.14) instead of waiting for bytes. Both go through syscall(2): the C
 * library has no openat2, and its preadv2 hides that the kernel has none.
 *
 * statx(2) has no such flag: AT_STATX_DONT_SYNC keeps it from asking a server,
 * and gives what may be out of date instead. So a name is looked up by openat2
 * with O_PATH, which opens nothing, and statx of what that found is believed
 * where the file system is a local one: there all is in the inode, in memory.
 */
#include "io/fs_fast.h"

#include "io/fd.h"
#include "io/fs_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437 /* the same number on every machine */
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x08
#endif
#define CACHED_ONLY 0x20 /* RESOLVE_CACHED of <linux/openat2.h> */

/* Of <linux/stat.h>: a mount's number that is never given again (Linux 6.8),
   and the one that may be. */
#define MOUNT_UNIQUE 0x4000u
#define MOUNT_ID     0x1000u

#ifdef NEAP_HOSTILE
#define AT_ONCE ((size_t)1)
#else
#define AT_ONCE ((size_t)1 << 30)
#endif

/* struct open_how of <linux/openat2.h>, which older headers lack. */
struct how {
  uint64_t flags, mode, resolve;
};

static int open_cached(struct neap_io *io, const char *path, int flags) {
  struct how how = {.flags = (uint64_t)flags | O_CLOEXEC,
                    .resolve = CACHED_ONLY};
  long fd;
  do {
    fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  } while (fd < 0 && errno == EINTR);
  if (fd >= 0)
    return (int)fd;
  switch (errno) {
  case EAGAIN:
    return UV_EAGAIN;
  case ENOSYS: /* no openat2, a filter against it, or no RESOLVE_CACHED */
  case EPERM:
  case EINVAL:
    io->no_fast_open = true;
    return UV_EAGAIN;
  default:
    return uv_translate_sys_error(errno);
  }
}

int neap__fs_fast_open(struct neap_io *io, const char *path, int flags) {
  /* What creates or cuts off changes the disk: the kernel refuses it here. With
     other flags EPERM and EINVAL may not mean what they mean below. */
  const int plain = O_ACCMODE | O_APPEND | O_NONBLOCK | O_NOFOLLOW;
  if (io->no_fast_open || (flags & ~plain) != 0)
    return UV_EAGAIN;
  return open_cached(io, path, flags | O_NONBLOCK);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes there */
int64_t neap__fs_fast_read(struct neap_io *io, int fd, char *bytes, size_t n,
                           int64_t at) {
  if (io->no_fast_read)
    return UV_ENOTSUP;
  struct iovec part = {.iov_base = bytes, .iov_len = n < AT_ONCE ? n : AT_ONCE};
  long result;
  do {
    /* The place in two halves, of which a 64-bit kernel takes the first whole;
       -1: where fd stands, and move it. */
    result = syscall(SYS_preadv2, fd, &part, 1L, (long)at, (long)(at >> 32),
                     RWF_NOWAIT);
  } while (result < 0 && errno == EINTR);
  if (result >= 0)
    return result;
  switch (errno) {
  case EAGAIN:
    return UV_EAGAIN;
  case EOPNOTSUPP: /* this file system does not */
  case EINVAL:
    return UV_ENOTSUP;
  case ENOSYS:
  case EPERM:
    io->no_fast_read = true;
    return UV_ENOTSUP;
  default:
    return uv_translate_sys_error(errno);
  }
}

/* --- what a file is ------------------------------------------------- */

static int look(int fd, const char *path, int flags, struct statx *out) {
  int result;
  do {
    result =
        statx(fd, path, flags | AT_STATX_DONT_SYNC,
              STATX_BASIC_STATS | STATX_BTIME | MOUNT_ID | MOUNT_UNIQUE, out);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? uv_translate_sys_error(errno) : 0;
}

static void mount_of(const struct statx *from, struct neap_mount *out) {
  bool known = (from->stx_mask & (MOUNT_ID | MOUNT_UNIQUE)) != 0;
  *out = (struct neap_mount){
      .id = known ? from->stx_mnt_id : 0,
      .dev = makedev(from->stx_dev_major, from->stx_dev_minor)};
}

static const struct neap_mount *find(const struct neap_io *io,
                                     const struct neap_mount *mount) {
  for (size_t i = 0; i < sizeof io->mounts / sizeof *io->mounts; i++) {
    const struct neap_mount *one = &io->mounts[i];
    if (one->id == mount->id && one->dev == mount->dev)
      return one;
  }
  return NULL;
}

/* What was found, if its file system is known to be believed. */
static int judge(const struct neap_io *io, const struct statx *found,
                 neap_fs_info *out) {
  struct neap_mount mount;
  mount_of(found, &mount);
  if (mount.id == 0)
    return UV_EAGAIN;
  const struct neap_mount *known = find(io, &mount);
  if (known == NULL)
    return UV_ENOTSUP;
  if (!known->local)
    return UV_EAGAIN;
  neap__fs_stat_fill(found, out);
  return 0;
}

int neap__fs_fast_look(struct neap_io *io, int fd, neap_fs_info *out) {
  struct statx found;
  /* Without openat2 statx may be missing, too: nothing is gained then. */
  if (io->no_fast_open || look(fd, "", AT_EMPTY_PATH, &found) < 0)
    return UV_EAGAIN;
  return judge(io, &found, out);
}

/*
 * openat2 and close cost more than statx itself. So a name that was found
 * cached is looked up by statx alone for a second: what the kernel used within
 * that time it throws away no sooner than the pages our own code is in. (A name
 * without a slash in front may be another one after chdir, and then at worst
 * this one look goes to the disk.)
 */
#define SEEN_NS ((uint64_t)1000 * 1000 * 1000)

static uint64_t hash_of(const char *path, bool follow) {
  uint64_t hash = 14695981039346656037u + follow; /* FNV-1a */
  for (; *path != '\0'; path++)
    hash = (hash ^ (unsigned char)*path) * 1099511628211u;
  return hash;
}

/* Its place in the table, or NULL: no memory for one. */
static struct neap_seen *seen_of(struct neap_rt *rt, uint64_t hash) {
  struct neap_io *io = rt->io;
  if (io->seen == NULL)
    io->seen = neap__mem_zalloc(&rt->mem, NEAP_IO_SEEN * sizeof *io->seen);
  if (io->seen == NULL)
    return NULL;
  return &io->seen[(hash ^ hash >> 32) % NEAP_IO_SEEN];
}

/* The same by openat2, which does not go to the disk. */
static int stat_opened(struct neap_io *io, const char *path, int nofollow,
                       neap_fs_info *out) {
  int fd = open_cached(io, path, O_PATH | nofollow);
  if (fd < 0)
    return fd;
  int err = neap__fs_fast_look(io, fd, out);
  neap__fd_close(fd);
  return err;
}

int neap__fs_fast_stat(struct neap_rt *rt, const char *path, bool follow,
                       neap_fs_info *out) {
  struct neap_io *io = rt->io;
  if (io->no_fast_open)
    return UV_EAGAIN;
  uint64_t hash = hash_of(path, follow);
  struct neap_seen *seen = seen_of(rt, hash);
  uint64_t now_ns = rt->sched.now_ns;
  if (seen != NULL && seen->hash == hash && seen->until_ns > now_ns) {
    struct statx found;
    int err = look(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, &found);
    if (err == 0)
      err = judge(io, &found, out);
    if (err == 0)
      seen->until_ns = now_ns + SEEN_NS;
    return err;
  }
  int err = stat_opened(io, path, follow ? 0 : O_NOFOLLOW, out);
  if (err == 0 && seen != NULL)
    *seen = (struct neap_seen){.hash = hash, .until_ns = now_ns + SEEN_NS};
  return err;
}

/* File systems that keep what they know in this machine's memory. */
static bool is_local(int64_t magic) {
  static const int64_t local[] = {
      EXT4_SUPER_MAGIC,      XFS_SUPER_MAGIC,   BTRFS_SUPER_MAGIC,
      F2FS_SUPER_MAGIC,      TMPFS_MAGIC,       RAMFS_MAGIC,
      OVERLAYFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC, SQUASHFS_MAGIC,
      ISOFS_SUPER_MAGIC,     PROC_SUPER_MAGIC,  SYSFS_MAGIC};
  for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
    if (local[i] == magic)
      return true;
  }
  return false;
}

void neap__fs_fast_learn_fd(int fd, struct neap_mount *out) {
  struct statx now;
  struct statfs system;
  *out = (struct neap_mount){0};
  if (look(fd, "", AT_EMPTY_PATH, &now) < 0 || fstatfs(fd, &system) < 0)
    return;
  mount_of(&now, out);
  out->local = is_local((int64_t)system.f_type);
}

void neap__fs_fast_learn(const char *path, bool follow,
                         struct neap_mount *out) {
  *out = (struct neap_mount){0};
  int fd = neap__fd_open(path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
  if (fd < 0)
    return;
  neap__fs_fast_learn_fd(fd, out);
  neap__fd_close(fd);
}

void neap__fs_fast_note(struct neap_io *io, const struct neap_mount *mount) {
  if (mount->id == 0 || find(io, mount) != NULL)
    return;
  io->mounts[io->next_mount] = *mount;
  io->next_mount = (uint8_t)((io->next_mount + 1u) %
                             (sizeof io->mounts / sizeof *io->mounts));
}
