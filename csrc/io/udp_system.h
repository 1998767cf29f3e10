/*
 * udp_system.h: what systems do differently about UDP sockets.
 */
#ifndef NEAP_IO_UDP_SYSTEM_H
#define NEAP_IO_UDP_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/* How many datagrams that were for the socket fd the kernel has thrown away; 0
   where it does not tell. */
uint64_t neap__udp_system_drops(int fd);

/* Lets the socket fd get what is sent to the groups that it joins itself, and
   not what other sockets of the machine have joined. Returns 0, or -1 and
   errno. */
int neap__udp_system_own_groups(int fd, int family);

#endif
