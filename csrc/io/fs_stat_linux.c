/* fs_stat_linux.c: statx(2), which alone knows when a file was made. */
#include "io/fs_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <uv.h>

static neap_fs_time time_of(const struct statx_timestamp *time) {
  return (neap_fs_time){.sec = time->tv_sec, .nsec = time->tv_nsec};
}

void neap__fs_stat_fill(const struct statx *from, neap_fs_info *out) {
  *out = (neap_fs_info){
      .type = neap__fs_stat_type(from->stx_mode),
      .dev = makedev(from->stx_dev_major, from->stx_dev_minor),
      .mode = from->stx_mode,
      .nlink = from->stx_nlink,
      .uid = from->stx_uid,
      .gid = from->stx_gid,
      .rdev = makedev(from->stx_rdev_major, from->stx_rdev_minor),
      .ino = from->stx_ino,
      .size = from->stx_size,
      .blksize = from->stx_blksize,
      .blocks = from->stx_blocks,
      .atime = time_of(&from->stx_atime),
      .mtime = time_of(&from->stx_mtime),
      .ctime = time_of(&from->stx_ctime),
      .birthtime = time_of(&from->stx_btime),
  };
}

int neap__fs_stat_at(int dirfd, const char *name, bool follow,
                     neap_fs_info *out) {
  struct statx x;
  int flags = AT_EMPTY_PATH | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
  int result;
  do {
    result = statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &x);
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    return uv_translate_sys_error(errno);
  neap__fs_stat_fill(&x, out);
  return 0;
}
