/*
 * readfile.c: opens, reads and closes cached files by blocking calls, and
 * prints the wall time of one in us. usage: readfile file...
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READS 60000

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static size_t read_one(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) < 0)
    fail(path);
  size_t size = (size_t)st.st_size, done = 0;
  char *bytes = malloc(size + 1);
  if (bytes == NULL)
    fail("malloc");
  while (done < size) {
    ssize_t n = read(fd, bytes + done, size - done);
    if (n <= 0)
      fail(path);
    done += (size_t)n;
  }
  free(bytes);
  close(fd);
  return done;
}

int main(int argc, char **argv) {
  if (argc < 2)
    return 2;
  size_t total = 0;
  for (int i = 1; i < argc; i++)
    total += read_one(argv[i]);
  double begun = now_us();
  for (int i = 0; i < READS; i++)
    total += read_one(argv[1 + i % (argc - 1)]);
  printf("%.4f\n", (now_us() - begun) / READS);
  return total > 0 ? 0 : 1;
}
