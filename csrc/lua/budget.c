/* budget.c: a limit on CPU time per step; the idea is in budget.h. */
#include "lua/budget.h"

#include "lua/preempt.h"
#include "lua/task_handle.h"

#include <string.h>

/* What a task has used in a step. */
struct used {
  uint64_t task; /* its id: places are used again */
  uint64_t step;
  uint64_t
      ran_ns; /* it had run for so long when the step's first slice began */
  uint32_t slices;
  bool told;
};

struct neapL_budgets {
  uint64_t slice_ns, step_ns;
  uint32_t n;
  struct used *used; /* n of them, by place */
};

void neapL_budget_begin(lua_State *L, struct neapL *N, uint64_t slice_ns,
                        uint64_t step_ns) {
  struct neapL_preempt *P = neapL_preempt_need(L, N);
  if (P->budgets == NULL)
    P->budgets = neap__mem_zalloc(&N->rt->mem, sizeof *P->budgets);
  if (P->budgets == NULL)
    neapL_nomem(L);
  P->budgets->slice_ns = slice_ns;
  P->budgets->step_ns = step_ns;
}

void neapL_budget_end(struct neapL *N) {
  struct neapL_budgets *budgets = N->preempt->budgets;
  struct neap_mem *mem = &N->rt->mem;
  N->preempt->budgets = NULL;
  if (budgets == NULL)
    return;
  neap__mem_free(mem, budgets->used, budgets->n * sizeof *budgets->used);
  neap__mem_free(mem, budgets, sizeof *budgets);
}

/* Makes room for all places there are. False without memory. */
static bool make_room(struct neapL *N, struct neapL_budgets *budgets) {
  struct neap_mem *mem = &N->rt->mem;
  const uint32_t n = N->capacity + 1;
  struct used *new = neap__mem_zalloc(mem, n * sizeof *new);
  if (new == NULL)
    return false;
  if (budgets->n > 0)
    memcpy(new, budgets->used, budgets->n * sizeof *new);
  neap__mem_free(mem, budgets->used, budgets->n * sizeof *new);
  budgets->used = new;
  budgets->n = n;
  return true;
}

/* For how long the running task has run in its life. */
static uint64_t ran_ns(const neap_rt *rt, const struct neap_task *task) {
  uint64_t since_ns = rt->slices.since_ns;
  return task->ran_ns + (since_ns != 0 ? uv_hrtime() - since_ns : 0);
}

/* What the running task has used in this step, or NULL without memory. */
static struct used *find(struct neapL *N, const struct neap_task *task) {
  struct neapL_budgets *budgets = N->preempt->budgets;
  const uint64_t step = N->rt->guest.steps + N->rt->driver.polls;
  uint32_t place = neapL_handle_place(task);
  if (place >= budgets->n && !make_room(N, budgets))
    return NULL;
  struct used *used = &budgets->used[place];
  if (used->task == task->id && used->step == step)
    return used;
  uint64_t ran = ran_ns(N->rt, task);
  used->task = task->id;
  used->step = step;
  used->ran_ns = ran > budgets->slice_ns ? ran - budgets->slice_ns : 0;
  used->slices = 0;
  used->told = false;
  return used;
}

void neapL_budget_spend(lua_State *L, struct neapL *N,
                        const struct neap_task *task) {
  const struct neapL_budgets *budgets = N->preempt->budgets;
  struct used *used = find(N, task);
  if (used == NULL)
    return;
  used->slices++;
  /* The host's own stack can't give way: it is told each time. */
  bool told = used->told && (!task->is_main || N->drive);
  if (told || used->slices * budgets->slice_ns < budgets->step_ns ||
      ran_ns(N->rt, task) - used->ran_ns < budgets->step_ns)
    return;
  used->told = true;
  luaL_error(L, "CPU budget of %f s in a step is used up",
             (LUAI_UACNUMBER)((double)budgets->step_ns / 1e9));
}
