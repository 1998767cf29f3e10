/*
 * fs_range_linux.c: ioctl_ficlone(2) (Btrfs, XFS, ...), copy_file_range(2)
 * (from 5.3 on between file systems of a kind, NFS and CIFS on the server),
 * lseek(2)'s SEEK_DATA and SEEK_HOLE, xattr(7).
 */
#include "io/fs_range.h"

#include "core/mem.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uv.h>

int neap__fs_range_clone(int in, int out) {
  return ioctl(out, FICLONE, in) == 0 ? 0 : UV_ENOTSUP;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters) */
int64_t neap__fs_range_copy(int in, int out, uint64_t at, size_t n) {
  loff_t from = (loff_t)at, to = (loff_t)at;
  ssize_t result;
  do {
    result = copy_file_range(in, &from, out, &to, n, 0);
  } while (result < 0 && errno == EINTR);
  if (result >= 0)
    return result;
  switch (errno) {
  case ENOSYS:
  case EOPNOTSUPP:
  case EXDEV:
  case EINVAL:
  case EBADF:
  case ETXTBSY:
  case EPERM: /* a filter against it */
    return UV_ENOTSUP;
  default:
    return uv_translate_sys_error(errno);
  }
}

int neap__fs_range_data(int fd, uint64_t at, uint64_t *begin, uint64_t *end) {
  off_t data = lseek(fd, (off_t)at, SEEK_DATA);
  if (data < 0)
    return errno == ENXIO ? 0 : UV_ENOTSUP;
  off_t hole = lseek(fd, data, SEEK_HOLE);
  if (hole <= data)
    return UV_ENOTSUP;
  *begin = (uint64_t)data;
  *end = (uint64_t)hole;
  return 1;
}

/* What can't be set there, or has gone meanwhile, is left out, as cp does. */
static int check(ssize_t result) {
  if (result >= 0 || errno == ENOTSUP || errno == EPERM || errno == EACCES ||
      errno == ENODATA || errno == ERANGE)
    return 0;
  return uv_translate_sys_error(errno);
}

static int copy_one(int from, int to, const char *name) {
  ssize_t size = fgetxattr(from, name, NULL, 0);
  if (size < 0)
    return check(size);
  char *value = neap__mem_shared_alloc((size_t)size + 1);
  if (value == NULL)
    return UV_ENOMEM;
  ssize_t result = fgetxattr(from, name, value, (size_t)size);
  if (result >= 0)
    result = fsetxattr(to, name, value, (size_t)result, 0);
  int err = check(result);
  neap__mem_shared_free(value);
  return err;
}

int neap__fs_range_attributes(int from, int to) {
  ssize_t size = flistxattr(from, NULL, 0);
  if (size <= 0)
    return check(size);
  char *names = neap__mem_shared_alloc((size_t)size);
  if (names == NULL)
    return UV_ENOMEM;
  size = flistxattr(from, names, (size_t)size);
  int err = check(size);
  for (char *name = names; err == 0 && name < names + size;
       name += strlen(name) + 1)
    err = copy_one(from, to, name);
  neap__mem_shared_free(names);
  return err;
}
