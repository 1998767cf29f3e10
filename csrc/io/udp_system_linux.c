/* udp_system_linux.c: SO_MEMINFO, since Linux 4.12, and IP_MULTICAST_ALL; see
   udp_system.h. */
#include "io/udp_system.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

uint64_t neap__udp_system_drops(int fd) {
  uint32_t info[SK_MEMINFO_VARS];
  socklen_t len = sizeof info;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0 ||
      len <= SK_MEMINFO_DROPS * sizeof info[0])
    return 0;
  return info[SK_MEMINFO_DROPS];
}

static int turn_off(int fd, int level, int name) {
  int off = 0;
  return setsockopt(fd, level, name, &off, sizeof off) == 0 ||
                 errno == ENOPROTOOPT /* an old kernel, or a sandbox */
             ? 0
             : -1;
}

/* A socket of IPv6 has both options, as it may stand for IPv4 addresses. */
int neap__udp_system_own_groups(int fd, int family) {
  if (family == AF_INET6 && turn_off(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL) != 0)
    return -1;
  return turn_off(fd, IPPROTO_IP, IP_MULTICAST_ALL);
}
