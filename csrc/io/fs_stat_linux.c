/* fs_stat_linux.c: statx(2), which alone knows when a file was made. */
#include "io/fs_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <uv.h>

static neap_fs_time time_of(const struct statx_timestamp *time) {
  return (neap_fs_time){.sec = time->tv_sec, .nsec = time->tv_nsec};
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
  *out = (neap_fs_info){
      .type = neap__fs_stat_type(x.stx_mode),
      .dev = makedev(x.stx_dev_major, x.stx_dev_minor),
      .mode = x.stx_mode,
      .nlink = x.stx_nlink,
      .uid = x.stx_uid,
      .gid = x.stx_gid,
      .rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
      .ino = x.stx_ino,
      .size = x.stx_size,
      .blksize = x.stx_blksize,
      .blocks = x.stx_blocks,
      .atime = time_of(&x.stx_atime),
      .mtime = time_of(&x.stx_mtime),
      .ctime = time_of(&x.stx_ctime),
      .birthtime = time_of(&x.stx_btime),
  };
  return 0;
}
