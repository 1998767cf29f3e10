/*
 * addr.h: text and socket addresses. No name is looked up here.
 */
#ifndef NEAP_IO_ADDR_H
#define NEAP_IO_ADDR_H

#include "include/neap.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* An IP address and port; a third of a sockaddr_storage. */
union neap_addr {
  struct sockaddr any;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
};

/* Reads an IPv4 or IPv6 address ("fe80::1%eth0" too). False: it is none. */
bool neap__addr_parse(const char *text, uint16_t port, union neap_addr *out);

/* Copies an AF_INET or AF_INET6 address and gives it port. */
void neap__addr_set(union neap_addr *addr, const struct sockaddr *from,
                    uint16_t port);

socklen_t neap__addr_len(const union neap_addr *addr);

/* Family, text and port of the socket fd's own address, or of its peer's; of a
   unix socket the path. Returns 0 or a negative UV_E*. */
int neap__addr_of_fd(int fd, bool peer, neap_address *out);

/* Family, text and port of an IP address. */
void neap__addr_describe(const union neap_addr *addr, neap_address *out);

/* "127.0.0.1:80", "[::1]:80"; "unix socket" for an all-zero address; cut to
 * size bytes with the NUL. */
void neap__addr_format(const union neap_addr *addr, char *out, size_t size);

/*
 * The loopback addresses that host stands for by itself: "localhost" and every
 * name below it (RFC 6761 section 6.3). IPv4 first: every system has it, and a
 * datagram or a listener, which takes one address, meets its peer. False: host
 * is another name.
 */
bool neap__addr_localhost(const char *host, uint16_t port,
                          union neap_addr out[2]);

/* Whether text can be a host's name: not empty, no longer than the DNS allows,
   no white space and no control characters. */
bool neap__addr_is_name(const char *text);

/* The path of "unix:/path", or NULL. */
const char *neap__addr_unix(const char *host);

#endif
