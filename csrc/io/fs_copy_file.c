/* fs_copy_file.c: a file's bytes, alone or in a tree; see fs_copy.h. */
#include "io/fs_copy.h"

#include "io/fd.h"
#include "io/fs_stat.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- a file's bytes ------------------------------------------------- */

/* Where the copy of the file under way is named. */
static int target_folder(const struct neap_copy *copy) {
  return copy->recursive ? neap__tree_fd(&copy->to) : AT_FDCWD;
}

static const char *target_name(const struct neap_copy *copy) {
  return copy->recursive ? neap__tree_entry(&copy->to) : copy->target;
}

void neap__fs_copy_file_undo(struct neap_copy *copy) {
  if (!copy->in_file)
    return;
  copy->in_file = false;
  neap__fs_data_end(&copy->data);
  if (copy->made)
    unlinkat(target_folder(copy), target_name(copy), 0);
}

/* All bytes are there. */
static int end_file(struct neap_copy *copy) {
  int err = 0;
  if (copy->recursive)
    err = neap__fs_copy_entry_attributes(copy->data.in, copy->data.out,
                                         &copy->info);
  if (err == 0) {
    err = neap__fs_data_end(&copy->data);
    copy->in_file = err < 0;
  }
  return neap__fs_copy_at_target(copy, err);
}

int neap__fs_copy_file_take(struct neap_copy *copy, int in, int out,
                            bool made) {
  copy->in_file = true;
  copy->made = made;
  if (neap__fs_data_begin(&copy->data, in, out, copy->info.size) == 1)
    return 1;
  copy->bytes += copy->info.size;
  int err = end_file(copy);
  return err < 0 ? err : 1;
}

int neap__fs_copy_file_step(struct neap_copy *copy, uint64_t until_ns) {
  int more = neap__fs_data_step(&copy->data, until_ns, &copy->bytes);
  if (more == 0)
    more = end_file(copy);
  else if (more < 0)
    neap__fs_copy_at_target(copy, more);
  return more < 0 ? more : 1;
}

/* --- one file, as cp does it ---------------------------------------- */

static int open_source(struct neap_copy *copy) {
  int in = neap__fs_copy_open(AT_FDCWD, copy->source, O_RDONLY, 0);
  if (in < 0)
    return in;
  int err = neap__fs_stat_at(in, "", false, &copy->info);
  if (err == 0 && S_ISDIR((mode_t)copy->info.mode))
    err = UV_EISDIR;
  else if (err == 0 && !S_ISREG((mode_t)copy->info.mode))
    err = UV_ENOTSUP;
  if (err == 0)
    return in;
  neap__fd_close(in);
  return err;
}

/* Opens a file that is there: another regular one, which is emptied. */
static int open_existing(struct neap_copy *copy) {
  neap_fs_info info;
  int out = neap__fs_copy_open(AT_FDCWD, copy->target, O_WRONLY, 0);
  if (out < 0)
    return out;
  int err = neap__fs_stat_at(out, "", false, &info);
  if (err == 0 && !S_ISREG((mode_t)info.mode))
    err = UV_ENOTSUP;
  else if (err == 0 && info.dev == copy->info.dev && info.ino == copy->info.ino)
    err = UV_EINVAL; /* onto itself */
  if (err == 0)
    err = neap__fs_copy_result(ftruncate(out, 0));
  if (err == 0)
    return out;
  neap__fd_close(out);
  return err;
}

int neap__fs_copy_file_begin(struct neap_copy *copy) {
  int in = open_source(copy);
  if (in < 0)
    return neap__fs_copy_at_source(copy, in);
  bool made = true;
  int mode = (int)copy->info.mode & 0777; /* less the umask */
  int out = neap__fs_copy_open(AT_FDCWD, copy->target,
                               O_WRONLY | O_CREAT | O_EXCL, mode);
  if (out == UV_EEXIST) {
    made = false;
    out = open_existing(copy);
  }
  if (out < 0) {
    neap__fd_close(in);
    return neap__fs_copy_at_target(copy, out);
  }
  return neap__fs_copy_file_take(copy, in, out, made);
}
