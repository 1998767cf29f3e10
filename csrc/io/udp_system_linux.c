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

/* A socket of IPv6 that stands for IPv4 addresses has both options. For IPv6
   there is one since Linux 4.20. */
int neap__udp_system_own_groups(int fd, int family) {
  int off = 0;
  if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off) != 0)
    return -1;
  if (family == AF_INET6 &&
      setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof off) != 0 &&
      errno != ENOPROTOOPT)
    return -1;
  return 0;
}
