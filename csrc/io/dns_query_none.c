/* dns_query_none.c: a build without c-ares: it says so. */
#include "include/neap.h"

#include <uv.h>

int neap_dns_query(neap_rt *rt, const char *name, neap_dns_type type,
                   const neap_dns_options *options, neap_dns_answer **out) {
  (void)rt;
  (void)name;
  (void)type;
  (void)options;
  (void)out;
  return UV_ENOTSUP;
}
