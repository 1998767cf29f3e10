/* udp_drops_linux.c: SO_MEMINFO, since Linux 4.12; see udp_drops.h. */
#include "io/udp_drops.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>

uint64_t neap__udp_drops_count(int fd) {
  uint32_t info[SK_MEMINFO_VARS];
  socklen_t len = sizeof info;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0 ||
      len <= SK_MEMINFO_DROPS * sizeof info[0])
    return 0;
  return info[SK_MEMINFO_DROPS];
}
