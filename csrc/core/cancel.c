/* cancel.c: the tree of entries; the idea is in cancel.h. */
#include "core/cancel.h"

#include "core/rt.h"

static struct neap_entry *entry_of_link(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct neap_entry, link);
}

/* What the waits of task return at once has changed, or may have. */
static void apply(struct neap_task *task) {
  struct neap_rt *rt = task->rt;
  if (task->interrupt == NEAP_CLOSING)
    return;
  bool cancelled =
      task->entry != NULL ? task->entry->cause != NULL : task->cancelled;
  task->interrupt = cancelled ? NEAP_CANCELLED : 0;
  if (cancelled && task->op != NULL)
    rt->cancels.interrupt(task);
}

/* Looks at entry's cause anew. False when it is as it was. */
static bool refresh(struct neap_entry *entry) {
  struct neap_entry *cause = NULL;
  if (entry->outer != NULL && entry->kind != NEAP_ENTRY_SHIELD)
    cause = entry->outer->cause;
  if (cause == NULL && entry->why != 0)
    cause = entry;
  if (cause == entry->cause)
    return false;
  entry->cause = cause;
  if (entry->task != NULL)
    apply(entry->task);
  return true;
}

/* Looks at the causes in the tree below top, and top's own. As deep as programs
   nest, so without recursion. */
static void refresh_all(struct neap_entry *top) {
  struct neap_entry *entry = top;
  for (;;) {
    if (refresh(entry) && !neap__list_empty(&entry->inner)) {
      entry = entry_of_link(entry->inner.next);
      continue;
    }
    while (entry != top && entry->link.next == &entry->outer->inner)
      entry = entry->outer;
    if (entry == top)
      return;
    entry = entry_of_link(entry->link.next);
  }
}

static void link_in(struct neap_entry *entry, struct neap_entry *outer) {
  entry->outer = outer;
  if (outer != NULL)
    neap__list_push(&outer->inner, &entry->link);
}

static void unlink_from(struct neap_entry *entry) {
  if (entry->outer != NULL)
    neap__list_remove(&entry->link);
  entry->outer = NULL;
}

void neap__cancel_open(struct neap_rt *rt, struct neap_entry *entry,
                       enum neap_entry_kind kind, struct neap_entry *outer) {
  neap__list_init(&entry->inner);
  entry->kind = (uint8_t)kind;
  entry->due_ns = NEAP_FOREVER;
  entry->serial = ++rt->cancels.serial;
  link_in(entry, outer);
  refresh(entry);
}

static void on_deadline(struct neap_timer *timer) {
  struct neap_entry *entry = NEAP_LIST_ENTRY(timer, struct neap_entry, timer);
  neap__cancel_entry(entry, NEAP_WHY_TIMEOUT);
}

int neap__cancel_limit(struct neap_rt *rt, struct neap_entry *entry,
                       uint64_t due_ns) {
  entry->due_ns = due_ns;
  if (due_ns == NEAP_FOREVER)
    return 0;
  if (due_ns <= rt->sched.now_ns) {
    neap__cancel_entry(entry, NEAP_WHY_TIMEOUT);
    return 0;
  }
  entry->timer.fire = on_deadline;
  return neap__timer_start(rt, &entry->timer, due_ns);
}

void neap__cancel_leave(struct neap_rt *rt, struct neap_entry *entry) {
  struct neap_entry *outer = entry->outer;
  struct neap_list *link;
  neap__timer_stop(rt, &entry->timer);
  unlink_from(entry);
  if (entry->cause == entry && rt->sched.current != NULL)
    rt->sched.current->swallowed = 0; /* what it has swallowed is over */
  if (entry->task != NULL)
    neap__cancel_stand(entry->task, outer);
  while ((link = neap__list_pop(&entry->inner)) != NULL) {
    struct neap_entry *inner = entry_of_link(link);
    link_in(inner, outer);
    refresh_all(inner);
  }
}

void neap__cancel_move(struct neap_entry *entry, struct neap_entry *outer) {
  if (entry->outer == outer)
    return;
  unlink_from(entry);
  link_in(entry, outer);
  refresh_all(entry);
}

void neap__cancel_stand(struct neap_task *task, struct neap_entry *entry) {
  if (task->entry != NULL)
    task->entry->task = NULL;
  task->entry = entry;
  if (entry != NULL)
    entry->task = task;
  apply(task);
}

bool neap__cancel_entry(struct neap_entry *entry, enum neap_why why) {
  if (entry->why != 0)
    return false;
  entry->why = (uint8_t)why;
  refresh_all(entry);
  return true;
}

bool neap__cancel_task(struct neap_task *task) {
  if (task->cancelled || task->state == NEAP_TASK_ENDED)
    return false;
  task->cancelled = true;
  struct neap_entry *root = neap__cancel_root_of(task);
  if (root != NULL)
    neap__cancel_entry(root, NEAP_WHY_ASKED);
  else
    apply(task);
  return true;
}

void neap__cancel_begin(struct neap_task *task, struct neap_entry *root,
                        struct neap_entry *scope) {
  if (task->cancelled)
    root->why = NEAP_WHY_ASKED;
  neap__cancel_open(task->rt, root, NEAP_ENTRY_ROOT, scope);
  neap__cancel_stand(task, root);
}

int neap__cancel_root(struct neap_task *task) {
  if (task->entry != NULL)
    return 0;
  struct neap_entry *root =
      neap__mem_zalloc(&task->rt->mem, sizeof(struct neap_entry));
  if (root == NULL)
    return UV_ENOMEM;
  neap__cancel_begin(task, root, NULL);
  return 0;
}

struct neap_entry *neap__cancel_root_of(const struct neap_task *task) {
  struct neap_entry *entry = task->entry;
  while (entry != NULL && entry->kind != NEAP_ENTRY_ROOT)
    entry = entry->outer;
  return entry;
}

struct neap_entry *neap__cancel_end(struct neap_task *task) {
  struct neap_rt *rt = task->rt;
  struct neap_entry *root = neap__cancel_root_of(task);
  if (root == NULL)
    return NULL;
  struct neap_entry *scope = root->outer;
  task->entry->task = NULL;
  task->entry = NULL;
  /* What is still in it are blocks of coroutines that live on: who runs them
     next takes them over. */
  neap__cancel_leave(rt, root);
  neap__mem_free(&rt->mem, root, sizeof *root);
  return scope;
}

struct neap_entry *neap__cancel_scope(struct neap_entry *entry) {
  while (entry != NULL && entry->kind != NEAP_ENTRY_SCOPE)
    entry = entry->outer;
  return entry;
}

uint64_t neap__cancel_due(const struct neap_entry *entry) {
  uint64_t due = NEAP_FOREVER;
  for (; entry != NULL; entry = entry->outer) {
    if (entry->due_ns < due)
      due = entry->due_ns;
    if (entry->kind == NEAP_ENTRY_SHIELD)
      break;
  }
  return due;
}
