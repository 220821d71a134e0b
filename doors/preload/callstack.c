/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/callstack.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

#include "base/bits.h"
#include "doors/preload/sys.h"

/* ---- the depot ---- */

#define DEPOT_WORDS   (1ul << 20)
#define DEPOT_BUCKETS (1u << 15)

/* A stack's id is the index of its first word. */
struct kept {
	uint32_t next; /* of the same bucket */
	uint32_t n;
	uint64_t hash;
	uint64_t pc[];
};

struct depot {
	uint32_t bucket[DEPOT_BUCKETS];
	uint32_t used; /* in words */
	uint64_t words[DEPOT_WORDS];
};

/* ---- what was seen before ---- */

#define CACHE_ENTRIES 2048
#define MAX_SLOTS     64

/* A stack that was unwound with the stack pointer @sp at @ip: where each return address lay above
 * @sp, and which it was. */
struct seen {
	uint32_t busy; /* one thread at a time, and the others do without */
	stack_id id;
	uint64_t sp, ip;
	uint32_t n;
	uint32_t at[MAX_SLOTS];
	uint64_t value[MAX_SLOTS];
};

static struct {
	struct depot *depot;
	struct seen *cache;
	struct text {
		uint64_t start, end;
	} ours[2]; /* code of this library, and of the one beside it */
} stacks;

/* A stack being unwound. */
struct unwinding {
	uint64_t sp;	  /* frames below are not looked at */
	uint64_t trapped; /* 0, or the address of the instruction to begin at */
	bool begun, whole;
	uint32_t n, slots;
	uint64_t pc[CALLSTACK_MAX];
	uint32_t at[MAX_SLOTS];
	uint64_t value[MAX_SLOTS];
};

static uint64_t hash_words(const uint64_t *w, uint32_t n)
{
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++) {
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h;
}

static const struct kept *kept_at(stack_id id)
{
	return (const struct kept *)&stacks.depot->words[id];
}

static stack_id find(uint32_t id, uint64_t hash, const uint64_t *pc, unsigned int n)
{
	while (id) {
		const struct kept *k = kept_at(id);

		if (k->hash == hash && k->n == n && !memcmp(k->pc, pc, n * sizeof(*pc)))
			return id;
		id = k->next;
	}
	return 0;
}

/* Two threads may keep the same stack at once, each under a number of its own: it is but counted
 * apart then. */
stack_id callstack_keep(const uint64_t *pc, unsigned int n)
{
	const uint64_t hash = hash_words(pc, n);
	const uint32_t words = (uint32_t)(sizeof(struct kept) / 8) + n;
	uint32_t *bucket, head, at;
	struct kept *k;
	stack_id id;

	if (!stacks.cache || !n)
		return 0;
	bucket = &stacks.depot->bucket[hash % DEPOT_BUCKETS];
	head = __atomic_load_n(bucket, __ATOMIC_ACQUIRE);
	id = find(head, hash, pc, n);
	if (id)
		return id;
	at = __atomic_load_n(&stacks.depot->used, __ATOMIC_RELAXED);
	do {
		if (at + words > DEPOT_WORDS)
			return 0;
	} while (!__atomic_compare_exchange_n(&stacks.depot->used, &at, at + words, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	k = (struct kept *)&stacks.depot->words[at];
	k->n = n;
	k->hash = hash;
	memcpy(k->pc, pc, n * sizeof(*pc));
	do {
		k->next = head;
	} while (!__atomic_compare_exchange_n(bucket, &head, at, true, __ATOMIC_RELEASE,
					      __ATOMIC_ACQUIRE));
	return at;
}

unsigned int callstack_frames(stack_id id, const uint64_t **pc)
{
	if (!id)
		return 0;
	*pc = kept_at(id)->pc;
	return kept_at(id)->n;
}

/* ---- unwinding ---- */

static bool is_ours(uint64_t pc)
{
	return (pc >= stacks.ours[0].start && pc < stacks.ours[0].end) ||
	       (pc >= stacks.ours[1].start && pc < stacks.ours[1].end);
}

static void note_slot(struct unwinding *u, uint64_t slot, uint64_t value)
{
	if (u->slots == MAX_SLOTS || slot - u->sp > UINT32_MAX || *(uint64_t *)slot != value) {
		u->whole = false;
		return;
	}
	u->at[u->slots] = (uint32_t)(slot - u->sp);
	u->value[u->slots++] = value;
}

static _Unwind_Reason_Code step(struct _Unwind_Context *ctx, void *arg)
{
	struct unwinding *u = arg;
	int exact = 0;
	const uint64_t ip = _Unwind_GetIPInfo(ctx, &exact), sp = _Unwind_GetCFA(ctx);

	if (!ip)
		return _URC_END_OF_STACK;
	if (!u->begun) {
		if (u->trapped ? ip != u->trapped || !exact : sp - 8 < u->sp)
			return _URC_NO_REASON;
		u->begun = true;
	}
	/* A return address lies right below what was the stack before the call. */
	if (ip != u->trapped) {
		if (exact)
			u->whole = false;
		else
			note_slot(u, sp - 8, ip);
	}
	if (is_ours(ip))
		return _URC_NO_REASON;
	u->pc[u->n++] = exact ? ip : ip - 1;
	return u->n == CALLSTACK_MAX ? _URC_END_OF_STACK : _URC_NO_REASON;
}

__attribute__((no_sanitize("address", "thread"))) static bool same(const struct seen *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (*(volatile uint64_t *)(s->sp + s->at[i]) != s->value[i])
			return false;
	return true;
}

static struct seen *place(uint64_t ip, uint64_t sp)
{
	const uint64_t key[] = {ip, sp};

	return &stacks.cache[hash_words(key, 2) % CACHE_ENTRIES];
}

static void remember(struct seen *s, const struct unwinding *u, uint64_t ip, stack_id id)
{
	s->id = id;
	s->sp = u->sp;
	s->ip = ip;
	s->n = u->slots;
	memcpy(s->at, u->at, u->slots * sizeof(*u->at));
	memcpy(s->value, u->value, u->slots * sizeof(*u->value));
}

static stack_id take(uint64_t ip, uint64_t sp, uint64_t trapped)
{
	struct seen *s = place(ip, sp);
	const bool mine = !__atomic_exchange_n(&s->busy, 1, __ATOMIC_ACQUIRE);
	struct unwinding u;
	stack_id id;

	if (mine && s->id && s->sp == sp && s->ip == ip && same(s)) {
		id = s->id;
	} else {
		u.sp = sp;
		u.trapped = trapped;
		u.begun = false;
		u.whole = true;
		u.n = u.slots = 0;
		_Unwind_Backtrace(step, &u);
		/* No unwind information on the way out of the handler. */
		if (trapped && !u.begun) {
			u.pc[u.n++] = trapped;
			u.whole = false;
		}
		id = callstack_keep(u.pc, u.n);
		if (mine && id && u.whole)
			remember(s, &u, ip, id);
	}
	if (mine)
		__atomic_store_n(&s->busy, 0, __ATOMIC_RELEASE);
	return id;
}

__attribute__((noinline)) stack_id callstack_here(void)
{
	if (!stacks.cache)
		return 0;
	return take((uint64_t)__builtin_return_address(0), (uint64_t)__builtin_frame_address(0), 0);
}

stack_id callstack_trapped(const ucontext_t *uc)
{
	const greg_t *r = uc->uc_mcontext.gregs;

	if (!stacks.cache)
		return 0;
	return take((uint64_t)r[REG_RIP], (uint64_t)r[REG_RSP], (uint64_t)r[REG_RIP]);
}

/* ---- the beginning ---- */

struct module {
	uint64_t holds;
	struct text text; /* all of it, from the first byte to the last */
};

static int find_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *m = arg;
	bool here = false;

	m->text = (struct text){UINT64_MAX, 0};
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const uint64_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD)
			continue;
		here |= m->holds - start < p->p_memsz;
		m->text.start = min_u64(m->text.start, start);
		m->text.end = start + p->p_memsz;
	}
	return here;
}

static void hide(struct text *t, const void *in)
{
	struct module m = {.holds = (uint64_t)(uintptr_t)in};

	if (dl_iterate_phdr(find_module, &m))
		*t = m.text;
}

void callstack_hide(const void *in)
{
	hide(&stacks.ours[1], in);
}

static void *reserve(size_t len)
{
	void *p = sys_mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return sys_failed((long)p) ? NULL : p;
}

static _Unwind_Reason_Code warm(struct _Unwind_Context *ctx, void *arg)
{
	return _URC_NO_REASON;
}

int callstack_init(void)
{
	struct seen *cache;

	if (stacks.cache)
		return 0;
	stacks.depot = reserve(sizeof(*stacks.depot));
	cache = reserve(CACHE_ENTRIES * sizeof(*cache));
	if (!stacks.depot || !cache)
		return -ENOMEM;
	stacks.depot->used = 1;
	hide(&stacks.ours[0], &stacks);
	/* What the unwinder does once, it does now. */
	_Unwind_Backtrace(warm, NULL);
	stacks.cache = cache;
	return 0;
}
