/* info.c: figures and dumps; what they are is told in info.h. */
#include "core/info.h"

#include "core/rt.h"
#include "core/scope.h"

#include <stdio.h>
#include <string.h>

/* So many tasks are looked at, main and the oldest first. */
#define LOOKED_AT 10000

/* From so many tasks on those that are alike share an entry. */
#define MANY 16

#define MAX_CYCLES 8
#define MAX_DEPTH  16 /* of indentation */

/* A task or a scope. Index 0 is the root, which is neither; as a link it is
   none. */
struct node {
  const struct neap_task *task; /* NULL: a scope */
  const struct neap_scope *scope;
  uint32_t parent, first, last, next; /* children are a list */
  uint32_t waker;                     /* the task that could end its wait */
  uint32_t seen;                      /* cycles: by the search from that one */
  uint32_t alike;    /* so many tasks does it stand for; 0: another one does */
  uint64_t since_ns; /* of those alike, the earliest */
  bool told;
};

/* From a key to a node. */
struct slot {
  uint64_t key;
  uint32_t node;
};

struct tree {
  struct neap_rt *rt;
  struct node *nodes;
  uint32_t n, capacity, ntasks;
  struct slot *slots;
  uint32_t mask; /* their number, a power of two, less one */
};

/* --- making the tree ------------------------------------------------------ */

enum key_kind { TASK_KEY = 1, SCOPE_KEY, ALIKE_KEY };

/* Spreads all bits of key over all bits (the finalizer of MurmurHash3). */
static uint64_t mix(uint64_t key) {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccdu;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53u;
  return key ^ key >> 33;
}

static uint64_t key_of(enum key_kind kind, uint64_t value) {
  return mix(value * 4 + kind) | 1; /* 0 is a free slot */
}

/* The place for the node of a key: 0 while it has none. */
static uint32_t *find(struct tree *tree, uint64_t key) {
  uint32_t i = (uint32_t)(key >> 32) & tree->mask;
  while (tree->slots[i].key != key && tree->slots[i].key != 0)
    i = (i + 1) & tree->mask;
  tree->slots[i].key = key;
  return &tree->slots[i].node;
}

static uint32_t task_node(struct tree *tree, uint64_t id) {
  return *find(tree, key_of(TASK_KEY, id));
}

static void attach(struct tree *tree, uint32_t child, uint32_t parent) {
  struct node *nodes = tree->nodes;
  nodes[child].parent = parent;
  if (nodes[parent].last != 0)
    nodes[nodes[parent].last].next = child;
  else
    nodes[parent].first = child;
  nodes[parent].last = child;
}

/* The scope that scope was opened in, by the same task, or NULL. */
static struct neap_scope *outer_scope(const struct neap_scope *scope) {
  struct neap_entry *entry = scope->entry.outer;
  while (entry != NULL && entry->kind == NEAP_ENTRY_SHIELD)
    entry = entry->outer;
  return entry != NULL && entry->kind == NEAP_ENTRY_SCOPE
             ? neap__scope_of(entry)
             : NULL;
}

/* The node of a scope, made and attached if there is none yet, as are those
   around it; 0 if there is no more room. */
static uint32_t scope_node(struct tree *tree, struct neap_scope *scope) {
  uint32_t first = 0, inner = 0;
  for (;;) {
    uint32_t *place = find(tree, key_of(SCOPE_KEY, scope->entry.serial));
    const bool known = *place != 0;
    if (!known && tree->n == tree->capacity)
      break;
    if (!known) {
      *place = tree->n++;
      tree->nodes[*place].scope = scope;
    }
    if (inner != 0)
      attach(tree, inner, *place);
    else
      first = *place;
    if (known)
      return first;
    inner = *place;
    struct neap_scope *outer = outer_scope(scope);
    if (outer == NULL)
      break;
    scope = outer;
  }
  if (inner != 0)
    attach(tree, inner, task_node(tree, scope->owner->id));
  return first;
}

static const struct neap_op *op_of(const struct neap_task *task) {
  return task->state == NEAP_TASK_WAITING ? task->op : NULL;
}

static uint64_t waker_of(const struct neap_task *task) {
  const struct neap_op *op = op_of(task);
  const struct neap_op_kind *kind = op != NULL ? neap__op_kind_of(op) : NULL;
  return kind != NULL && kind->waker != NULL ? kind->waker(op) : 0;
}

static void add_tasks(struct tree *tree) {
  struct neap_list *node = tree->rt->sched.tasks.next;
  for (uint32_t i = 0; i < tree->ntasks; i++, node = node->next) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    struct node *fresh = &tree->nodes[tree->n];
    fresh->task = task;
    fresh->alike = 1;
    fresh->since_ns = task->since_ns;
    *find(tree, key_of(TASK_KEY, task->id)) = tree->n++;
  }
}

static void attach_tasks(struct tree *tree) {
  for (uint32_t i = 1; i <= tree->ntasks; i++) {
    struct node *node = &tree->nodes[i];
    struct neap_entry *root = neap__cancel_root_of(node->task);
    uint32_t parent = 0;
    if (root != NULL && root->outer != NULL)
      parent = scope_node(tree, neap__scope_of(root->outer));
    attach(tree, i, parent);
    uint64_t waker = waker_of(node->task);
    node->waker = waker != 0 ? task_node(tree, waker) : 0;
  }
}

/* What tasks that are alike have in common. */
static uint64_t likeness(const struct tree *tree, const struct node *node) {
  const struct neap_task *task = node->task;
  const struct neap_op *op = op_of(task);
  const struct neap_info *info = &tree->rt->info;
  uint64_t hash = mix(node->parent * (uint64_t)8 + task->state);
  hash = mix(hash ^ (op != NULL ? (uintptr_t)op->what : 0));
  if (info->stack_hash != NULL)
    hash = mix(hash ^ info->stack_hash(task));
  return key_of(ALIKE_KEY, hash);
}

static void group(struct tree *tree) {
  for (uint32_t i = 1; i <= tree->ntasks; i++) {
    struct node *node = &tree->nodes[i];
    if (node->first != 0 || node->task->state == NEAP_TASK_RUNNING)
      continue;
    uint32_t *place = find(tree, likeness(tree, node));
    if (*place == 0) {
      *place = i;
      continue;
    }
    struct node *other = &tree->nodes[*place];
    other->alike++;
    if (node->since_ns < other->since_ns)
      other->since_ns = node->since_ns;
    node->alike = 0;
  }
}

static void free_tree(struct tree *tree) {
  struct neap_mem *mem = &tree->rt->mem;
  neap__mem_free(mem, tree->nodes, tree->capacity * sizeof *tree->nodes);
  neap__mem_free(mem, tree->slots,
                 ((size_t)tree->mask + 1) * sizeof *tree->slots);
}

/* False without memory, and with nothing to be freed. */
static bool make_tree(struct tree *tree, struct neap_rt *rt) {
  uint32_t all = rt->sched.ntasks + 1;
  tree->rt = rt;
  tree->ntasks = all < LOOKED_AT ? all : LOOKED_AT;
  tree->capacity = 2 * tree->ntasks + 64; /* with as many scopes */
  tree->n = 1;
  size_t slots = 256; /* a key per node, another per task that is like others */
  while (slots < 2 * ((size_t)tree->capacity + tree->ntasks))
    slots *= 2;
  tree->mask = (uint32_t)slots - 1;
  tree->nodes =
      neap__mem_zalloc(&rt->mem, tree->capacity * sizeof *tree->nodes);
  tree->slots = neap__mem_zalloc(&rt->mem, slots * sizeof *tree->slots);
  if (tree->nodes == NULL || tree->slots == NULL) {
    free_tree(tree);
    return false;
  }
  add_tasks(tree);
  attach_tasks(tree);
  if (all > MANY)
    group(tree);
  return true;
}

/* --- telling it ----------------------------------------------------------- */

static double seconds(uint64_t ns) {
  return (double)ns / 1e9;
}

static uint64_t since(const struct neap_rt *rt, uint64_t then_ns) {
  uint64_t now = neap__clock_now(&rt->clock);
  return now > then_ns ? now - then_ns : 0;
}

static void tell_name(const struct neap_task *task, struct neap_text *text) {
  const struct neap_info *info = &task->rt->info;
  const char *name =
      info->name_of != NULL ? info->name_of(task) : neap__task_c_name(task);
  neap__text_add(text, "task %llu%s%.80s", (unsigned long long)task->id,
                 name != NULL ? " " : "", name != NULL ? name : "");
}

void neap__info_wait(const struct neap_task *task, char *out, size_t size) {
  const struct neap_op *op = task->op;
  const struct neap_op_kind *kind = neap__op_kind_of(op);
  int n = snprintf(out, size, "%s", op->what);
  if (kind == NULL || kind->describe == NULL || n < 0 || (size_t)n + 2 > size)
    return;
  out[n] = ' ';
  out[n + 1] = '\0';
  kind->describe(op, out + n + 1, size - (size_t)n - 1);
  if (out[n + 1] == '\0')
    out[n] = '\0';
}

/* ", 2.000 s to go": until due at the latest. */
static void tell_due(const struct neap_rt *rt, uint64_t due,
                     struct neap_text *text) {
  if (due == NEAP_FOREVER)
    return;
  uint64_t now = neap__clock_now(&rt->clock);
  neap__text_add(text, ", %.3f s to go", seconds(due > now ? due - now : 0));
}

static void tell_wait(const struct tree *tree, const struct node *node,
                      struct neap_text *text) {
  const struct neap_task *task = node->task;
  const struct neap_op *op = task->op;
  char wait[128];
  neap__info_wait(task, wait, sizeof wait);
  neap__text_add(text, " in %s", wait);
  if (node->waker != 0) {
    neap__text_add(text, " of ");
    tell_name(tree->nodes[node->waker].task, text);
  }
  neap__text_add(text, node->alike > 1 ? " for up to %.3f s" : " for %.3f s",
                 seconds(since(tree->rt, node->since_ns)));
  if (node->alike > 1)
    return;
  uint64_t due = neap__cancel_due(task->entry);
  if (op->timer.place != 0 && neap__timer_due(tree->rt, &op->timer) < due)
    due = neap__timer_due(tree->rt, &op->timer);
  tell_due(tree->rt, due, text);
}

static void tell_task(const struct tree *tree, const struct node *node,
                      struct neap_text *text, uint32_t indent) {
  const struct neap_task *task = node->task;
  const struct neap_info *info = &tree->rt->info;
  neap__text_indent(text, indent);
  if (node->alike > 1)
    neap__text_add(text, "%u tasks like ", (unsigned)node->alike);
  tell_name(task, text);
  neap__text_add(text, ": %s", neap__task_state_name(task));
  if (op_of(task) != NULL)
    tell_wait(tree, node, text);
  else if (task->state != NEAP_TASK_RUNNING)
    neap__text_add(text, " for %.3f s",
                   seconds(since(tree->rt, node->since_ns)));
  if (task->interrupt == NEAP_CANCELLED)
    neap__text_add(text, ", cancelled");
  neap__text_add(text, ", %u switches, %.3f s old", (unsigned)task->switches,
                 seconds(since(tree->rt, task->born_ns)));
  if (task->ran_ns > 0)
    neap__text_add(text, ", ran %.3f ms", (double)task->ran_ns / 1e6);
  neap__text_add(text, "\n");
  if (info->stack_print != NULL)
    info->stack_print(task, text, indent + 4);
  if (info->spawn_print != NULL)
    info->spawn_print(task, text, indent + 4);
}

static void tell_scope(const struct tree *tree, const struct node *node,
                       struct neap_text *text, uint32_t indent) {
  const struct neap_scope *scope = node->scope;
  neap__text_indent(text, indent);
  neap__text_add(text, "scope %llu: %u task%s",
                 (unsigned long long)scope->entry.serial,
                 (unsigned)scope->nchildren, scope->nchildren == 1 ? "" : "s");
  if (scope->entry.cause != NULL)
    neap__text_add(text, ", cancelled");
  else
    tell_due(tree->rt, scope->entry.due_ns, text);
  neap__text_add(text, "\n");
}

/* The node after node, its children before its siblings; keeps depth. 0: the
   walk that began at top is over. */
static uint32_t next_node(const struct tree *tree, uint32_t top, uint32_t node,
                          uint32_t *depth) {
  const struct node *nodes = tree->nodes;
  if (nodes[node].first != 0) {
    ++*depth;
    return nodes[node].first;
  }
  while (node != top && nodes[node].next == 0) {
    node = nodes[node].parent;
    --*depth;
  }
  return node == top ? 0 : nodes[node].next;
}

/* Tells node and what is in it. */
static void tell_below(struct tree *tree, uint32_t top,
                       struct neap_text *text) {
  uint32_t depth = 0;
  for (uint32_t i = top; i != 0 && !text->cut;) {
    struct node *node = &tree->nodes[i];
    uint32_t indent = 2 * (depth < MAX_DEPTH ? depth : MAX_DEPTH);
    node->told = true;
    if (node->scope != NULL)
      tell_scope(tree, node, text, indent);
    else if (node->alike > 0)
      tell_task(tree, node, text, indent);
    i = next_node(tree, top, i, &depth);
  }
}

/* "task 3 waits for task 4, which waits for task 3". */
static void tell_cycle(const struct tree *tree, uint32_t from,
                       struct neap_text *text) {
  const struct node *nodes = tree->nodes;
  tell_name(nodes[from].task, text);
  uint32_t i = from, shown = 0;
  do {
    i = nodes[i].waker;
    neap__text_add(text, shown == 0 ? " waits for " : ", which waits for ");
    tell_name(nodes[i].task, text);
  } while (i != from && ++shown < MAX_DEPTH);
  neap__text_add(text, i == from ? "\n" : ", ...\n");
}

/* Tasks that wait for each other in a circle. */
static void tell_cycles(struct tree *tree, struct neap_text *text) {
  struct node *nodes = tree->nodes;
  uint32_t cycles = 0;
  for (uint32_t i = 1; i <= tree->ntasks && cycles < MAX_CYCLES; i++) {
    uint32_t at = i;
    while (at != 0 && nodes[at].seen == 0) {
      nodes[at].seen = i;
      at = nodes[at].waker;
    }
    if (at != 0 && nodes[at].seen == i) {
      tell_cycle(tree, at, text);
      cycles++;
    }
  }
}

static bool tell_handle(void *ud, const char *line) {
  struct neap_text *text = ud;
  neap__text_add(text, "open: %s\n", line);
  return !text->cut;
}

void neap__info_dump(struct neap_rt *rt, struct neap_text *text) {
  struct tree tree = {.rt = rt};
  uint32_t all = rt->sched.ntasks + 1;
  if (!make_tree(&tree, rt)) {
    neap__text_add(text, "%u tasks (no memory to tell more)\n", (unsigned)all);
    return;
  }
  tell_cycles(&tree, text);
  /* In the order of the list; what is in something is told with that. */
  for (uint32_t i = tree.nodes[0].first; i != 0; i = tree.nodes[i].next)
    tell_below(&tree, i, text);
  for (uint32_t i = 1; i <= tree.ntasks; i++) /* in a scope that they own */
    if (!tree.nodes[i].told && !text->cut)
      tell_task(&tree, &tree.nodes[i], text, 0);
  if (all > tree.ntasks)
    neap__text_add(text, "and %u younger tasks\n",
                   (unsigned)(all - tree.ntasks));
  if (rt->io != NULL)
    rt->io_list(rt, tell_handle, text);
  free_tree(&tree);
  neap__text_finish(text);
}

int neap_dump(neap_rt *rt, neap_write_fn write, void *ud) {
  struct neap_text text;
  neap__text_init(&text, &rt->mem, NEAP_DUMP_MAX);
  neap__info_dump(rt, &text);
  int err = text.base != NULL ? 0 : UV_ENOMEM;
  if (err == 0)
    write(ud, text.base, text.len);
  neap__text_deinit(&text);
  return err;
}

void neap_info(neap_rt *rt, neap_figures *out) {
  memset(out, 0, sizeof *out);
  out->tasks = (uint64_t)rt->sched.ntasks + 1;
  out->spawned = rt->sched.spawned;
  out->switches = rt->sched.switches;
  out->turns = rt->sched.turns;
  out->polls = rt->driver.polls;
  out->slots = rt->stacks.nshared;
  out->private_slots = rt->stacks.nprivate;
  out->copies = rt->stacks.copies;
  out->bytes_saved = rt->stacks.bytes_saved;
  out->memory = rt->mem.used;
  uint64_t age = uv_hrtime() - rt->driver.began_ns;
  if (age > 0)
    out->busy = 1.0 - (double)rt->driver.idle_ns / (double)age;
  if (rt->io != NULL)
    rt->io_info(rt, out);
}
