/* fs_fast_none.c: no such way on this system; see fs_fast.h. */
#include "io/fs_fast.h"

int neap__fs_fast_open(struct neap_io *io, const char *path, int flags) {
  (void)io;
  (void)path;
  (void)flags;
  return UV_EAGAIN;
}

int64_t neap__fs_fast_read(struct neap_io *io, int fd, char *bytes, size_t n,
                           int64_t at) {
  (void)io;
  (void)fd;
  (void)bytes;
  (void)n;
  (void)at;
  return UV_ENOTSUP;
}

int neap__fs_fast_stat(struct neap_rt *rt, const char *path, bool follow,
                       neap_fs_info *out) {
  (void)rt;
  (void)path;
  (void)follow;
  (void)out;
  return UV_EAGAIN;
}

int neap__fs_fast_look(struct neap_io *io, int fd, neap_fs_info *out) {
  (void)io;
  (void)fd;
  (void)out;
  return UV_EAGAIN;
}

void neap__fs_fast_learn(const char *path, bool follow,
                         struct neap_mount *out) {
  (void)path;
  (void)follow;
  *out = (struct neap_mount){0};
}

void neap__fs_fast_learn_fd(int fd, struct neap_mount *out) {
  (void)fd;
  *out = (struct neap_mount){0};
}

void neap__fs_fast_note(struct neap_io *io, const struct neap_mount *mount) {
  (void)io;
  (void)mount;
}
