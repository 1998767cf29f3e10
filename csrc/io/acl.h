/*
 * acl.h: access control lists (POSIX.1e), which a file's mode does not show.
 * acl_linux.c copies them, acl_none.c knows of none.
 */
#ifndef NEAP_IO_ACL_H
#define NEAP_IO_ACL_H

/* Gives the open file `to` the list of the file at `from`, which is no link, if
   it has one. May block. Returns 0 or a negative code. */
int neap__acl_copy(const char *from, int to);

#endif
