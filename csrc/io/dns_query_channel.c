/* dns_query_channel.c: c-ares' channels on libuv's loop; see dns_query.h. */
#include "io/dns_query.h"

#include "io/handle.h"

/* From 1.28 on c-ares has other functions for much of this, which 1.18 (Debian
   12) lacks; the old ones stay. */
#define CARES_NO_DEPRECATED
#include <ares.h>

#include <string.h>

#define CLASS_IN 1

/* A socket of c-ares' that it wants to know about. */
struct watched {
  struct neap_list link;
  uv_poll_t poll;
  struct neap_dns_channel *channel;
  ares_socket_t fd;
  int events; /* libuv's; 0: c-ares has closed it */
};

struct neap_dns_channel {
  struct neap_handle handle;
  struct neap_dns_channel *next; /* in io->dns_channels */
  ares_channel ares;
  struct neap_timer timer;
  struct neap_list questions;
  struct neap_list sockets; /* the open ones */
  uint32_t nsockets;        /* which libuv has not let go of */
  int broken;               /* a socket or time can't be watched: why */
  uint64_t retry_ns;
  bool tcp;
  char servers[];
};

/* What c-ares holds of a question, until it has answered. */
struct neap_dns_asked {
  struct neap_rt *rt;
  struct neap_dns_question *question; /* NULL: it was taken back */
  struct neap_dns_channel *channel;
};

static struct neap_dns_channel *channel_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_dns_channel, handle);
}

/* --- answers -------------------------------------------------------------- */

/* SERVFAIL, REFUSED and no server at all are one thing here: after those c-ares
   asks the next server, and of the last one it does not always tell which it
   was. */
static int translate(int status) {
  switch (status) {
  case ARES_SUCCESS:
    return 0;
  case ARES_ENODATA:
    return UV_EAI_NODATA;
  case ARES_ENOTFOUND:
  case ARES_EBADNAME:
    return UV_EAI_NONAME;
  case ARES_EFORMERR:
  case ARES_EBADRESP:
    return UV_EPROTO;
  case ARES_ETIMEOUT:
    return UV_ETIMEDOUT;
  case ARES_ENOMEM:
    return UV_ENOMEM;
  case ARES_EDESTRUCTION:
  case ARES_ECANCELLED:
    return UV_ECANCELED;
  default:
    return UV_EAI_AGAIN;
  }
}

static void on_answer(void *arg, int status, int timeouts,
                      unsigned char *message, int len) {
  struct neap_dns_asked *asked = arg;
  struct neap_dns_question *question = asked->question;
  const int broken = asked->channel->broken;
  (void)timeouts;
  neap__mem_free(&asked->rt->mem, asked, sizeof *asked);
  if (question == NULL)
    return;
  question->asked = NULL;
  neap__list_remove(&question->link);
  question->on_answer(question, broken < 0 ? broken : translate(status),
                      message, len > 0 ? (size_t)len : 0);
}

/* --- the channel's end ---------------------------------------------------- */

static void unlink_channel(struct neap_dns_channel *channel) {
  struct neap_dns_channel **at = &channel->handle.rt->io->dns_channels;
  while (*at != channel)
    at = &(*at)->next;
  *at = channel->next;
}

/* c-ares answers all that it was asked, and has its sockets closed. */
static void end(struct neap_handle *handle) {
  struct neap_dns_channel *channel = channel_of(handle);
  unlink_channel(channel);
  neap__timer_stop(handle->rt, &channel->timer);
  ares_destroy(channel->ares);
  if (channel->nsockets == 0)
    neap__handle_gone(handle);
}

/* Nobody waits for it any more, or it can't go on. Not from c-ares' callbacks.
   The channel may be gone after this. */
static void end_unused(struct neap_dns_channel *channel) {
  if (neap__list_empty(&channel->questions) || channel->broken < 0) {
    neap__handle_close(&channel->handle);
    neap__handle_unref(&channel->handle);
  }
}

/* --- its times ------------------------------------------------------------ */

static void go_on(struct neap_dns_channel *channel);

static void on_time(struct neap_timer *timer) {
  struct neap_dns_channel *channel =
      NEAP_LIST_ENTRY(timer, struct neap_dns_channel, timer);
  ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  go_on(channel);
}

/* c-ares has done something: what it waits for next. The channel may be gone
   after this. */
static void go_on(struct neap_dns_channel *channel) {
  struct neap_rt *rt = channel->handle.rt;
  struct timeval tv;
  neap__timer_stop(rt, &channel->timer);
  if (ares_timeout(channel->ares, NULL, &tv) != NULL) {
    uint64_t us = (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;
    int err = neap__timer_start(rt, &channel->timer,
                                neap__timer_after(rt, us * 1000));
    if (err < 0)
      channel->broken = err;
  }
  end_unused(channel);
}

/* --- its sockets ---------------------------------------------------------- */

static void on_closed(uv_handle_t *uv) {
  struct watched *watched = uv->data;
  struct neap_dns_channel *channel = watched->channel;
  struct neap_rt *rt = channel->handle.rt;
  rt->uv_handles--;
  neap__mem_free(&rt->mem, watched, sizeof *watched);
  if (--channel->nsockets == 0 && channel->handle.closed)
    neap__handle_gone(&channel->handle);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct watched *watched, int events) {
  struct neap_dns_channel *channel = watched->channel;
  int err = uv_poll_start(&watched->poll, events, on_ready);
  channel->handle.rt->io->bare_uv += watched->events == 0;
  watched->events = events;
  if (err < 0)
    channel->broken = err;
}

/* An error is c-ares' to find; libuv has stopped watching for it. */
static void on_ready(uv_poll_t *poll, int status, int events) {
  struct watched *watched = poll->data;
  struct neap_dns_channel *channel = watched->channel;
  const bool read = status < 0 || (events & UV_READABLE) != 0;
  const bool written = status < 0 || (events & UV_WRITABLE) != 0;
  ares_process_fd(channel->ares, read ? watched->fd : ARES_SOCKET_BAD,
                  written ? watched->fd : ARES_SOCKET_BAD);
  if (status < 0 && watched->events != 0)
    watch(watched, watched->events);
  go_on(channel);
}

/* c-ares closes the socket when this has returned. */
static void unwatch(struct watched *watched) {
  watched->events = 0;
  watched->channel->handle.rt->io->bare_uv--;
  neap__list_remove(&watched->link);
  uv_close((uv_handle_t *)&watched->poll, on_closed);
}

static struct watched *find(struct neap_dns_channel *channel,
                            ares_socket_t fd) {
  struct neap_list *head = &channel->sockets, *link;
  for (link = head->next; link != head; link = link->next) {
    struct watched *watched = NEAP_LIST_ENTRY(link, struct watched, link);
    if (watched->fd == fd)
      return watched;
  }
  return NULL;
}

static struct watched *add(struct neap_dns_channel *channel, ares_socket_t fd) {
  struct neap_rt *rt = channel->handle.rt;
  struct watched *watched = neap__mem_zalloc(&rt->mem, sizeof *watched);
  int err =
      watched == NULL ? UV_ENOMEM : uv_poll_init(rt->loop, &watched->poll, fd);
  if (err < 0) {
    neap__mem_free(&rt->mem, watched, sizeof *watched);
    channel->broken = err;
    return NULL;
  }
  watched->poll.data = watched;
  watched->channel = channel;
  watched->fd = fd;
  neap__list_push(&channel->sockets, &watched->link);
  channel->nsockets++;
  rt->uv_handles++;
  return watched;
}

/* What c-ares wants to know of a socket of its own; nothing: it closes it. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable) {
  struct neap_dns_channel *channel = arg;
  struct watched *watched = find(channel, fd);
  int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (events == 0) {
    if (watched != NULL)
      unwatch(watched);
    return;
  }
  if (watched == NULL)
    watched = add(channel, fd);
  if (watched != NULL)
    watch(watched, events);
}

/* --- making one ----------------------------------------------------------- */

static int init(struct neap_dns_channel *channel) {
  struct ares_options options = {.sock_state_cb = on_socket,
                                 .sock_state_cb_data = channel};
  int mask = ARES_OPT_SOCK_STATE_CB;
  if (channel->tcp) {
    options.flags = ARES_FLAG_USEVC;
    mask |= ARES_OPT_FLAGS;
  }
  if (channel->retry_ns != 0) {
    uint64_t ms = (channel->retry_ns + 999999) / 1000000;
    options.timeout = ms < INT32_MAX ? (int)ms : INT32_MAX;
    mask |= ARES_OPT_TIMEOUTMS;
  }
  int status = ares_init_options(&channel->ares, &options, mask);
  if (status != ARES_SUCCESS)
    return translate(status);
  if (channel->servers[0] == '\0')
    return 0;
  status = ares_set_servers_ports_csv(channel->ares, channel->servers);
  if (status == ARES_SUCCESS)
    return 0;
  ares_destroy(channel->ares);
  return status == ARES_ENOMEM ? UV_ENOMEM : UV_EINVAL;
}

static const struct neap_handle_kind kind = {.what = "name servers"};

static int new_channel(struct neap_rt *rt, const struct neap_dns_way *way,
                       struct neap_dns_channel **out) {
  size_t len = strlen(way->servers) + 1;
  void *block;
  int err =
      neap__handle_new(rt, sizeof(struct neap_dns_channel) + len, end, &block);
  if (err < 0)
    return err;
  struct neap_dns_channel *channel = block;
  channel->handle.kind = &kind;
  channel->timer.fire = on_time;
  neap__list_init(&channel->questions);
  neap__list_init(&channel->sockets);
  channel->retry_ns = way->retry_ns;
  channel->tcp = way->tcp;
  memcpy(channel->servers, way->servers, len);
  err = init(channel);
  if (err < 0) {
    neap__handle_unref(&channel->handle);
    return err;
  }
  neap__handle_opened(&channel->handle);
  channel->next = rt->io->dns_channels;
  rt->io->dns_channels = channel;
  *out = channel;
  return 0;
}

static int get_channel(struct neap_rt *rt, const struct neap_dns_way *way,
                       struct neap_dns_channel **out) {
  struct neap_dns_channel *channel;
  for (channel = rt->io->dns_channels; channel != NULL;
       channel = channel->next) {
    if (channel->tcp == way->tcp && channel->retry_ns == way->retry_ns &&
        strcmp(channel->servers, way->servers) == 0) {
      *out = channel;
      return 0;
    }
  }
  return new_channel(rt, way, out);
}

/* --- questions ------------------------------------------------------------ */

int neap__dns_query_start(struct neap_rt *rt, const struct neap_dns_way *way,
                          const char *name, int type,
                          struct neap_dns_question *question) {
  struct neap_io *io;
  struct neap_dns_channel *channel;
  int err = neap__handle_io(rt, &io);
  if (err < 0)
    return err;
  struct neap_dns_asked *asked = neap__mem_zalloc(&rt->mem, sizeof *asked);
  if (asked == NULL)
    return UV_ENOMEM;
  err = get_channel(rt, way, &channel);
  if (err < 0) {
    neap__mem_free(&rt->mem, asked, sizeof *asked);
    return err;
  }
  asked->rt = rt;
  asked->question = question;
  asked->channel = channel;
  question->asked = asked;
  neap__list_push(&channel->questions, &question->link);
  ares_query(channel->ares, name, CLASS_IN, type, on_answer, asked);
  go_on(channel);
  return 0;
}

void neap__dns_query_stop(struct neap_dns_question *question) {
  struct neap_dns_asked *asked = question->asked;
  if (asked == NULL)
    return;
  asked->question = NULL;
  question->asked = NULL;
  neap__list_remove(&question->link);
  end_unused(asked->channel);
}
