/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots: staleness of private memory, reuse, BARs, table memory. */
#include "common.h"

#include "memory/private.h"

static struct memory *memory;
static unsigned int revoked;

static int setup(void **state)
{
	memory = make_memory(true, &revoked);
	return 0;
}

static int teardown(void **state)
{
	memory_destroy(memory);
	return 0;
}

/* As the door does for munmap(). */
static void program_unmaps(char *va, uint64_t len)
{
	struct memory_change c;

	memory_change_begin(memory, &c, (uintptr_t)va, len);
	munmap(va, len);
	memory_change_end(memory, &c);
}

static void program_maps_anew(char *va, uint64_t len, int flags)
{
	struct memory_change c;

	memory_change_begin(memory, &c, (uintptr_t)va, len);
	assert_ptr_equal(
		mmap(va, len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0),
		va);
	memory_change_end(memory, &c);
}

static void what_is_unmapped_faults(void **state)
{
	char *va = map_anon(8 * PAGE_SIZE, MAP_PRIVATE), byte;
	struct pages *p = make_pages(memory, va, 8 * PAGE_SIZE, true);
	uint64_t pa;

	memset(va, 'a', 8 * PAGE_SIZE);
	assert_int_equal(pages_pin(p, 0, 8 * PAGE_SIZE), 0);
	pa = pa_of(p, 0);
	assert_false(memory_slot(memory, pa)->has_stale);
	program_unmaps(va + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
	assert_int_equal(revoked, 1);
	assert_true(memory_slot(memory, pa)->has_stale);
	assert_pa_byte(memory, pa + 2 * PAGE_SIZE - 1, 'a');
	assert_int_equal(pa_read(memory, pa + 2 * PAGE_SIZE, &byte, 1), -EFAULT);
	assert_int_equal(pa_read(memory, pa + 4 * PAGE_SIZE - 1, &byte, 1), -EFAULT);
	assert_pa_byte(memory, pa + 4 * PAGE_SIZE, 'a');
	assert_true(memory_stale(memory, pa, 8 * PAGE_SIZE));
	assert_false(memory_stale(memory, pa, 2 * PAGE_SIZE));
	pages_unpin(p, 0, 8 * PAGE_SIZE);
	assert_false(memory_slot(memory, pa)->has_stale);
	pages_put(p);
	munmap(va, 8 * PAGE_SIZE);
}

/* The invariant: a live leaf never reaches the VA's next owner. */
static void the_next_owner_is_never_reached(void **state)
{
	char *va = map_anon(4 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *old = make_pages(memory, va, 4 * PAGE_SIZE, true), *new;
	uint64_t pa;

	memset(va, 'o', 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(old, 0, 4 * PAGE_SIZE), 0);
	pa = pa_of(old, PAGE_SIZE);
	program_maps_anew(va + PAGE_SIZE, 2 * PAGE_SIZE, MAP_PRIVATE);
	memset(va + PAGE_SIZE, 'n', 2 * PAGE_SIZE);
	assert_int_equal(pa_write(memory, pa, "x", 1), -EFAULT);
	assert_int_equal(va[PAGE_SIZE], 'n');

	new = make_pages(memory, va, 4 * PAGE_SIZE, true);
	assert_int_equal(pages_pin(new, 0, 4 * PAGE_SIZE), 0);
	assert_int_not_equal(pa_of(new, PAGE_SIZE), pa);
	assert_int_equal(pa_of(new, PAGE_SIZE) & MEMORY_SLOT_MASK, pa & MEMORY_SLOT_MASK);
	assert_pa_byte(memory, pa_of(new, PAGE_SIZE), 'n');
	assert_pa_byte(memory, pa_of(new, 0), 'o');
	assert_int_equal(pa_write(memory, pa, "x", 1), -EFAULT);
	/* When the old pins have gone their slot is as good as new. */
	pages_unpin(old, 0, 4 * PAGE_SIZE);
	pages_unpin(new, 0, 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(old, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(memory_nr_slots(memory), 2);
	pages_unpin(old, 0, 4 * PAGE_SIZE);
	pages_put(old);
	pages_put(new);
	munmap(va, 4 * PAGE_SIZE);
}

static void a_change_elsewhere_costs_nothing(void **state)
{
	char *va = map_anon(8 * MiB, MAP_PRIVATE | MAP_NORESERVE);
	struct pages *p =
		make_pages(memory, (char *)align_up((uintptr_t)va, 2 * MiB), PAGE_SIZE, true);

	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	memory_va_changed(memory, pages_start(p) + 2 * MiB, 2 * MiB);
	memory_va_changed(memory, pages_start(p) + 300 * GiB, 2 * MiB);
	memory_va_changed(memory, 0, pages_start(p));
	memory_va_changed(memory, pages_start(p), 0);
	memory_va_changed(memory, 0, 0);
	assert_int_equal(revoked, 0);
	assert_false(memory_slot(memory, pa_of(p, 0))->has_stale);
	memory_va_changed(memory, 0, U64MAX);
	assert_int_equal(revoked, 1);
	assert_true(memory_stale(memory, pa_of(p, 0), 1));
	pages_unpin(p, 0, PAGE_SIZE);
	memory_va_changed(memory, 0, U64MAX);
	assert_int_equal(revoked, 1);
	pages_put(p);
	munmap(va, 8 * MiB);
}

static void registered_memory_does_not_go_stale(void **state)
{
	struct pages *p = make_pages(memory, (void *)(512 * GiB), PAGE_SIZE, true);

	assert_int_equal(memory_register(memory, 512 * GiB, PAGE_SIZE), 0);
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	memory_va_changed(memory, 512 * GiB, PAGE_SIZE);
	assert_int_equal(revoked, 0);
	assert_false(memory_stale(memory, pa_of(p, 0), 1));
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
}

/* One long-lived pin beside memory that comes and goes: the number of slots stays bounded. */
static void churn_beside_a_pin_is_bounded(void **state)
{
	char *va = map_anon(64 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *keep = make_pages(memory, va, PAGE_SIZE, true);
	uint32_t seed = 7;

	memset(va, 'k', PAGE_SIZE);
	assert_int_equal(pages_pin(keep, 0, PAGE_SIZE), 0);
	for (int i = 0; i < 2000; i++) {
		uint64_t page = 1 + (seed >> 8) % 63;
		struct pages *p = make_pages(memory, va + page * PAGE_SIZE, PAGE_SIZE, true);

		seed = seed * 1664525 + 1013904223;
		assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
		va[page * PAGE_SIZE] = (char)i;
		assert_pa_byte(memory, pa_of(p, 0), (char)i);
		if (seed >> 30)
			program_maps_anew(va + page * PAGE_SIZE, PAGE_SIZE, MAP_PRIVATE);
		pages_unpin(p, 0, PAGE_SIZE);
		pages_put(p);
		assert_pa_byte(memory, pa_of(keep, 0), 'k');
	}
	assert_true(memory_nr_slots(memory) <= 3);
	pages_unpin(keep, 0, PAGE_SIZE);
	pages_put(keep);
	munmap(va, 64 * PAGE_SIZE);
}

/* Staleness against a model: each pin remembers what it was made of. */
static void staleness_agrees_with_a_model(void **state)
{
	enum { PAGES = 1200, PINS = 30 };
	char *va = map_anon(PAGES * PAGE_SIZE, MAP_PRIVATE | MAP_NORESERVE);
	unsigned int generation[PAGES] = {0};
	struct {
		struct pages *p;
		uint64_t first, n;
		unsigned int generation[PAGES];
	} *pins = calloc(PINS, sizeof(*pins)), *q;
	uint64_t seed = 3;

	for (int round = 0; round < 3000; round++) {
		uint64_t first, n;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		first = (seed >> 20) % PAGES;
		n = 1 + (seed >> 33) % min_u64(PAGES - first, (seed >> 45) % 3 ? 4 : PAGES);
		q = &pins[(seed >> 50) % PINS];
		if (seed >> 63) {
			memory_va_changed(memory, (uintptr_t)va + first * PAGE_SIZE, n * PAGE_SIZE);
			for (uint64_t i = first; i < first + n; i++)
				generation[i]++;
		} else if (q->p) {
			pages_unpin(q->p, 0, q->n * PAGE_SIZE);
			pages_put(q->p);
			q->p = NULL;
		} else {
			q->p = make_pages(memory, va + first * PAGE_SIZE, n * PAGE_SIZE, false);
			q->first = first;
			q->n = n;
			assert_int_equal(pages_pin(q->p, 0, n * PAGE_SIZE), 0);
			memcpy(q->generation, generation, sizeof(generation));
		}
		for (q = pins; q < pins + PINS; q++)
			for (uint64_t i = 0; q->p && i < q->n; i += 1 + (q->n >> 4)) {
				bool want = q->generation[q->first + i] != generation[q->first + i];
				uint64_t pa = pa_of(q->p, i * PAGE_SIZE);

				assert_int_equal(memory_stale(memory, pa, 1), want);
				if (want)
					assert_true(memory_slot(memory, pa)->has_stale);
			}
	}
	for (q = pins; q < pins + PINS; q++)
		if (q->p) {
			pages_unpin(q->p, 0, q->n * PAGE_SIZE);
			pages_put(q->p);
		}
	free(pins);
	munmap(va, PAGES * PAGE_SIZE);
}

/* A door that says where BARs lie, and what is I/O memory. */
static int bar_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	uint64_t gib = va >> MEMORY_SLOT_SHIFT;

	if (gib == 600)
		*out = (struct memory_vma){
			600 * GiB + MiB,	600 * GiB + 3 * MiB - 1, VMA_BAR, true, true,
			.bar = {arg, 2, 0x4000}};
	else if (gib == 601)
		*out = (struct memory_vma){601 * GiB, 602 * GiB - 1, VMA_IO, true, true};
	else
		return -EFAULT;
	return va >= out->start && va <= out->last ? 0 : -EFAULT;
}

static void bars(void **state)
{
	static const struct memory_ops ops = {.vma = bar_vma, .revoked = count_revoked};
	unsigned int device[2] = {0}; /* revoked counts in the first */
	struct memory_config cfg = {.ops = &ops, .ops_arg = device, .tracked = true};
	uint64_t va = 600 * GiB + 2 * MiB, limit = 0, run, pa;
	struct memory_payer payer;
	struct memory_bar bar;
	struct memory *m;
	struct pages *p;

	assert_int_equal(memory_create(&cfg, &m), 0);
	assert_int_equal(memory_account_create(limit_of, &limit, &payer.account), 0);
	/* iommufd refuses a BAR, type1 takes it and charges nothing for it. */
	assert_int_equal(pages_from_va(m, &payer, va, 2 * PAGE_SIZE, true, false, &p), 0);
	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), -EFAULT);
	pages_put(p);
	assert_int_equal(pages_from_va(m, &payer, va, 2 * PAGE_SIZE, true, true, &p), 0);
	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(payer.account), 0);
	assert_int_equal(pages_charged(p), 0);
	pa = pages_pa(p, 0, &run);
	assert_int_equal(run, 2 * PAGE_SIZE);
	assert_int_equal(memory_slot(m, pa)->kind, MEMORY_BAR);
	assert_null(memory_slot(m, pa)->base);
	assert_int_equal(memory_copy_from(m, memory_slot(m, pa), &bar, &bar, 1), -EFAULT);
	assert_int_equal(memory_bar_at(m, pa + 5, &bar), 0);
	assert_ptr_equal(bar.device, device);
	assert_int_equal(bar.region, 2);
	assert_int_equal(bar.offset, 0x4000 + MiB + 5);
	memory_forget_device(m, device);
	assert_int_equal(device[0], 1);
	assert_int_equal(memory_bar_at(m, pa, &bar), -EFAULT);
	pages_unpin(p, 0, 2 * PAGE_SIZE);
	assert_int_equal(memory_account_locked(payer.account), 0);
	pages_put(p);
	/* I/O memory that is no BAR is refused by both. */
	assert_int_equal(pages_from_va(m, NULL, 601 * GiB, PAGE_SIZE, true, true, &p), 0);
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), -EFAULT);
	pages_put(p);
	memory_account_put(payer.account);
	memory_destroy(m);
}

static void tables_take_consecutive_slots(void **state)
{
	char *va = map_anon(PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(memory, va, PAGE_SIZE, true);
	uint64_t pa, more;

	assert_int_equal(memory_add_tables(memory, (char *)(64 * GiB), 3 * GiB, &pa), 0);
	assert_int_equal(pa, 1 * GiB);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(memory_slot(memory, pa + i * GiB)->kind, MEMORY_TABLE);
		assert_ptr_equal(memory_slot(memory, pa + i * GiB)->base, (void *)((64 + i) * GiB));
	}
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_int_equal(pa_of(p, 0) >> MEMORY_SLOT_SHIFT, 4);
	assert_int_equal(memory_add_tables(memory, (char *)(80 * GiB), GiB + 1, &more), 0);
	assert_int_equal(more, 5 * GiB);
	assert_int_equal(memory_nr_slots(memory), 6);
	assert_int_equal(memory_add_tables(memory, (char *)(80 * GiB), MEMORY_SLOTS * GiB, &more),
			 -ENOMEM);
	assert_int_equal(memory_copy_from(memory, memory_slot(memory, pa), &more, &more, 1), -EFAULT);
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	munmap(va, PAGE_SIZE);
}

/* When slots run out, those that are only kept for later are taken. */
static void idle_slots_are_reclaimed(void **state)
{
	uint64_t va = 512 * GiB, pa;
	struct pages *p = make_pages(memory, (void *)va, 64 * GiB, true),
		     *q = make_pages(memory, (void *)(1024 * GiB), PAGE_SIZE, true);

	assert_int_equal(memory_register(memory, va, 64 * GiB), 0);
	assert_int_equal(memory_register(memory, 1024 * GiB, PAGE_SIZE), 0);
	assert_int_equal(
		memory_add_tables(memory, (char *)(4096 * GiB), (MEMORY_SLOTS - 1 - 64) * GiB, &pa),
		0);
	assert_int_equal(pages_pin(p, 0, 64 * GiB), 0);
	assert_int_equal(pages_pin(q, 0, PAGE_SIZE), -ENOMEM);
	pages_unpin(p, 0, 64 * GiB);
	assert_int_equal(pages_pin(q, 0, PAGE_SIZE), 0);
	pages_unpin(q, 0, PAGE_SIZE);
	pages_put(p);
	pages_put(q);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_unmapped_faults),
		T(the_next_owner_is_never_reached),
		T(a_change_elsewhere_costs_nothing),
		T(registered_memory_does_not_go_stale),
		T(churn_beside_a_pin_is_bounded),
		T(staleness_agrees_with_a_model),
		T(bars),
		T(tables_take_consecutive_slots),
		T(idle_slots_are_reclaimed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
