/*
 * walk_uv.c: the names and kinds of all that is below a folder, by libuv's
 * uv_fs_scandir alone, blocking. Prints how long it took, in ms.
 * usage: walk_uv FOLDER EXPECTED
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static char path[4096];
static long count, bytes;

static void walk(size_t len) {
  uv_fs_t req;
  uv_dirent_t entry;
  int n = uv_fs_scandir(NULL, &req, path, 0, NULL);
  if (n < 0) {
    fprintf(stderr, "walk_uv: %s: %s\n", path, uv_strerror(n));
    exit(1);
  }
  while (uv_fs_scandir_next(&req, &entry) != UV_EOF) {
    size_t name_len = strlen(entry.name);
    path[len] = '/';
    memcpy(path + len + 1, entry.name, name_len + 1);
    count++;
    bytes += (long)(len + 1 + name_len);
    if (entry.type == UV_DIRENT_DIR)
      walk(len + 1 + name_len);
  }
  path[len] = '\0';
  uv_fs_req_cleanup(&req);
}

int main(int argc, char **argv) {
  if (argc != 3 || strlen(argv[1]) >= sizeof path / 2)
    return 2;
  strcpy(path, argv[1]);
  uint64_t begun = uv_hrtime();
  walk(strlen(path));
  uint64_t took = uv_hrtime() - begun;
  if (count != atol(argv[2])) {
    fprintf(stderr, "walk_uv: %ld names, %ld bytes\n", count, bytes);
    return 1;
  }
  printf("%.6f\n", (double)took / 1e6);
  return 0;
}
