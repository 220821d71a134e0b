/* SPDX-License-Identifier: BSD-3-Clause */
/* Pins, unpins, changes of the address space and DMA at the same time. Meant for ThreadSanitizer
 * too. */
#include "common.h"

#include <pthread.h>

#define NR_PAGES 64
#define ROUNDS	 3000

static struct memory *memory;
static unsigned int revoked;
static char *arena;
static bool stop;

static uint64_t step(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static void no_revoked(void *arg)
{
}

/* Maps, uses and unmaps; what is not stale must be the process's memory at that place. */
static void *pinner(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t page = step(&seed) % NR_PAGES,
			 n = 1 + step(&seed) % min_u64(NR_PAGES - page, 8), pa, run;
		struct pages *p =
			make_pages(memory, arena + page * PAGE_SIZE, n * PAGE_SIZE, false);
		char byte;

		if (pages_pin(p, 0, n * PAGE_SIZE)) {
			pages_put(p);
			continue;
		}
		for (uint64_t off = 0; off < n * PAGE_SIZE; off += run) {
			const struct memory_slot *slot;

			pa = pages_pa(p, off, &run);
			slot = memory_slot(memory, pa);
			if (__atomic_load_n(&slot->has_stale, __ATOMIC_ACQUIRE) &&
			    memory_stale(memory, pa, 1))
				continue;
			memory_copy_from(memory, slot, &byte, slot->base + (pa & MEMORY_SLOT_MASK), 1);
		}
		if (step(&seed) % 2 && n > 1 && !pages_pin(p, 0, PAGE_SIZE))
			pages_unpin(p, 0, PAGE_SIZE);
		pages_unpin(p, 0, n * PAGE_SIZE);
		pages_put(p);
	}
	return NULL;
}

static void *changer(void *arg)
{
	uint64_t seed = 99;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t page = step(&seed) % NR_PAGES,
			 n = 1 + step(&seed) % min_u64(NR_PAGES - page, 4);
		int flags = step(&seed) % 2 ? MAP_SHARED : MAP_PRIVATE;
		char *va = arena + page * PAGE_SIZE;
		struct memory_change c;

		memory_change_begin(memory, &c, (uintptr_t)va, n * PAGE_SIZE);
		if (step(&seed) % 4)
			mmap(va, n * PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
		else
			munmap(va, n * PAGE_SIZE);
		memory_change_end(memory, &c);
	}
	return NULL;
}

/* One object, pinned in parts by all. */
static struct pages *common_pages;

static void *sharer(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t off = step(&seed) % NR_PAGES * PAGE_SIZE, run;
		uint64_t len = step(&seed) % 4 ? PAGE_SIZE : NR_PAGES * PAGE_SIZE - off;

		pages_get(common_pages);
		if (!pages_pin(common_pages, off, len)) {
			assert_true(pages_pa(common_pages, off, &run) > MEMORY_SLOT_MASK);
			pages_unpin(common_pages, off, len);
		}
		pages_put(common_pages);
	}
	return NULL;
}

static void run(void *(*worker)(void *), bool with_changes)
{
	pthread_t workers[3], change;

	stop = false;
	if (with_changes)
		pthread_create(&change, NULL, changer, NULL);
	for (uintptr_t i = 0; i < ARRAY_SIZE(workers); i++)
		pthread_create(&workers[i], NULL, worker, (void *)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		pthread_join(workers[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	if (with_changes)
		pthread_join(change, NULL);
}

static int setup(void **state)
{
	memory = make_memory(true, &revoked);
	memory_set_revoked(memory, no_revoked, NULL);
	arena = map_anon(NR_PAGES * PAGE_SIZE, MAP_PRIVATE);
	common_pages = make_pages(memory, arena, NR_PAGES * PAGE_SIZE, true);
	return 0;
}

static int teardown(void **state)
{
	assert_false(pages_is_pinned(common_pages));
	pages_put(common_pages);
	memory_va_changed(memory, (uintptr_t)arena, NR_PAGES * PAGE_SIZE);
	munmap(arena, NR_PAGES * PAGE_SIZE);
	memory_destroy(memory);
	return 0;
}

static void pins_beside_changes(void **state)
{
	run(pinner, true);
}

static void pins_of_one_object(void **state)
{
	run(sharer, false);
}

static void pins_of_one_object_beside_changes(void **state)
{
	run(sharer, true);
}

/* A pin of memory that is being changed waits until it is known what lies there. */
static void *late_pin(void *arg)
{
	struct pages *p = make_pages(memory, arena, PAGE_SIZE, true);

	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_true(__atomic_load_n(&stop, __ATOMIC_RELAXED));
	assert_pa_byte(memory, pa_of(p, 0), 'n');
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	return NULL;
}

static void a_pin_waits_for_a_change(void **state)
{
	struct memory_change c;
	pthread_t t;

	stop = false;
	memory_change_begin(memory, &c, (uintptr_t)arena, PAGE_SIZE);
	pthread_create(&t, NULL, late_pin, NULL);
	usleep(20000);
	mmap(arena, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
	     0);
	arena[0] = 'n';
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	memory_change_end(memory, &c);
	pthread_join(t, NULL);
}

/* What a pin has not yet found to be there is no other pin's either. */
static void *second_pin(void *arg)
{
	assert_int_equal(pages_pin(arg, 0, PAGE_SIZE), -EFAULT);
	return NULL;
}

static int slow_failing_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	pthread_t *second = arg;

	if (!*second)
		pthread_create(second, NULL, second_pin, common_pages);
	usleep(20000);
	return -EFAULT;
}

static void a_pin_waits_for_the_first_ones_probe(void **state)
{
	static const struct memory_ops ops = {.probe = slow_failing_probe};
	struct pages *saved = common_pages;
	struct memory_config cfg = {.ops = &ops};
	struct memory *m;
	pthread_t second = 0;

	cfg.ops_arg = &second;
	assert_int_equal(memory_create(&cfg, &m), 0);
	common_pages = make_pages(m, arena, PAGE_SIZE, true);
	assert_int_equal(pages_pin(common_pages, 0, PAGE_SIZE), -EFAULT);
	pthread_join(second, NULL);
	assert_false(pages_is_pinned(common_pages));
	pages_put(common_pages);
	memory_destroy(m);
	common_pages = saved;
}

/* An answer that was overtaken by a change is asked for again. */
static struct memory *asking;

static int overtaken_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	unsigned int *questions = arg;
	int rc = memory_default_ops.vma(NULL, va, out);

	if (!(*questions)++) {
		struct memory_change c;

		memory_change_begin(asking, &c, (uintptr_t)arena, PAGE_SIZE);
		mmap(arena, PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		memory_change_end(asking, &c);
	}
	return rc;
}

static void an_overtaken_answer_is_not_used(void **state)
{
	static const struct memory_ops ops = {.vma = overtaken_vma};
	unsigned int questions = 0;
	struct memory_config cfg = {.ops = &ops, .ops_arg = &questions, .tracked = true};
	struct pages *p;

	assert_int_equal(memory_create(&cfg, &asking), 0);
	p = make_pages(asking, arena, PAGE_SIZE, true);
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_int_equal(questions, 2);
	assert_int_equal(memory_slot(asking, pa_of(p, 0))->kind, MEMORY_SHARED);
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	memory_destroy(asking);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pins_beside_changes),
		T(pins_of_one_object),
		T(pins_of_one_object_beside_changes),
		T(a_pin_waits_for_a_change),
		T(a_pin_waits_for_the_first_ones_probe),
		T(an_overtaken_answer_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
