/* hook.c: hooks of ours in front of others; why it is done so: hook.h. */
#include "lua/hook.h"

#include "lua/preempt.h"

#include <stddef.h>

/* More signals than can come, in a burst, while a hook is changed. */
#define BUSY 100

static bool counts(const struct neapL_foreign *f) {
  return (f->mask & LUA_MASKCOUNT) != 0;
}

/* A signal may come in the midst of it. */
static void set(struct neapL_hooks *hooks, lua_State *L, lua_Hook hook,
                int mask, int count) {
  sig_atomic_t before = hooks->busy;
  hooks->busy = BUSY;
  lua_sethook(L, hook, mask, count);
  hooks->busy = before;
}

/* L has the foreign hook again. The count of one that counts begins anew,
   which at its own count event it does anyway. */
static void give_back(struct neapL_hooks *hooks, lua_State *L,
                      const struct neapL_foreign *f) {
  int count = counts(f) ? lua_gethookcount(L) : f->count;
  set(hooks, L, f->hook, f->mask, count);
}

static bool stays(const struct neapL_hooks *hooks,
                  const struct neapL_foreign *f) {
  return hooks->every > 0 || (counts(f) && hooks->keeps);
}

static void fire(lua_State *L, lua_Debug *ar, int slot) {
  struct neapL *N = neapL_of(L);
  struct neapL_hooks *hooks = &N->preempt->hooks;
  const struct neapL_foreign *f = &hooks->foreign[slot]; /* is never changed */
  const int event = ar->event == LUA_HOOKTAILCALL ? LUA_HOOKCALL : ar->event;
  if (!stays(hooks, f))
    give_back(hooks, L, f);
  if ((f->mask & (1 << event)) != 0)
    f->hook(L, ar);
  neapL_preempt_fired(L, N);
}

#define HOOK(slot)                                                             \
  static void hook_##slot(lua_State *L, lua_Debug *ar) {                       \
    fire(L, ar, slot);                                                         \
  }
HOOK(0)
HOOK(1)
HOOK(2)
HOOK(3)
HOOK(4)
HOOK(5)
HOOK(6)
HOOK(7)
HOOK(8)
HOOK(9)
HOOK(10)
HOOK(11)
HOOK(12)
HOOK(13)
HOOK(14)
HOOK(15)

static const lua_Hook ours[NEAPL_HOOKS] = {
    hook_0, hook_1, hook_2,  hook_3,  hook_4,  hook_5,  hook_6,  hook_7,
    hook_8, hook_9, hook_10, hook_11, hook_12, hook_13, hook_14, hook_15};

/* Which of ours it is, or -1. */
static int slot_of(lua_Hook hook) {
  for (int i = 0; i < NEAPL_HOOKS; i++)
    if (ours[i] == hook)
      return i;
  return -1;
}

/* The slot for a foreign hook, or -1 when there is none left. */
static int find_slot(struct neapL_hooks *hooks, struct neapL_foreign wanted) {
  int n = hooks->n;
  for (int i = 0; i < n; i++) {
    const struct neapL_foreign *f = &hooks->foreign[i];
    if (f->hook == wanted.hook && f->mask == wanted.mask &&
        f->count == wanted.count)
      return i;
  }
  if (n == NEAPL_HOOKS)
    return -1;
  hooks->foreign[n] = wanted;
  hooks->n = n + 1;
  return n;
}

static void arm(struct neapL_hooks *hooks, lua_State *L) {
  struct neapL_foreign f = {lua_gethook(L), lua_gethookmask(L), 0};
  int slot = slot_of(f.hook);
  int count = hooks->every > 0 ? hooks->every : 1;
  if (slot >= 0) {
    /* It is there: as we have put it, or as a new thread has copied it, maybe
       while a signal came: then the mask is of before. */
    f = hooks->foreign[slot];
    if (counts(&f) || ((lua_gethookmask(L) & LUA_MASKCOUNT) != 0 &&
                       lua_gethookcount(L) == count))
      return;
  } else if (counts(&f)) {
    count = lua_gethookcount(L);
    slot = find_slot(hooks, f);
  } else {
    f.count = lua_gethookcount(L);
    slot = find_slot(hooks, f);
  }
  if (slot >= 0)
    lua_sethook(L, ours[slot], f.mask | LUA_MASKCOUNT, count);
}

void neapL_hook_arm(struct neapL_hooks *hooks, lua_State *L) {
  hooks->busy = BUSY;
  arm(hooks, L);
  hooks->busy = 0;
}

void neapL_hook_signal(struct neapL_hooks *hooks, lua_State *L) {
  if (hooks->busy > 0)
    hooks->busy--;
  else if ((lua_gethook(L) == NULL) == (lua_gethookmask(L) == 0))
    neapL_hook_arm(hooks, L); /* another signal's handler may come in between */
  /* else half of somebody else's lua_sethook is done */
}

void neapL_hook_disarm(struct neapL_hooks *hooks, lua_State *L) {
  int slot = slot_of(lua_gethook(L));
  if (slot >= 0)
    give_back(hooks, L, &hooks->foreign[slot]);
}

/* Calls the stock function, which sees the hooks of others alone. It may raise
   for want of memory. */
static int call_stock(lua_State *L, lua_State *of) {
  struct neapL *N = neapL_self(L);
  struct neapL_hooks *hooks = &N->preempt->hooks;
  lua_CFunction stock = lua_tocfunction(L, lua_upvalueindex(2));
  bool ours = slot_of(lua_gethook(of)) >= 0;
  hooks->busy = BUSY;
  neapL_hook_disarm(hooks, of);
  int n = stock(L); /* not by lua_call, which is an event of its own */
  hooks->busy = 0;
  if (ours)
    neapL_hook_arm(hooks, of);
  return n;
}

int neapL_hook_gethook(lua_State *L) {
  return call_stock(L, lua_isthread(L, 1) ? lua_tothread(L, 1) : L);
}

int neapL_hook_sethook(lua_State *L) {
  int arg = lua_isthread(L, 1) ? 1 : 0;
  if (!lua_isnoneornil(L, arg + 1)) { /* what it would refuse, in its order */
    luaL_checkstring(L, arg + 2);
    luaL_checktype(L, arg + 1, LUA_TFUNCTION);
    luaL_optinteger(L, arg + 3, 0);
  }
  return call_stock(L, arg > 0 ? lua_tothread(L, 1) : L);
}
