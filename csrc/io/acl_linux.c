/* acl_linux.c: Linux keeps a file's list in an extended attribute, acl(5). */
#include "io/acl.h"

#include "core/mem.h"

#include <uv.h>

#include <errno.h>
#include <sys/xattr.h>

#define NAME "system.posix_acl_access"

int neap__acl_copy(const char *from, int to) {
  ssize_t size = lgetxattr(from, NAME, NULL, 0);
  if (size < 0 && (errno == ENODATA || errno == ENOTSUP))
    return 0;
  if (size < 0)
    return uv_translate_sys_error(errno);
  if (size == 0)
    return 0;
  char *list = neap__mem_shared_alloc((size_t)size);
  if (list == NULL)
    return UV_ENOMEM;
  int err = 0;
  size = lgetxattr(from, NAME, list, (size_t)size);
  if (size < 0 || fsetxattr(to, NAME, list, (size_t)size, 0) < 0)
    err = uv_translate_sys_error(errno);
  neap__mem_shared_free(list);
  return err;
}
