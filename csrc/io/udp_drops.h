/*
 * udp_drops.h: what the kernel has dropped because a socket was not read.
 */
#ifndef NEAP_IO_UDP_DROPS_H
#define NEAP_IO_UDP_DROPS_H

#include <stdint.h>

/* How many datagrams that were for the socket fd the kernel has thrown away; 0
   where it does not tell. */
uint64_t neap__udp_drops_count(int fd);

#endif
