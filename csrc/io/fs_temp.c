/* fs_temp.c: temporary files and folders, where the system keeps them. */
#include "io/file.h"

#include <string.h>

/* What their names begin with; the end is made up. */
#define NAME "/neap-XXXXXX"

/* The template for a name. Returns 0 and shared memory, or a negative code. */
static int new_template(char **out) {
  size_t size = 256;
  for (;;) {
    char *path = neap__mem_shared_alloc(size + sizeof NAME);
    if (path == NULL)
      return UV_ENOMEM;
    size_t len = size;
    int err = uv_os_tmpdir(path, &len);
    if (err == 0) {
      memcpy(path + len, NAME, sizeof NAME);
      *out = path;
      return 0;
    }
    neap__mem_shared_free(path);
    if (err != UV_ENOBUFS)
      return err;
    size = len; /* what it takes, the zero included */
  }
}

int neap_fs_tempfile(neap_rt *rt, neap_blob *name, neap_file **out) {
  char *template_ = NULL;
  neap_blob made;
  neap_file *file;
  int err = new_template(&template_);
  if (err < 0)
    return err;
  size_t size = strlen(template_) + 1;
  char *kept = neap__mem_alloc(&rt->mem, size); /* before there is a file */
  err = kept != NULL ? neap_fs_mkstemp(rt, template_, &made, &file) : UV_ENOMEM;
  neap__mem_shared_free(template_);
  if (err < 0) {
    neap__mem_free(&rt->mem, kept, size);
    return err;
  }
  memcpy(kept, made.base, size);
  file->temporary = kept;
  *name = made;
  *out = file;
  return 0;
}

int neap_fs_tempdir(neap_rt *rt, neap_blob *name) {
  char *template_ = NULL;
  int err = new_template(&template_);
  if (err < 0)
    return err;
  err = neap_fs_mkdtemp(rt, template_, name);
  neap__mem_shared_free(template_);
  return err;
}
