/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's command queues in guest memory: our own plain one and those of a Tegra241 CMDQV. Order,
 * CMD_SYNC and its messages, errors and going on after them, registers that make no sense.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bits.h"
#include "smmuv3_guest.h"

#define LG2  6u
#define SIZE (1u << LG2)
#define VA   0x12345000ull

struct line {
	struct guest g;
	struct hw_queue *q;
	uint64_t ring, page, other, cds;
	struct guest_table t;
	uint32_t *prod, *cons, *enable, *enabled, *gerror, *gerrorn;
	uint32_t enable_bit, at;
};

static uint32_t load(const uint32_t *reg)
{
	return __atomic_load_n(reg, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *reg, uint32_t val)
{
	__atomic_store_n(reg, val, __ATOMIC_RELEASE);
}

static int queue_init(struct guest *g, uint32_t type, uint32_t index, uint64_t gpa, uint64_t len,
		      struct hw_queue **out)
{
	struct hw_queue *q = calloc(1, g->v->ops->hw_queue_size(g->v, type));
	struct pt_leaf leaf;
	int rc;

	assert_int_equal(pt_translate(domain_pt(g->parent), gpa, &leaf), 0);
	*q = (struct hw_queue){.viommu = g->v,
			       .type = type,
			       .index = index,
			       .iova = gpa,
			       .len = len,
			       .pa = leaf.pa};
	rc = g->v->ops->hw_queue_init(q);
	if (rc)
		free(q);
	else
		*out = q;
	return rc;
}

static void queue_fini(struct guest *g, struct hw_queue *q)
{
	g->v->ops->hw_queue_fini(q);
	free(q);
}

/* @type 0x494f0003: our own; 1: queue @index of a Tegra's. The vIOMMU is there. */
static void line_regs(struct line *l, bool own, uint32_t index)
{
	char *r = (char *)l->g.region + (own ? 0 : 0x80 * index);

	l->prod = (uint32_t *)(void *)(r + (own ? 0x98 : 0x4));
	l->cons = (uint32_t *)(void *)(r + (own ? 0x9c : 0x0));
	l->enable = (uint32_t *)(void *)(r + (own ? 0x20 : 0x8));
	l->enabled = (uint32_t *)(void *)(r + (own ? 0x24 : 0xc));
	l->gerror = (uint32_t *)(void *)(r + (own ? 0x60 : 0x10));
	l->gerrorn = (uint32_t *)(void *)(r + (own ? 0x64 : 0x14));
	l->enable_bit = own ? 8 : 1;
}

static void wait_for(const uint32_t *reg, uint32_t mask, uint32_t val)
{
	for (int n = 0; n < 50000 && (load(reg) & mask) != val; n++)
		usleep(50);
	assert_int_equal(load(reg) & mask, val);
}

static void line_begin(struct line *l, bool own)
{
	struct guest *g = &l->g;
	uint64_t tegra[2] = {0}, strtab;

	*l = (struct line){0};
	guest_begin(g, "smmuv3,cmdqv=on");
	strtab = guest_alloc(g, 64 << 7);
	l->ring = guest_alloc(g, 16 << LG2);
	l->cds = guest_alloc(g, 64);
	l->page = guest_alloc(g, 4096);
	l->other = guest_alloc(g, 4096);
	l->t = guest_table(g, 12, 39);
	guest_map(g, &l->t, VA, l->page, S1_DEFAULT);
	guest_cd(g, l->cds, &l->t, 5, 0);
	guest_word(g, strtab + 64 * GUEST_SID)[0] = STE_V | STE_S1 | l->cds;
	if (own)
		assert_int_equal(guest_own_viommu(g, strtab, 7), 0);
	else
		assert_int_equal(guest_viommu(g, 2, tegra, sizeof(tegra)), 0);
	if (!own)
		assert_int_equal(tegra[1], 0x10000);
	assert_int_equal(guest_vdevice(g, GUEST_SID), 0);
	assert_int_equal(own ? guest_own_attach(g) : guest_attach(g, STE_V | STE_S1 | l->cds, 0),
			 0);
	assert_int_equal(queue_init(g, own ? GUEST_OWN : 1, 0, l->ring, 16 << LG2, &l->q), 0);
	line_regs(l, own, 0);
	store(l->enable, l->enable_bit);
	wait_for(l->enabled, l->enable_bit, l->enable_bit);
}

static void line_end(struct line *l)
{
	queue_fini(&l->g, l->q);
	guest_end(&l->g);
}

static void put(struct line *l, uint64_t w0, uint64_t w1)
{
	uint64_t *e = guest_word(&l->g, l->ring + 16 * (l->at & (SIZE - 1)));

	while (((l->at - load(l->cons)) & (2 * SIZE - 1)) == SIZE)
		sched_yield();
	e[0] = w0;
	e[1] = w1;
	l->at = (l->at + 1) & (2 * SIZE - 1);
	store(l->prod, l->at);
}

static void drain(struct line *l)
{
	wait_for(l->cons, 2 * SIZE - 1, l->at);
}

/* What was invalidated through the queue is gone once CONS has passed; many times round. */
static void test_work(void **state)
{
	static struct line l;

	for (int own = 0; own < 2; own++) {
		line_begin(&l, own);
		for (int n = 0; n < 300; n++) {
			uint64_t page = n & 1 ? l.other : l.page;

			guest_map(&l.g, &l.t, VA, page, S1_DEFAULT);
			put(&l, CMD_TLBI_NH_VA | CMD_ASID(5), VA | 1);
			if (n % 3)
				put(&l, CMD_SYNC, 0);
			drain(&l);
			assert_int_equal(guest_dma(&l.g, 0, VA, IOMMU_READ), page);
		}
		assert_int_equal(l.g.nr_events, 0);
		line_end(&l);
	}
}

/* Messages of CMD_SYNC; where they go nowhere GERROR says so and the queue goes on. */
static void test_sync(void **state)
{
	static struct line l;
	uint32_t *word;

	for (int own = 0; own < 2; own++) {
		line_begin(&l, own);
		word = (uint32_t *)(void *)guest_word(&l.g, l.other);
		put(&l, CMD_SYNC | 1 << 12 | 0xcafeull << 32, l.other);
		wait_for(word, ~0u, 0xcafe);
		put(&l, CMD_SYNC | 1 << 12 | 0xcafeull << 32, 0x1000);
		drain(&l);
		wait_for(l.gerror, 0x10, 0x10);
		assert_int_equal(l.g.nr_events, 1);
		put(&l, CMD_SYNC | 1 << 12 | 0xbeefull << 32, l.other);
		wait_for(word, ~0u, 0xbeef);
		if (own) {
			put(&l, CMD_SYNC | 1 << 12, 0);
			drain(&l);
			assert_int_equal(l.g.event_type, GUEST_OWN);
			assert_int_equal((uint32_t)l.g.event[0], 2);
		}
		line_end(&l);
	}
}

/* A bad command stops the queue at itself; once it is acknowledged and mended it goes on. */
static void test_errors(void **state)
{
	static struct line l;

	for (int own = 0; own < 2; own++) {
		uint32_t bad;

		line_begin(&l, own);
		assert_int_equal(guest_dma(&l.g, 0, VA, IOMMU_READ), l.page);
		put(&l, CMD_TLBI_NH_ASID | CMD_ASID(6), 0);
		bad = l.at;
		/* Ours: an answer to a stall; Tegra's: what concerns all of the guest. */
		put(&l, own ? 0x44 : CMD_TLBI_NH_ALL, 0);
		guest_map(&l.g, &l.t, VA, l.other, S1_DEFAULT);
		put(&l, CMD_TLBI_NH_ASID | CMD_ASID(5), 0);
		wait_for(l.gerror, 1, 1);
		assert_int_equal(load(l.cons), bad | 1 << 24); /* CERROR_ILL */
		assert_int_equal(guest_dma(&l.g, 0, VA, IOMMU_READ), l.page);
		for (int n = 0; n < 1000 && !__atomic_load_n(&l.g.nr_events, __ATOMIC_ACQUIRE); n++)
			usleep(100);
		assert_int_equal(l.g.nr_events, 1);
		assert_int_equal(l.g.event_type, own ? GUEST_OWN : 2);
		assert_int_equal(l.g.event[0], own ? 1ull << 32 | 1 : 1);
		guest_word(&l.g, l.ring + 16 * bad)[0] = CMD_SYNC;
		store(l.gerrorn, 1);
		drain(&l);
		assert_int_equal(guest_dma(&l.g, 0, VA, IOMMU_READ), l.other);
		/* A stream of nobody's. */
		bad = l.at;
		put(&l, CMD_ATC_INV | CMD_SID(GUEST_SID + 1), 52);
		if (own) {
			drain(&l);
		} else {
			wait_for(l.gerror, 1, 0);
			assert_int_equal(load(l.cons), bad | 1 << 24);
		}
		line_end(&l);
	}
}

/* PROD further away than the queue is long; switched off and on again. */
static void test_registers(void **state)
{
	static struct line l;

	line_begin(&l, false);
	store(l.prod, SIZE + 1);
	usleep(5000);
	assert_int_equal(load(l.cons), 0);
	assert_int_equal(load(l.gerror), 0);
	store(l.prod, 0);
	put(&l, CMD_SYNC, 0);
	drain(&l);
	/* Asleep for long, and woken. */
	usleep(20000);
	put(&l, CMD_SYNC, 0);
	l.g.v->ops->hw_queue_kick(l.q);
	drain(&l);
	/* The guest's store into CONS counts only while the queue is off. */
	store(l.cons, 17);
	put(&l, CMD_SYNC, 0);
	drain(&l);
	store(l.enable, 0);
	wait_for(l.enabled, 1, 0);
	guest_word(&l.g, l.ring + 16 * 38)[0] = CMD_SYNC;
	guest_word(&l.g, l.ring + 16 * 39)[0] = CMD_SYNC;
	store(l.prod, 40);
	store(l.cons, 38);
	store(l.enable, 1);
	l.at = 40;
	drain(&l);
	line_end(&l);
}

/* HWQ.11; the slots of stream IDs. */
static void test_rules(void **state)
{
	uint64_t data[2] = {0};
	struct hw_queue *q0, *q1;
	uint64_t at;
	struct guest g;

	guest_begin(&g, "smmuv3,cmdqv=on");
	assert_int_equal(guest_viommu(&g, 2, NULL, 0), -EINVAL);
	assert_int_equal(guest_viommu(&g, 2, data, 8), -EINVAL);
	assert_int_equal(guest_viommu(&g, 2, data, 16), 0);
	assert_int_equal(g.v->ops->hw_queue_size(g.v, 2), 0);
	at = guest_alloc(&g, 16 << 20);
	assert_int_equal(queue_init(&g, 1, 2, at, 4096, &q0), -EINVAL);
	assert_int_equal(queue_init(&g, 1, 1, at, 4096, &q1), -EIO);
	assert_int_equal(queue_init(&g, 1, 0, at, 4096 + 16, &q0), -EINVAL);
	assert_int_equal(queue_init(&g, 1, 0, at, 16, &q0), -EINVAL);
	assert_int_equal(queue_init(&g, 1, 0, at, 16 << 20, &q0), -EINVAL);
	assert_int_equal(queue_init(&g, 1, 0, at + 2048, 4096, &q0), -EINVAL);
	assert_int_equal(queue_init(&g, 1, 0, at, 2 << 20, &q0), 0);
	assert_int_equal(queue_init(&g, 1, 0, at, 4096, &q1), -EEXIST);
	assert_int_equal(queue_init(&g, 1, 1, at, 32, &q1), 0);
	queue_fini(&g, q1);
	queue_fini(&g, q0);
	assert_int_equal(guest_vdevice(&g, 1 << 20), -EINVAL);
	assert_int_equal(guest_vdevice(&g, (1 << 20) - 1), 0);
	{
		struct vdevice *more[16];

		for (unsigned int n = 0; n < 16; n++) {
			more[n] = calloc(1, g.v->ops->vdevice_size);
			*more[n] = (struct vdevice){.viommu = g.v, .requester = g.r, .virt_id = n};
			assert_int_equal(viommu_add(g.v, more[n]), n < 15 ? 0 : -ENOSPC);
		}
		guest_drop_vdevice(&g);
		assert_int_equal(viommu_add(g.v, more[15]), 0);
		for (unsigned int n = 0; n < 16; n++) {
			viommu_remove(g.v, more[n]);
			free(more[n]);
		}
	}
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work),   cmocka_unit_test(test_sync),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_registers),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
