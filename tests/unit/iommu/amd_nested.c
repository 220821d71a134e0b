/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested translation of the AMD make in lockstep with a model that caches nothing: device table
 * entries, GCR3 tables, host and guest tables of every length, events; what an invalidation that is
 * withheld may change, and nothing else; Linux's kind of nested domain; the command buffer.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "amd_guest.h"

#define MAKE	   "amd,nesting=on,levels=6,guest-levels=5,pasid-bits=20,ats=on,pri=on"
#define EVERYTHING 0x7ffffffffffff001ull

enum { DEVTAB = 2, IOMMU_PAGES = 3, ALL = 8 };

static uint64_t op(unsigned int n)
{
	return (uint64_t)n << 60;
}

static uint16_t domain_of(unsigned int space)
{
	return (uint16_t)(100 + space);
}

static void forget_domain(struct guest *g, unsigned int space)
{
	command(g, op(IOMMU_PAGES) | (uint64_t)domain_of(space) << 32, EVERYTHING | 2);
}

static void forget_entry(struct guest *g, unsigned int device)
{
	command(g, op(DEVTAB) | g->device[device].vdevice.vdevice.virt_id, 0);
	g->device[device].told = false;
}

/* ---- what a guest changes ---- */

/* An entry of any kind; that of the last device is beyond the table and does not matter. */
static void random_entry(struct guest *g, uint64_t d[4])
{
	unsigned int n = pick(g, NR_SPACES);
	struct space *s = &g->space[n];
	uint64_t gcr3;

	d[0] = 3 | (pick(g, 6) ? BIT(61) : 0) | (pick(g, 6) ? BIT(62) : 0);
	d[1] = domain_of(n) | (uint64_t)!pick(g, 6) << 33 | (uint64_t)!pick(g, 12) << 34;
	d[2] = d[3] = 0;
	switch (pick(g, 9)) {
	case 0:
		d[0] &= ~(uint64_t)pick(g, 4);
		break;
	case 1: /* no tables */
		break;
	case 2:
		d[0] |= BIT(pick(g, 2) ? 2 + pick(g, 5) : 63);
		break;
	case 3:
		d[pick(g, 3)] ^= (uint64_t)pick(g, 1 << 12) << pick(g, 52);
		d[1] = (d[1] & ~FIELD(15, 0)) | domain_of(n);
		break;
	case 4:
	case 5: {
		unsigned int mode = 1 + pick(g, 6);

		d[0] |= s->host[mode] | mode << 9 |
			(uint64_t)(unsigned int[]){0, 1, 3}[pick(g, 3)] << 7;
		break;
	}
	default: {
		unsigned int glx = pick(g, 3);

		gcr3 = s->gcr3[glx];
		d[0] |= BIT(55) | (pick(g, 4) ? BIT(54) : 0) | (uint64_t)glx << 56 |
			(gcr3 >> 12 & 7) << 58;
		d[1] |= (gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43;
		d[2] |= (uint64_t)(s->levels - 4) << 54;
		break;
	}
	}
}

static void change_entry(struct guest *g)
{
	unsigned int device = pick(g, NR_DEVICES - 1);
	uint64_t d[4];

	random_entry(g, d);
	memcpy(entry_of(g, device), d, sizeof(d));
	forget_entry(g, device);
	for (unsigned int n = 0; n < NR_SPACES; n++)
		forget_domain(g, n);
}

static uint64_t random_guest_leaf(struct guest *g)
{
	uint64_t e = random_page(g) | 1 | (pick(g, 4) ? 2 : 0) | (pick(g, 5) ? 4 : 0) |
		     (pick(g, 8) ? 0 : BIT(8)) | (pick(g, 5) ? 0 : BIT(63));

	return pick(g, 7) ? e : 0;
}

static uint64_t random_host_leaf(struct guest *g)
{
	uint64_t e = random_page(g) | 1 | (pick(g, 4) ? BIT(61) : 0) | (pick(g, 4) ? BIT(62) : 0) |
		     (pick(g, 16) ? 0 : BIT(52));

	return pick(g, 7) ? e : 0;
}

/* One leaf of a guest table, and what tells the IOMMU so. */
struct change {
	uint64_t *entry, before;
	uint64_t command[2];
	uint64_t va;
	unsigned int space;
	int pasid; /* index; -1: a host table */
};

/* The address by which the IOMMU knows it: sign-extended with a PASID only. */
static uint64_t canonical(struct guest *g, unsigned int space, uint32_t pasid, uint64_t va)
{
	unsigned int unused = 64 - (12 + 9 * g->space[space].levels);

	return pasid ? (uint64_t)((int64_t)(va << unused) >> unused) : va << unused >> unused;
}

static void change_leaf(struct guest *g, struct change *c)
{
	unsigned int n = pick(g, NR_SPACES);

	*c = (struct change){.space = n, .va = g->va[pick(g, NR_VAS)]};
	c->pasid = pick(g, 3) ? (int)pick(g, NR_PASIDS) : -1;
	c->command[0] = op(IOMMU_PAGES) | (uint64_t)domain_of(n) << 32;
	if (c->pasid >= 0) {
		c->va = canonical(g, n, guest_pasids[c->pasid], c->va);
		c->command[1] = c->va & FIELD(63, 12);
		c->entry = guest_leaf(g, g->root[n][c->pasid], g->space[n].levels, c->va);
		c->command[0] |= guest_pasids[c->pasid];
		c->command[1] |= 4;
	} else {
		c->va &= MASK(48);
		c->command[1] = c->va;
		c->entry = host_leaf(g, &g->space[n], c->va);
	}
	c->before = *c->entry;
	*c->entry = c->pasid >= 0 ? random_guest_leaf(g) : random_host_leaf(g);
	c->command[1] |= pick(g, 2) ? 2 : 0;
}

static void change_gcr3(struct guest *g)
{
	unsigned int n = pick(g, NR_SPACES), p = pick(g, NR_PASIDS);
	uint64_t table = g->space[n].gcr3[2], *e = NULL;

	for (unsigned int level = 3; level-- > 0; table = *e & FIELD(51, 12))
		e = word(g, table + (guest_pasids[p] >> (9 * level) & 511) * 8);
	*e = pick(g, 4) ? g->root[n][p] | 1 : pick(g, 2) ? g->root[n][p] : g->root[n][p] | 3;
	command(g, op(IOMMU_PAGES) | (uint64_t)domain_of(n) << 32 | guest_pasids[p],
		EVERYTHING | 2 | 4);
}

/* Two pages of data change places; sometimes one of tables is gone for a while. */
static void change_stage2(struct guest *g)
{
	uint32_t a = FIRST_DATA + pick(g, PAGES - FIRST_DATA),
		 b = FIRST_DATA + pick(g, PAGES - FIRST_DATA);
	uint32_t host_a = g->host_page[a], host_b = g->host_page[b];

	if (a == b || host_a == NO_PAGE || host_b == NO_PAGE)
		return;
	unmap_page(g, a);
	unmap_page(g, b);
	map_page(g, a, host_b);
	map_page(g, b, host_a);
}

/* ---- lockstep ---- */

static const unsigned int accesses[] = {IOMMU_READ,
					IOMMU_WRITE,
					IOMMU_ATOMIC,
					IOMMU_READ | IOMMU_EXEC,
					IOMMU_READ | IOMMU_PRIV,
					IOMMU_WRITE | IOMMU_PRIV,
					IOMMU_READ | IOMMU_EXEC | IOMMU_PRIV};

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->where == b->where &&
	       (a->where >= 0 || (a->event[0] == b->event[0] && a->event[1] == b->event[1]));
}

static void expect(const struct outcome *want, const struct outcome *got)
{
	struct outcome w = *want;

	if (w.silent)
		w.event[0] = w.event[1] = 0;
	assert_int_equal(got->where, w.where);
	assert_int_equal(got->event[0], w.event[0]);
	assert_int_equal(got->event[1], w.event[1]);
}

static void check_one(struct guest *g, unsigned int *served)
{
	unsigned int device = pick(g, NR_DEVICES), pasid = pick(g, NR_PASIDS);
	uint64_t va = g->va[pick(g, NR_VAS)] + pick(g, 500) * 8;
	unsigned int access = accesses[guest_pasids[pasid] ? pick(g, 7) : pick(g, 3)];
	struct outcome want, got;

	if (pick(g, 4) == 0) /* through what maps nothing, or is a guest physical address */
		va = pick(g, 2) ? random_page(g) : va ^ BIT(12 + pick(g, 52));
	if (!guest_pasids[pasid] && va >= 0xfee00000 && va <= 0xfeefffff)
		return;
	naive_translate(g, device, guest_pasids[pasid], va, access, &want);
	engine_translate(g, device, guest_pasids[pasid], va, access, &got);
	expect(&want, &got);
	*served += got.where >= 0;
}

static void larger_pages(struct guest *g)
{
	for (unsigned int n = 0; n < NR_SPACES; n++) {
		struct space *s = &g->space[n];
		uint64_t *e;

		/* 64 KiB by a run of entries; 2 MiB; tables two levels down; one that goes up. */
		for (unsigned int k = 0; k < 16; k++)
			*host_leaf(g, s, 7ull << 21 | k << 12) =
				512ull << 12 | 0x7000 | 1 | 7 << 9 | BIT(61) | BIT(62);
		e = host_leaf(g, s, 9ull << 21);
		e = word(g, s->host[2] + 9 * 8);
		*e = 512ull << 12 | 1 | BIT(61) | BIT(62);
		*word(g, s->host[4] + 3 * 8) = new_table(g) | 1 | 1 << 9 | BIT(61) | BIT(62);
		*host_leaf(g, s, 3ull << 39 | 0x5000) = random_page(g) | 1 | BIT(61);
		*word(g, s->host[3] + 7 * 8) = new_table(g) | 1 | 1 << 9 | BIT(61) | BIT(62);
		*host_leaf(g, s, 7ull << 30 | 0x5000) = random_page(g) | 1 | BIT(61);
		*word(g, s->host[3] + 5 * 8) = s->host[4] | 1 | 4 << 9 | BIT(61);
		for (unsigned int p = 0; p < NR_PASIDS; p++) {
			guest_leaf(g, g->root[n][p], s->levels, 9ull << 21);
			e = guest_leaf(g, g->root[n][p], s->levels, 8ull << 21);
		}
	}
	g->va[0] = 7ull << 21 | 0x3000;
	g->va[4] = 9ull << 21 | 0x1ff000;
	g->va[8] = 3ull << 39 | 0x5000;
	g->va[12] = 3ull << 39 | 1ull << 21;
	g->va[16] = 5ull << 30;
	g->va[20] = 7ull << 30 | 0x5000;
	g->va[24] = 7ull << 30 | 0x6000;
	g->va[28] = 7ull << 30 | 1ull << 21 | 0x5000;
}

static int create(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	guest_create(g, MAKE, true);
	*state = g;
	return 0;
}

static int destroy(void **state)
{
	guest_destroy(*state);
	free(*state);
	return 0;
}

static void test_lockstep(void **state)
{
	struct guest *g = *state;
	struct change c;
	unsigned int served = 0;

	larger_pages(g);
	for (int n = 0; n < 120000; n++) {
		switch (pick(g, 60)) {
		case 0:
			change_entry(g);
			break;
		case 1:
		case 2:
		case 3:
			change_leaf(g, &c);
			command(g, c.command[0], c.command[1]);
			break;
		case 4:
			change_gcr3(g);
			break;
		case 5:
			change_stage2(g);
			break;
		case 6:
			if (!pick(g, 20)) {
				command(g, op(ALL), 0);
				for (unsigned int d = 0; d < NR_DEVICES; d++)
					g->device[d].told = false;
			}
			break;
		default:
			check_one(g, &served);
			break;
		}
	}
	assert_true(served > 5000);
	assert_true(g->nr_events > 5000);
}

/* Entries of guest tables for every (space, PASID), so that nearly all translates. */
static void fill_tables(struct guest *g)
{
	for (unsigned int n = 0; n < NR_SPACES; n++)
		for (unsigned int k = 0; k < NR_VAS; k++) {
			*host_leaf(g, &g->space[n], g->va[k] & MASK(48)) =
				random_page(g) | 1 | BIT(61) | BIT(62);
			for (unsigned int p = 0; p < NR_PASIDS; p++)
				*guest_leaf(g, g->root[n][p], g->space[n].levels, g->va[k]) =
					random_page(g) | 7;
		}
}

/* @device translates through guest tables of @space. */
static void use_guest_tables(struct guest *g, unsigned int device, unsigned int space)
{
	uint64_t *d = entry_of(g, device), gcr3 = g->space[space].gcr3[2];

	d[0] = 3 | BIT(61) | BIT(62) | BIT(54) | BIT(55) | 2ull << 56 | (gcr3 >> 12 & 7) << 58;
	d[1] = domain_of(space) | (gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43;
	d[2] = (uint64_t)(g->space[space].levels - 4) << 54;
	forget_entry(g, device);
}

static void use_host_tables(struct guest *g, unsigned int device, unsigned int space)
{
	uint64_t *d = entry_of(g, device);

	d[0] = 3 | BIT(61) | BIT(62) | g->space[space].host[4] | 4 << 9;
	d[1] = domain_of(space);
	d[2] = 0;
	forget_entry(g, device);
}

#define NR_PROBES (2 * NR_PASIDS * NR_VAS)

static void probe(struct guest *g, bool engine, struct outcome *out)
{
	for (unsigned int d = 0; d < 2; d++)
		for (unsigned int p = 0; p < NR_PASIDS; p++)
			for (unsigned int k = 0; k < NR_VAS; k++, out++)
				(engine ? engine_translate : naive_translate)(
					g, d, guest_pasids[p], g->va[k], IOMMU_WRITE, out);
}

/*
 * One invalidation withheld: the engine may answer as before or as now, and only where those two
 * differ; that is the leaf that was changed. When it is sent, all is as now.
 */
static void test_withheld(void **state)
{
	static struct outcome before[NR_PROBES], now[NR_PROBES], got[NR_PROBES];
	struct guest *g = *state;
	unsigned int stale = 0;

	fill_tables(g);
	use_guest_tables(g, 0, 1);
	use_host_tables(g, 1, 2);
	for (int round = 0; round < 250; round++) {
		struct change c;

		if (!(round % 10)) {
			use_guest_tables(g, 0, pick(g, NR_SPACES));
			use_host_tables(g, 1, pick(g, NR_SPACES));
		}
		probe(g, true, got);
		probe(g, false, before);
		for (unsigned int n = 0; n < NR_PROBES; n++)
			expect(&before[n], &got[n]);
		change_leaf(g, &c);
		probe(g, false, now);
		probe(g, true, got);
		for (unsigned int n = 0; n < NR_PROBES; n++) {
			if (same(&before[n], &now[n]))
				assert_true(same(&got[n], &now[n]));
			else
				assert_true(same(&got[n], &now[n]) || same(&got[n], &before[n]));
			stale += !same(&got[n], &now[n]);
		}
		command(g, c.command[0], c.command[1]);
	}
	assert_true(stale > 20);
}

/* A device table entry that was changed is met only when it is invalidated; SE tells one fault. */
static void test_entry_cached(void **state)
{
	struct guest *g = *state;
	struct outcome o;

	fill_tables(g);
	use_guest_tables(g, 0, 1);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	assert_true(o.where >= 0);
	entry_of(g, 0)[0] = 1;
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	assert_true(o.where >= 0);
	/* Nor when a GCR3 entry is. */
	command(g, op(IOMMU_PAGES) | (uint64_t)domain_of(1) << 32 | 5, EVERYTHING | 2 | 4);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	assert_true(o.where >= 0);
	/* Another device's. */
	forget_entry(g, 1);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	assert_true(o.where >= 0);
	forget_entry(g, 0);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	assert_int_equal(o.where, -1);
	assert_int_equal(o.event[0] >> 60, 2);

	use_guest_tables(g, 0, 1);
	entry_of(g, 0)[1] |= BIT(33);
	for (unsigned int n = 0; n < 3; n++) {
		engine_translate(g, 0, 5, 0x123456789000, IOMMU_READ, &o);
		assert_int_equal(o.where, -1);
		assert_int_equal(o.event[0] >> 60, n ? 0 : 2);
	}
	forget_entry(g, 0);
	engine_translate(g, 0, 5, 0x123456789000, IOMMU_READ, &o);
	assert_int_equal(o.event[0] >> 60, 2);
}

/* A and D: of guest tables always, of host tables by HAD. */
static void test_flags(void **state)
{
	struct guest *g = *state;
	uint64_t *leaf, va = g->va[1] & MASK(48);
	struct outcome o;

	fill_tables(g);
	use_guest_tables(g, 0, 0);
	leaf = guest_leaf(g, g->root[0][1], 4, g->va[1]);
	engine_translate(g, 0, 1, g->va[1], IOMMU_READ, &o);
	assert_int_equal(*leaf & 0x60, 0x20);
	assert_int_equal(*word(g, g->root[0][1] + (va >> 39) * 8) & 0x20, 0x20);
	engine_translate(g, 0, 1, g->va[1], IOMMU_WRITE, &o);
	assert_int_equal(*leaf & 0x60, 0x60);

	for (unsigned int had = 0; had < 4; had += had ? 2 : 1) {
		use_host_tables(g, 1, 3);
		entry_of(g, 1)[0] |= (uint64_t)had << 7;
		leaf = host_leaf(g, &g->space[3], va);
		*leaf &= ~0x60ull;
		forget_domain(g, 3);
		forget_entry(g, 1);
		engine_translate(g, 1, 0, va, IOMMU_WRITE, &o);
		assert_true(o.where >= 0);
		assert_int_equal(*leaf & 0x60, had == 3 ? 0x60 : had ? 0x20 : 0);
	}
}

/* What the guest promised and is not there; what nobody listens to. */
static void test_hardware_errors(void **state)
{
	struct guest *g = *state;
	uint32_t table = (uint32_t)(g->viommu.table >> PAGE_SHIFT), host = g->host_page[table];
	struct outcome want, got;
	unsigned int faults;

	fill_tables(g);
	use_guest_tables(g, 0, 0);
	unmap_page(g, table);
	forget_entry(g, 0);
	naive_translate(g, 0, 5, g->va[0], IOMMU_READ, &want);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &got);
	expect(&want, &got);
	assert_int_equal(got.event[0] >> 60, 3);
	assert_int_equal(got.event[1], g->viommu.table + 8 * 32);
	map_page(g, table, host);

	table = (uint32_t)(g->root[0][2] >> PAGE_SHIFT);
	host = g->host_page[table];
	unmap_page(g, table);
	naive_translate(g, 0, 5, g->va[0], IOMMU_READ, &want);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &got);
	expect(&want, &got);
	assert_int_equal(got.event[0] >> 60, 4);
	map_page(g, table, host);

	/* A guest that maps what it has not: the host's fault. */
	*guest_leaf(g, g->root[0][2], 4, g->va[0]) = 0x7ull << 40 | 7;
	command(g, op(IOMMU_PAGES) | (uint64_t)domain_of(0) << 32 | 5, EVERYTHING | 4);
	faults = g->bed.nr_faults;
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &got);
	assert_int_equal(got.where, -1);
	assert_int_equal(got.event[0], 0);
	assert_int_equal(g->bed.nr_faults, faults + 1);

	/* Without a reader of events the host hears of the guest's faults. */
	g->deaf = true;
	engine_translate(g, 0, 5, 0x123456789000, IOMMU_READ, &got);
	assert_int_equal(got.where, -1);
	assert_int_equal(g->bed.nr_faults, faults + 2);
	assert_int_equal(g->bed.last_fault.code, 2u << 12 | 1 << 2 | 1); /* GN, US */
}

/* ---- page requests ---- */

struct asker {
	struct guest *g;
	uint32_t pasid;
	uint64_t va, len;
	int rc;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->rc = requester_ask_pages(a->g->device[0].r, a->pasid, a->va, a->len, IOMMU_WRITE);
	return NULL;
}

static void wait_for_events(struct guest *g, unsigned int n)
{
	while (__atomic_load_n(&g->nr_events, __ATOMIC_ACQUIRE) < n)
		sched_yield();
}

/* A group of two pages in the PPR log, and the answer that the guest gives to its tag. */
static void test_page_requests(void **state)
{
	struct guest *g = *state;
	struct asker a = {.g = g, .pasid = 5, .va = 0x7000, .len = 8192};
	pthread_t thread;

	assert_int_equal(requester_add_ats(g->device[0].r, true), 0);
	use_guest_tables(g, 0, 1);
	entry_of(g, 0)[0] |= BIT(52);
	forget_entry(g, 0);
	for (unsigned int code = 0; code < 2; code++) {
		g->nr_events = 0;
		assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
		wait_for_events(g, 2);
		assert_int_equal(g->event.log, IOMMU_VEVENT_IOAS_AMD_PPR);
		assert_int_equal(g->event.entry[0] & 0xffffffff, 5 << 16 | 8);
		assert_int_equal(g->event.entry[0] >> 48, 0x1160);		 /* GN, US, write */
		assert_int_equal(g->event.entry[0] >> 32 & 0x3ff, 0x200 | code); /* the last */
		assert_int_equal(g->event.entry[1], 0x8000);
		/* Of another tag, PASID, device. */
		command(g, op(7) | 5ull << 32 | 8, (uint64_t)(code + 1) << 32 | 4);
		command(g, op(7) | 6ull << 32 | 8, (uint64_t)code << 32 | 4);
		command(g, op(7) | 5ull << 32 | 16, (uint64_t)code << 32 | 4);
		command(g, op(7) | 5ull << 32 | 8, (uint64_t)code << 32 | (uint64_t)code << 44 | 4);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(a.rc, code ? -EFAULT : 0);
	}

	/* The device goes: nobody is left to answer. */
	g->nr_events = 0;
	assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
	wait_for_events(g, 2);
	requester_end(g->device[0].r);
	assert_int_equal(requester_attach(g->device[0].r, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(a.rc, -EFAULT);
	assert_int_equal(requester_attach(g->device[0].r, g->device[0].domain), 0);
	requester_begin(g->device[0].r);

	/* Nobody reads the log. */
	g->deaf = true;
	ask(&a);
	assert_int_equal(a.rc, -EFAULT);
	g->deaf = false;
}

/* PPR clear in the device's entry, once that is known. */
static void test_page_requests_refused(void **state)
{
	struct guest *g = *state;
	struct asker a = {.g = g, .pasid = 5, .va = 0x7000, .len = 1};
	struct outcome o;

	assert_int_equal(requester_add_ats(g->device[0].r, true), 0);
	use_guest_tables(g, 0, 1);
	engine_translate(g, 0, 5, 0x7000, IOMMU_READ, &o);
	assert_int_equal(o.where, -1);
	ask(&a);
	assert_int_equal(a.rc, -EFAULT);
	assert_int_equal(g->event.log, IOMMU_VEVENT_IOAS_AMD_EVENT);
	assert_int_equal(g->event.entry[0] >> 60, 9);
}

/* ---- commands ---- */

/* They stop at the first bad one; none after it is done. */
static void test_command_order(void **state)
{
	struct guest *g = *state;
	uint64_t batch[3][2] = {{op(DEVTAB) | 16, 0}, {op(9), 0}, {op(DEVTAB) | 8, 0}};
	struct user_array a = {.type = 1};
	struct outcome o;
	uint32_t done;

	fill_tables(g);
	use_guest_tables(g, 0, 1);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	entry_of(g, 0)[0] = 1;
	assert_int_equal(commands(g, batch, 3, &done), -EIO);
	assert_int_equal(done, 1);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	assert_true(o.where >= 0);
	assert_int_equal(commands(g, batch + 2, 1, &done), 0);
	engine_translate(g, 0, 5, g->va[0], IOMMU_READ, &o);
	assert_int_equal(o.where, -1);
	/* Of a device that is the VMM's own. */
	command(g, op(DEVTAB) | 0x1234, 0);
	command(g, op(4) | 0x1234, EVERYTHING);
	command(g, op(1) | 1, 5);
	done = 0;
	assert_int_equal(g->viommu.viommu.ops->invalidate(&g->viommu.viommu, &a, &done), -EINVAL);
	assert_int_equal(commands(g, batch, 0, &done), 0);
}

/* The command buffer: @head of the ring is guest page FIRST_DATA. */
#define RING_ENTRIES 256u
struct ring {
	struct {
		struct hw_queue hw;
		unsigned char rest[512];
	} queue;
	uint64_t gpa;
};

static volatile uint64_t *reg(struct guest *g, unsigned int offset)
{
	return (volatile uint64_t *)g->registers + offset / 8;
}

static void ring_begin(struct guest *g, struct ring *r)
{
	struct pt_leaf leaf;

	*r = (struct ring){.gpa = (uint64_t)FIRST_DATA << PAGE_SHIFT};
	assert_true(amd_hw_queue_size(&g->viommu.viommu, IOMMU_IOAS_AMD) <= sizeof(r->queue));
	assert_int_equal(pt_translate(domain_pt(g->parent), r->gpa, &leaf), 0);
	r->queue.hw = (struct hw_queue){.viommu = &g->viommu.viommu,
					.type = IOMMU_IOAS_AMD,
					.iova = r->gpa,
					.len = RING_ENTRIES * 16,
					.pa = leaf.pa};
}

static void ring_put(struct guest *g, struct ring *r, uint64_t w0, uint64_t w1)
{
	uint64_t tail = *reg(g, IOMMU_IOAS_AMD_COMMAND_TAIL);

	word(g, r->gpa + tail)[0] = w0;
	word(g, r->gpa + tail)[1] = w1;
	__atomic_store_n(reg(g, IOMMU_IOAS_AMD_COMMAND_TAIL), (tail + 16) % (RING_ENTRIES * 16),
			 __ATOMIC_RELEASE);
}

static void wait_until(volatile uint64_t *at, uint64_t value)
{
	for (int n = 0; __atomic_load_n(at, __ATOMIC_ACQUIRE) != value; n++) {
		assert_true(n < 100000000);
		sched_yield();
	}
}

static void test_command_buffer(void **state)
{
	struct guest *g = *state;
	const uint64_t store = (uint64_t)(FIRST_DATA + 1) << PAGE_SHIFT;
	struct outcome o;
	struct ring r, second;

	fill_tables(g);
	use_guest_tables(g, 0, 1);
	ring_begin(g, &r);
	assert_int_equal(amd_hw_queue_init(&r.queue.hw), 0);
	ring_begin(g, &second);
	assert_int_equal(amd_hw_queue_init(&second.queue.hw), -EEXIST);
	for (uint64_t n = 1; n <= 1000; n++) {
		*guest_leaf(g, g->root[1][2], 5, g->va[3]) = 0;
		ring_put(g, &r, op(IOMMU_PAGES) | (uint64_t)domain_of(1) << 32 | 5,
			 (g->va[3] & FIELD(63, 12)) | 4);
		ring_put(g, &r, op(1) | store | 1, n);
		if (n % 8 == 0)
			amd_hw_queue_kick(&r.queue.hw);
		wait_until(word(g, store), n);
		engine_translate(g, 0, 5, g->va[3], IOMMU_READ, &o);
		assert_int_equal(o.where, -1);
		*guest_leaf(g, g->root[1][2], 5, g->va[3]) = random_page(g) | 7;
		engine_translate(g, 0, 5, g->va[3], IOMMU_READ, &o);
		assert_true(o.where >= 0);
	}

	/* With an interrupt. */
	g->nr_events = 0;
	ring_put(g, &r, op(1) | 2, 77);
	while (!__atomic_load_n(&g->nr_events, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(g->event.log, IOMMU_VEVENT_IOAS_AMD_COMPLETION);
	assert_int_equal(g->event.entry[1], 77);
	assert_true(*reg(g, IOMMU_IOAS_AMD_STATUS) & IOMMU_IOAS_AMD_STATUS_COMWAIT_INT);

	/* A bad one stops it; whoever steps over it lets it run again. */
	wait_until(reg(g, IOMMU_IOAS_AMD_COMMAND_HEAD), *reg(g, IOMMU_IOAS_AMD_COMMAND_TAIL));
	g->nr_events = 0;
	{
		uint64_t bad = *reg(g, IOMMU_IOAS_AMD_COMMAND_TAIL);

		ring_put(g, &r, op(15), 0);
		ring_put(g, &r, op(1) | store | 1, 5555);
		while (!__atomic_load_n(&g->nr_events, __ATOMIC_ACQUIRE))
			sched_yield();
		assert_int_equal(g->event.log, IOMMU_VEVENT_IOAS_AMD_EVENT);
		assert_int_equal(g->event.entry[0] >> 60, 5);
		assert_int_equal(g->event.entry[1], r.gpa + bad);
		assert_false(*reg(g, IOMMU_IOAS_AMD_STATUS) & IOMMU_IOAS_AMD_STATUS_CMDBUF_RUN);
		wait_until(reg(g, IOMMU_IOAS_AMD_COMMAND_HEAD), bad);
		assert_int_not_equal(*word(g, store), 5555);
		*reg(g, IOMMU_IOAS_AMD_COMMAND_HEAD) = (bad + 16) % (RING_ENTRIES * 16);
		__atomic_fetch_or(reg(g, IOMMU_IOAS_AMD_STATUS), IOMMU_IOAS_AMD_STATUS_CMDBUF_RUN,
				  __ATOMIC_RELEASE);
		wait_until(word(g, store), 5555);
	}

	/* A store to where nothing is. */
	g->nr_events = 0;
	ring_put(g, &r, op(1) | 7ull << 40 | 1, 0);
	while (!__atomic_load_n(&g->nr_events, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(g->event.entry[0] >> 60, 6);
	assert_int_equal(g->event.entry[1], 7ull << 40);
	amd_hw_queue_fini(&r.queue.hw);
}

static void test_queue_geometry(void **state)
{
	static const struct {
		uint64_t iova, len;
		uint32_t index;
	} bad[] = {{0, 4096, 1},  {8, 4096, 0},	    {0, 2048, 0},
		   {0, 12288, 0}, {0, 4096 + 8, 0}, {0, 1 << 20, 0}};
	struct guest *g = *state;
	struct ring r;

	for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
		ring_begin(g, &r);
		r.queue.hw.iova += bad[n].iova;
		r.queue.hw.len = bad[n].len;
		r.queue.hw.index = bad[n].index;
		assert_int_equal(amd_hw_queue_init(&r.queue.hw), -EINVAL);
	}
	assert_int_equal(amd_hw_queue_size(&g->viommu.viommu, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lockstep, create, destroy),
		cmocka_unit_test_setup_teardown(test_withheld, create, destroy),
		cmocka_unit_test_setup_teardown(test_entry_cached, create, destroy),
		cmocka_unit_test_setup_teardown(test_flags, create, destroy),
		cmocka_unit_test_setup_teardown(test_hardware_errors, create, destroy),
		cmocka_unit_test_setup_teardown(test_page_requests, create, destroy),
		cmocka_unit_test_setup_teardown(test_page_requests_refused, create, destroy),
		cmocka_unit_test_setup_teardown(test_command_order, create, destroy),
		cmocka_unit_test_setup_teardown(test_command_buffer, create, destroy),
		cmocka_unit_test_setup_teardown(test_queue_geometry, create, destroy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
