/* udp_system_none.c: a system that does not tell what it has dropped, and where
   a socket gets what it has joined anyway; see udp_system.h. */
#include "io/udp_system.h"

uint64_t neap__udp_system_drops(int fd) {
  (void)fd;
  return 0;
}

int neap__udp_system_own_groups(int fd, int family) {
  (void)fd, (void)family;
  return 0;
}
