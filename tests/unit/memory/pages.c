/* SPDX-License-Identifier: BSD-3-Clause */
/* Pins of a pages object: what is resident, in which slot, counted against a counter for each page.
 */
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

/* @len bytes at an address that is @skew above a multiple of 1 GiB. */
static char *map_at_gib(uint64_t skew, uint64_t len, int flags)
{
	char *all = mmap(NULL, len + 3 * GiB, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p = (char *)align_up((uintptr_t)all, GiB) + GiB + (int64_t)skew;

	assert_ptr_not_equal(all, MAP_FAILED);
	munmap(all, len + 3 * GiB);
	p = mmap(p, len, PROT_READ | PROT_WRITE,
		 MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE | flags, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void nothing_is_looked_at_before_a_pin(void **state)
{
	struct pages *p = make_pages(memory, (void *)16, U64MAX - 64, true);

	assert_false(pages_is_pinned(p));
	assert_int_equal(pages_length(p), U64MAX - 64);
	assert_int_equal(pages_start(p), 16);
	assert_int_equal(pages_pin(p, 0, pages_length(p)), -EFAULT);
	assert_int_equal(pages_pin(p, PAGE_SIZE, PAGE_SIZE), -EFAULT);
	assert_false(pages_is_pinned(p));
	pages_put(p);
}

static void pa_keeps_the_low_bits(void **state)
{
	char *va = map_anon(8 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(memory, va + 100, 5 * PAGE_SIZE, true);
	uint64_t run, pa;

	assert_int_equal(pages_pin(p, 0, 5 * PAGE_SIZE), 0);
	pa = pages_pa(p, 7, &run);
	assert_int_equal(pa & MEMORY_SLOT_MASK, ((uintptr_t)va + 107) & MEMORY_SLOT_MASK);
	assert_int_equal(run, 5 * PAGE_SIZE - 7);
	assert_true(pa >= MEMORY_SLOT_SIZE);
	va[107] = 'x';
	assert_pa_byte(memory, pa, 'x');
	assert_int_equal(pa_write(memory, pa, "y", 1), 0);
	assert_int_equal(va[107], 'y');
	assert_int_equal(memory_slot(memory, pa)->kind, MEMORY_PRIVATE);
	assert_true(pages_is_pinned(p));
	pages_unpin(p, 0, 5 * PAGE_SIZE);
	assert_false(pages_is_pinned(p));
	pages_put(p);
	munmap(va, 8 * PAGE_SIZE);
}

static void slots_are_numbered_by_first_use(void **state)
{
	char *va = map_at_gib(-2 * PAGE_SIZE, 4 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(memory, va, 4 * PAGE_SIZE, true);
	uint64_t run;

	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_pa(p, 0, &run) >> MEMORY_SLOT_SHIFT, 1);
	assert_int_equal(run, 2 * PAGE_SIZE);
	assert_int_equal(pages_pa(p, 2 * PAGE_SIZE, &run), 2 * GiB);
	assert_int_equal(run, 2 * PAGE_SIZE);
	assert_int_equal(memory_nr_slots(memory), 2);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	pages_put(p);
	munmap(va, 4 * PAGE_SIZE);
}

static void holes_and_permissions(void **state)
{
	char *va = map_anon(4 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *rw = make_pages(memory, va, 4 * PAGE_SIZE, true),
		     *ro = make_pages(memory, va, 4 * PAGE_SIZE, false);

	mprotect(va + PAGE_SIZE, PAGE_SIZE, PROT_READ);
	memory_va_protected(memory, (uintptr_t)va + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(pages_pin(rw, 0, 4 * PAGE_SIZE), -EFAULT);
	assert_int_equal(pages_pin(ro, 0, 4 * PAGE_SIZE), 0);
	pages_unpin(ro, 0, 4 * PAGE_SIZE);
	memory_va_changed(memory, (uintptr_t)va + 3 * PAGE_SIZE, PAGE_SIZE);
	munmap(va + 3 * PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(pages_pin(ro, 0, 4 * PAGE_SIZE), -EFAULT);
	assert_int_equal(pages_pin(ro, 0, 3 * PAGE_SIZE), 0);
	pages_unpin(ro, 0, 3 * PAGE_SIZE);
	pages_put(rw);
	pages_put(ro);
	munmap(va, 3 * PAGE_SIZE);
}

/* What is pinned need not be there any more for another pin of it: COPY shares the pins of the
 * first holder. */
static void a_pin_of_what_is_pinned_asks_nothing(void **state)
{
	char *va = map_anon(4 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(memory, va, 4 * PAGE_SIZE, true);

	assert_int_equal(pages_pin(p, PAGE_SIZE, PAGE_SIZE), 0);
	memory_va_changed(memory, (uintptr_t)va + PAGE_SIZE, PAGE_SIZE);
	munmap(va + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(pages_pin(p, PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	pages_unpin(p, PAGE_SIZE, PAGE_SIZE);
	pages_unpin(p, PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(pages_pin(p, PAGE_SIZE, PAGE_SIZE), -EFAULT);
	pages_put(p);
	munmap(va, PAGE_SIZE);
	munmap(va + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
}

static void registered_memory_is_not_probed(void **state)
{
	/* The promise need not even be true for a pin to succeed: nothing looks. */
	struct pages *p = make_pages(memory, (void *)(512 * GiB), 4 * PAGE_SIZE, true);

	assert_int_equal(memory_register(memory, 512 * GiB, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(memory_slot(memory, pa_of(p, 0))->kind, MEMORY_REGISTERED);
	assert_ptr_equal(memory_slot(memory, pa_of(p, 0))->base, (void *)(512 * GiB));
	assert_int_equal(memory_unregister(memory, 512 * GiB, 4 * PAGE_SIZE), -EBUSY);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	assert_int_equal(memory_unregister(memory, 512 * GiB, 2 * PAGE_SIZE), -ENOENT);
	assert_int_equal(memory_unregister(memory, 512 * GiB, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), -EFAULT);
	pages_put(p);
}

static void register_refuses(void **state)
{
	assert_int_equal(memory_register(memory, 1, PAGE_SIZE), -EINVAL);
	assert_int_equal(memory_register(memory, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(memory_register(memory, PAGE_SIZE, 100), -EINVAL);
	assert_int_equal(memory_register(memory, U64MAX - PAGE_MASK, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(memory_register(memory, PAGE_SIZE, 4 * PAGE_SIZE), 0);
	assert_int_equal(memory_register(memory, 4 * PAGE_SIZE, 4 * PAGE_SIZE), -EEXIST);
	assert_int_equal(memory_register(memory, 5 * PAGE_SIZE, 4 * PAGE_SIZE), 0);
}

/* Two promises side by side are one stretch of PAs, and each is kept by the pins of its own pages.
 */
static void registered_ranges_join(void **state)
{
	uint64_t va = 512 * GiB, run;
	struct pages *p = make_pages(memory, (void *)va, 4 * PAGE_SIZE, true);

	assert_int_equal(memory_register(memory, va, 2 * PAGE_SIZE), 0);
	assert_int_equal(memory_register(memory, va + 2 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	pages_pa(p, 0, &run);
	assert_int_equal(run, 4 * PAGE_SIZE);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(memory_unregister(memory, va + 2 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_int_equal(memory_unregister(memory, va, 2 * PAGE_SIZE), -EBUSY);
	pages_unpin(p, 0, 2 * PAGE_SIZE);
	pages_put(p);
}

/* Registered, private and shared memory side by side in one object. */
static void mixed_origins(void **state)
{
	char *va = map_anon(12 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(memory, va, 12 * PAGE_SIZE, true);
	static const uint8_t kinds[] = {MEMORY_PRIVATE, MEMORY_REGISTERED, MEMORY_SHARED,
					MEMORY_PRIVATE};
	uint64_t run;

	assert_ptr_equal(mmap(va + 6 * PAGE_SIZE, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 va + 6 * PAGE_SIZE);
	assert_int_equal(memory_register(memory, (uintptr_t)va + 3 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(pages_pin(p, 0, 12 * PAGE_SIZE), 0);
		for (unsigned int i = 0; i < 12; i++) {
			uint64_t pa = pages_pa(p, i * PAGE_SIZE, &run);

			assert_int_equal(memory_slot(memory, pa)->kind, kinds[i / 3]);
			assert_int_equal(run, (3 - i % 3) * PAGE_SIZE);
			va[i * PAGE_SIZE + 1] = (char)('a' + i);
			assert_pa_byte(memory, pa + 1, (char)('a' + i));
		}
		assert_int_equal(
			memory_unregister(memory, (uintptr_t)va + 3 * PAGE_SIZE, 3 * PAGE_SIZE),
			-EBUSY);
		pages_unpin(p, 0, 12 * PAGE_SIZE);
	}
	assert_int_equal(memory_unregister(memory, (uintptr_t)va + 3 * PAGE_SIZE, 3 * PAGE_SIZE),
			 0);
	pages_put(p);
	munmap(va, 12 * PAGE_SIZE);
}

/* A promise in the middle of a VMA: what is before it is one stretch, which ends there. */
static void registered_memory_within_a_vma(void **state)
{
	char *va = map_anon(9 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(memory, va, 9 * PAGE_SIZE, true);

	assert_int_equal(memory_register(memory, (uintptr_t)va + 3 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(pages_pin(p, 0, 9 * PAGE_SIZE), 0);
		for (unsigned int i = 0; i < 9; i++)
			assert_int_equal(memory_slot(memory, pa_of(p, i * PAGE_SIZE))->kind,
					 i / 3 == 1 ? MEMORY_REGISTERED : MEMORY_PRIVATE);
		pages_unpin(p, 0, 9 * PAGE_SIZE);
	}
	pages_put(p);
	munmap(va, 9 * PAGE_SIZE);
}

/* Without reports of changes nothing is remembered: what lies there now counts. */
static void untracked_memory_is_looked_at_each_time(void **state)
{
	struct memory *m = make_memory(false, &revoked);
	char *va = map_anon(2 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(m, va, 2 * PAGE_SIZE, true);

	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(memory_slot(m, pa_of(p, 0))->kind, MEMORY_PRIVATE);
	pages_unpin(p, 0, 2 * PAGE_SIZE);
	for (char c = 'a'; c < 'd'; c++) {
		assert_ptr_equal(mmap(va, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
				 va);
		va[0] = c;
		assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), 0);
		assert_int_equal(memory_slot(m, pa_of(p, 0))->kind, MEMORY_SHARED);
		assert_pa_byte(m, pa_of(p, 0), c);
		pages_unpin(p, 0, 2 * PAGE_SIZE);
	}
	pages_put(p);
	munmap(va, 2 * PAGE_SIZE);
	memory_destroy(m);
}

/* The tree against a counter for each page. */

#define NR_OPS 40

struct model {
	struct pages *p;
	uint64_t nr_pages;
	unsigned int *pins;
	uint64_t off[NR_OPS], len[NR_OPS]; /* len 0: none */
};

static uint64_t random_below(uint64_t n)
{
	static uint64_t seed = 42;

	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 20) % n;
}

static void model_check(struct model *f)
{
	uint64_t charged = 0, at = 0;

	for (uint64_t i = 0; i < f->nr_pages; i++)
		charged += !!f->pins[i];
	assert_int_equal(pin_count(f->p), charged);
	for (uint64_t off = 0; off < f->nr_pages * PAGE_SIZE; off += at) {
		uint64_t run, page = off >> PAGE_SHIFT, pa;

		at = PAGE_SIZE;
		if (!f->pins[page])
			continue;
		pa = pages_pa(f->p, off, &run);
		assert_true(run && run <= f->nr_pages * PAGE_SIZE - off);
		assert_int_equal(pa & MEMORY_SLOT_MASK,
				 (pages_start(f->p) + off) & MEMORY_SLOT_MASK);
		assert_ptr_equal(memory_slot(memory, pa)->base,
				 (void *)((pages_start(f->p) + off) & ~MEMORY_SLOT_MASK));
		/* An object that is one node answers for all of it, pinned or not: the caller asks
		 * only about its pins. */
		if (pin_table(&f->p->root))
			for (uint64_t i = page; i < page + (run >> PAGE_SHIFT);
			     i += 1 + random_below(run >> PAGE_SHIFT))
				assert_true(f->pins[i]);
		at = (1 + random_below(1 + f->nr_pages / 64)) * PAGE_SIZE;
	}
	if (!charged)
		assert_false(pages_is_pinned(f->p));
}

static void model_toggle(struct model *f, unsigned int op, uint64_t grain)
{
	uint64_t first, n;
	int step = f->len[op] ? -1 : 1;

	if (f->len[op]) {
		pages_unpin(f->p, f->off[op], f->len[op]);
	} else {
		first = align_down(random_below(f->nr_pages), grain);
		n = min_u64(align_up(1 + random_below(f->nr_pages - first), grain),
			    f->nr_pages - first);
		if (!random_below(4)) {
			first = 0;
			n = f->nr_pages;
		}
		f->off[op] = first << PAGE_SHIFT;
		f->len[op] = n << PAGE_SHIFT;
		assert_int_equal(pages_pin(f->p, f->off[op], f->len[op]), 0);
	}
	for (uint64_t i = 0; i < f->len[op] >> PAGE_SHIFT; i++)
		f->pins[(f->off[op] >> PAGE_SHIFT) + i] += (unsigned int)step;
	if (step < 0)
		f->len[op] = 0;
}

static void run_model(uint64_t va, uint64_t nr_pages, uint64_t grain, int rounds)
{
	struct model f = {.p = make_pages(memory, (void *)va, nr_pages << PAGE_SHIFT, true),
			  .nr_pages = nr_pages};

	f.pins = calloc(nr_pages, sizeof(*f.pins));
	for (int i = 0; i < rounds; i++) {
		model_toggle(&f, (unsigned int)random_below(NR_OPS), grain);
		model_check(&f);
	}
	for (unsigned int op = 0; op < NR_OPS; op++)
		if (f.len[op])
			model_toggle(&f, op, grain);
	model_check(&f);
	free(f.pins);
	pages_put(f.p);
}

static void tree_agrees_with_counters(void **state)
{
	uint64_t va = 512 * GiB;

	assert_int_equal(memory_register(memory, va, 8 * GiB), 0);
	run_model(va, 7, 1, 2000);
	run_model(va + 509 * PAGE_SIZE, 9, 1, 2000);
	run_model(va + MiB, 3 * 512 + 5, 1, 500);
	run_model(va + GiB - 4 * MiB, 2 * 1024 + 512, 256, 300);
	run_model(va + GiB - 700 * PAGE_SIZE, (2 * GiB >> PAGE_SHIFT) + 1000, 512, 60);
	assert_int_equal(memory_unregister(memory, va, 8 * GiB), 0);
}

/* As above where the pages are of two origins that change in the middle of a block. */
static void tree_of_two_origins(void **state)
{
	char *low = map_at_gib(0, 700 * PAGE_SIZE, MAP_PRIVATE);
	uint64_t va = (uintptr_t)low;

	assert_int_equal(memory_register(memory, va + 700 * PAGE_SIZE, 900 * PAGE_SIZE), 0);
	run_model(va + 600 * PAGE_SIZE, 1000, 1, 200);
	run_model(va, 1600, 1, 200);
	munmap(low, 700 * PAGE_SIZE);
}

static void every_allocation_may_fail(void **state)
{
	char *va = map_at_gib(-20 * PAGE_SIZE, 40 * PAGE_SIZE, MAP_PRIVATE);
	unsigned int failures = 0;

	assert_ptr_not_equal(mmap(va + 4 * PAGE_SIZE, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			     MAP_FAILED);
	for (FAIL_SWEEP) {
		struct memory *m = make_memory(true, &revoked);
		struct pages *p = NULL;
		int rc;

		fail_nth(fail_i);
		rc = pages_from_va(m, NULL, (uintptr_t)va, 40 * PAGE_SIZE, true, false, &p);
		if (!rc)
			rc = pages_pin(p, 3 * PAGE_SIZE, 30 * PAGE_SIZE);
		if (!rc) {
			rc = pages_pin(p, 0, 40 * PAGE_SIZE);
			if (rc)
				pages_unpin(p, 3 * PAGE_SIZE, 30 * PAGE_SIZE);
		}
		fail_more = fail_happened();
		failures += !!rc;
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			if (p) {
				assert_false(pages_is_pinned(p));
				assert_int_equal(pages_pin(p, 3 * PAGE_SIZE, 30 * PAGE_SIZE), 0);
				assert_int_equal(pages_pin(p, 0, 40 * PAGE_SIZE), 0);
			}
		}
		if (p) {
			va[5 * PAGE_SIZE] = 'z';
			assert_pa_byte(m, pa_of(p, 5 * PAGE_SIZE), 'z');
			pages_unpin(p, 0, 40 * PAGE_SIZE);
			pages_unpin(p, 3 * PAGE_SIZE, 30 * PAGE_SIZE);
			pages_put(p);
		}
		memory_destroy(m);
	}
	assert_true(failures > 5);
	munmap(va, 40 * PAGE_SIZE);
}

static void creation_may_fail(void **state)
{
	static const struct memory_config cfg;

	for (FAIL_SWEEP) {
		struct memory *m = NULL;
		int rc;

		fail_nth(fail_i);
		rc = memory_create(&cfg, &m);
		fail_more = fail_happened();
		assert_int_equal(rc, fail_more ? -ENOMEM : 0);
		if (!rc)
			memory_destroy(m);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_is_looked_at_before_a_pin),
		T(pa_keeps_the_low_bits),
		T(slots_are_numbered_by_first_use),
		T(holes_and_permissions),
		T(a_pin_of_what_is_pinned_asks_nothing),
		T(registered_memory_is_not_probed),
		T(register_refuses),
		T(registered_ranges_join),
		T(mixed_origins),
		T(registered_memory_within_a_vma),
		T(untracked_memory_is_looked_at_each_time),
		T(tree_agrees_with_counters),
		T(tree_of_two_origins),
		T(every_allocation_may_fail),
		cmocka_unit_test(creation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
