/* fs_stat_none.c: fstatat(2), which does not tell when a file was made: the
   change of its inode stands for that. */
#include "io/fs_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <uv.h>

static neap_fs_time time_of(const struct timespec *time) {
  return (neap_fs_time){.sec = time->tv_sec, .nsec = time->tv_nsec};
}

int neap__fs_stat_at(int dirfd, const char *name, bool follow,
                     neap_fs_info *out) {
  struct stat st;
  int result;
  do {
    if (name[0] == '\0')
      result = fstat(dirfd, &st);
    else
      result = fstatat(dirfd, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW);
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    return uv_translate_sys_error(errno);
  *out = (neap_fs_info){
      .type = neap__fs_stat_type(st.st_mode),
      .dev = st.st_dev,
      .mode = st.st_mode,
      .nlink = st.st_nlink,
      .uid = st.st_uid,
      .gid = st.st_gid,
      .rdev = st.st_rdev,
      .ino = st.st_ino,
      .size = (uint64_t)st.st_size,
      .blksize = (uint64_t)st.st_blksize,
      .blocks = (uint64_t)st.st_blocks,
      .atime = time_of(&st.st_atim),
      .mtime = time_of(&st.st_mtim),
      .ctime = time_of(&st.st_ctim),
      .birthtime = time_of(&st.st_ctim),
  };
  return 0;
}
