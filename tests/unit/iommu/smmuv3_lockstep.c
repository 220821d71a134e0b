/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's nested translation beside a naive model that caches nothing: it walks the guest's stream
 * table, CDs and tables with each request.
 *
 * A guest changes at random what they hold, and sends the invalidations that the change needs: then
 * both always agree. Now and then it withholds them; then they may differ, but only on what was
 * withheld, and what is seen must be something that stood there since. That they do differ then is
 * counted, so that an engine without caches would not pass.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "smmuv3_guest.h"

#define PASIDS	4u
#define PAGES	24u
#define TARGETS 16u
#define STEPS	12000u

struct world {
	struct guest g;
	uint64_t strtab, cds, targets;
	struct guest_table table[PASIDS]; /* of CD n, of ASID 10 + n */
	unsigned int seed;
	/* What was withheld: of (table, page), of a CD, of the STE. */
	bool page_stale[PASIDS][PAGES], cd_stale[PASIDS], ste_stale;
	unsigned int steps, stale_seen, agreed, faults;
};

static unsigned int pick(struct world *w, unsigned int n)
{
	return (unsigned int)rand_r(&w->seed) % n;
}

/* Pages in three regions, so that tables of each level differ. */
static uint64_t va_of(unsigned int page)
{
	static const uint64_t region[] = {0x1000, 0x40200000, 0x2000000000};

	return region[page % 3] + (uint64_t)(page / 3) * (page & 1 ? 0x1000 : 0x200000);
}

/* The naive model: 4 KiB pages, 39 bits, no flags to set. */
static int64_t naive(struct world *w, unsigned int pasid, uint64_t va, unsigned int access)
{
	const uint64_t *ste = guest_word(&w->g, w->strtab + 64 * GUEST_SID), *cd;
	uint64_t table, e = 0, index = pasid;

	switch (ste[0] & 0xf) {
	case STE_V | STE_BYPASS:
		return va >= GUEST_GPA && va < GUEST_GPA + GUEST_SIZE ? (int64_t)va : -1;
	case STE_V | STE_S1:
		break;
	default:
		return -1;
	}
	if (!pasid && (ste[1] & 3) == 0)
		return -1;
	if (!pasid && (ste[1] & 3) == 1)
		return va >= GUEST_GPA && va < GUEST_GPA + GUEST_SIZE ? (int64_t)va : -1;
	cd = guest_word(&w->g, w->cds + 64 * index);
	if (!(cd[0] & 1ull << 31))
		return -1;
	table = cd[1];
	for (int level = 2; level >= 0; level--) {
		e = *guest_word(&w->g, table + (va >> (12 + 9 * level) & 511) * 8);
		if (!(e & 1))
			return -1;
		table = e & FIELD(47, 12);
		if (level && !(e & 2))
			return access & IOMMU_WRITE && e & S1_RO
				       ? -1
				       : (int64_t)((table & ~MASK(12 + 9 * level)) |
						   (va & MASK(12 + 9 * level)));
	}
	return access & IOMMU_WRITE && e & S1_RO ? -1 : (int64_t)(table | (va & 0xfff));
}

struct batch {
	uint64_t cmd[16][2];
	uint32_t n;
};

static void add(struct batch *b, uint64_t w0, uint64_t w1)
{
	b->cmd[b->n][0] = w0;
	b->cmd[b->n][1] = w1;
	b->n++;
}

/* A page is mapped elsewhere, or no more, or otherwise. */
static void change_page(struct world *w, struct batch *b, unsigned int *table, unsigned int *page)
{
	uint64_t bits = S1_DEFAULT | (pick(w, 3) ? 0 : S1_RO) | (pick(w, 4) ? 0 : 1);

	*table = pick(w, PASIDS);
	*page = pick(w, PAGES);
	if (!pick(w, 4))
		bits = 0;
	guest_map(&w->g, &w->table[*table], va_of(*page),
		  bits ? w->targets + 4096 * pick(w, TARGETS) : 0, bits);
	switch (pick(w, 5)) {
	case 0:
		add(b, CMD_TLBI_NH_ASID | CMD_ASID(10 + *table), 0);
		break;
	case 1:
		add(b, CMD_TLBI_NH_VAA, va_of(*page) | 1);
		break;
	case 2: /* a range of two pages */
		add(b, CMD_TLBI_NH_VA | CMD_ASID(10 + *table) | 1 << 12,
		    va_of(*page) | 1 | 1 << 10 | 3 << 8);
		break;
	default:
		add(b, CMD_TLBI_NH_VA | CMD_ASID(10 + *table), va_of(*page) | 1);
		break;
	}
}

/* A table of pages is replaced by another with the same entries: what is cached of it must go. */
static void change_table(struct world *w, struct batch *b, unsigned int *table, unsigned int *page)
{
	uint64_t *upper, old, new;

	*table = pick(w, PASIDS);
	*page = pick(w, PAGES);
	if (w->g.free + 0x100000 > GUEST_GPA + GUEST_SIZE)
		return;
	upper = guest_word(&w->g, guest_entry(&w->g, &w->table[*table], va_of(*page), 1));
	if (!(*upper & 1))
		return;
	old = *upper & FIELD(47, 12);
	new = guest_alloc(&w->g, 4096);
	memcpy(guest_word(&w->g, new), guest_word(&w->g, old), 4096);
	memset(guest_word(&w->g, old), 0, 4096);
	*upper = new | 3;
	add(b, CMD_TLBI_NH_ASID | CMD_ASID(10 + *table), 0);
}

static void change_cd(struct world *w, struct batch *b, unsigned int *pasid)
{
	uint64_t *cd;

	*pasid = pick(w, PASIDS);
	cd = guest_word(&w->g, w->cds + 64 * *pasid);
	cd[0] ^= 1ull << 31;
	add(b, CMD_CFGI_CD | CMD_SID(GUEST_SID) | CMD_SSID(*pasid), 1);
}

static void change_ste(struct world *w, struct batch *b)
{
	static const uint64_t configs[] = {STE_V | STE_S1, STE_V | STE_S1, STE_V | STE_S1,
					   STE_V | STE_BYPASS, STE_V | STE_ABORT};
	uint64_t *ste = guest_word(&w->g, w->strtab + 64 * GUEST_SID);

	ste[1] = pick(w, 3);
	ste[0] = (ste[0] & ~0xfull) | configs[pick(w, ARRAY_SIZE(configs))];
	if (pick(w, 2))
		add(b, CMD_CFGI_STE | CMD_SID(GUEST_SID), 1);
	else
		add(b, CMD_CFGI_ALL, 31);
}

static void send(struct world *w, const struct batch *b)
{
	uint32_t done;

	if (!b->n)
		return;
	assert_int_equal(guest_invalidate(&w->g, b->cmd, b->n, &done), 0);
	assert_int_equal(done, b->n);
}

static void send_all(struct world *w)
{
	struct batch b = {.n = 0};

	add(&b, CMD_CFGI_ALL, 31);
	add(&b, CMD_TLBI_NSNH_ALL, 0);
	send(w, &b);
	memset(w->page_stale, 0, sizeof(w->page_stale));
	memset(w->cd_stale, 0, sizeof(w->cd_stale));
	w->ste_stale = false;
}

static void change(struct world *w, bool withhold)
{
	unsigned int table = 0, page = 0, pasid = 0, kind = pick(w, 20);
	struct batch b = {.n = 0};

	if (kind < 15) {
		change_page(w, &b, &table, &page);
		w->page_stale[table][page] |= withhold;
	} else if (kind < 17) {
		change_table(w, &b, &table, &page);
		for (unsigned int n = 0; n < PAGES; n++)
			w->page_stale[table][n] |= withhold;
	} else if (kind < 19) {
		change_cd(w, &b, &pasid);
		w->cd_stale[pasid] |= withhold;
	} else {
		change_ste(w, &b);
		w->ste_stale |= withhold;
	}
	if (!withhold)
		send(w, &b);
}

static void compare(struct world *w)
{
	static const unsigned int kinds[] = {IOMMU_READ, IOMMU_WRITE};
	unsigned int pasid = pick(w, PASIDS), page = pick(w, PAGES), access = kinds[pick(w, 2)];
	uint64_t va = pick(w, 8) ? va_of(page) + 8 * pick(w, 500) : w->targets + 8 * pick(w, 500);
	int64_t want = naive(w, pasid, va, access), got = guest_dma(&w->g, pasid, va, access);
	bool excused = w->ste_stale || w->cd_stale[pasid] || w->page_stale[pasid][page];

	w->faults += want < 0;
	if (got == want) {
		w->agreed++;
		return;
	}
	if (!excused)
		fail_msg("step %u: PASID %u, %#llx, access %u: %#llx, not %#llx", w->steps, pasid,
			 (unsigned long long)va, access, (unsigned long long)got,
			 (unsigned long long)want);
	/* An old page, or none: never anything else of the guest's. */
	assert_true(
		got == -1 || got == (int64_t)va ||
		(got >= (int64_t)w->targets && got < (int64_t)(w->targets + TARGETS * 4096ull)));
	w->stale_seen++;
}

static void world_begin(struct world *w, unsigned int seed)
{
	*w = (struct world){.seed = seed};
	guest_begin(&w->g, "smmuv3");
	w->targets = guest_alloc(&w->g, 4096 * TARGETS);
	w->strtab = guest_alloc(&w->g, 64 << 7);
	w->cds = guest_alloc(&w->g, 64 * PASIDS);
	for (unsigned int n = 0; n < PASIDS; n++) {
		w->table[n] = guest_table(&w->g, 12, 39);
		guest_cd(&w->g, w->cds + 64 * n, &w->table[n], (uint16_t)(10 + n), 0);
	}
	guest_word(&w->g, w->strtab + 64 * GUEST_SID)[0] = STE_V | STE_S1 | w->cds | 2ull << 59;
	guest_word(&w->g, w->strtab + 64 * GUEST_SID)[1] = 2;
	assert_int_equal(guest_own_viommu(&w->g, w->strtab, 7), 0);
	assert_int_equal(guest_vdevice(&w->g, GUEST_SID), 0);
	assert_int_equal(guest_own_attach(&w->g), 0);
}

static void run(unsigned int seed, unsigned int one_in)
{
	static struct world w;

	world_begin(&w, seed);
	for (w.steps = 0; w.steps < STEPS; w.steps++) {
		change(&w, one_in && !pick(&w, one_in));
		for (int n = 0; n < 4; n++)
			compare(&w);
		if (one_in && !(w.steps % 50))
			send_all(&w);
	}
	print_message("%u agreed (%u faults), %u old ones seen\n", w.agreed, w.faults,
		      w.stale_seen);
	assert_true(w.agreed - w.faults > STEPS / 4);
	if (one_in)
		assert_true(w.stale_seen > 20);
	else
		assert_int_equal(w.stale_seen, 0);
	guest_end(&w.g);
}

static void test_all_sent(void **state)
{
	run(1, 0);
	run(2, 0);
}

static void test_some_withheld(void **state)
{
	run(3, 10);
	run(4, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_sent),
		cmocka_unit_test(test_some_withheld),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
