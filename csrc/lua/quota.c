/* quota.c: counting Lua's memory; the idea is in quota.h. */
#include "lua/quota.h"

/* Lies in memory of the state's own allocator, which it stands in front of. It
   stays to the state's last block, even when the runtime has ended: strings of
   Lua 5.5 are freed by the allocator that was there when they were made. */
struct neapL_quota {
  lua_Alloc alloc;
  void *ud;
  const lua_State *main; /* lies in the last block */
  struct neap_mem *mem;  /* NULL: the runtime has ended */
  size_t used;
};

static bool is_last_block(const struct neapL_quota *quota, const void *ptr,
                          size_t size) {
  uintptr_t from = (uintptr_t)ptr, main = (uintptr_t)quota->main;
  return ptr != NULL && main >= from && main - from < size;
}

/* For Lua: of a new block the old size is a type. */
static void *counted_alloc(void *ud, void *ptr, size_t old_size,
                           size_t new_size) {
  struct neapL_quota *quota = ud;
  struct neap_mem *mem = quota->mem;
  if (ptr == NULL)
    old_size = 0;
  if (mem != NULL && new_size > old_size &&
      neap__mem_capped(mem, new_size - old_size))
    return NULL;
  if (new_size == 0 && is_last_block(quota, ptr, old_size)) {
    lua_Alloc alloc = quota->alloc;
    void *own = quota->ud;
    alloc(own, quota, sizeof *quota, 0);
    return alloc(own, ptr, old_size, 0);
  }
  void *block = quota->alloc(quota->ud, ptr, old_size, new_size);
  if (block == NULL && new_size > 0)
    return NULL;
  quota->used += new_size - old_size;
  if (mem != NULL)
    mem->outside = quota->used;
  return block;
}

int neapL_quota_begin(lua_State *L, struct neapL *N) {
  if (N->quota != NULL)
    return 0;
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  struct neapL_quota *quota = alloc(ud, NULL, 0, sizeof *quota);
  if (quota == NULL)
    return UV_ENOMEM;
  quota->alloc = alloc;
  quota->ud = ud;
  quota->main = N->main;
  quota->mem = &N->rt->mem;
  quota->used =
      (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  quota->mem->outside = quota->used;
  lua_setallocf(L, counted_alloc, quota);
  N->quota = quota;
  return 0;
}

void neapL_quota_end(struct neapL *N) {
  if (N->quota == NULL)
    return;
  N->quota->mem->outside = 0;
  N->quota->mem = NULL;
}
