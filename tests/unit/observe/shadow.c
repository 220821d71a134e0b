/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sanitizer knows of mappings: transfers under way when one goes, aliases, cuts, what was
 * used; memory that runs out; and all of it by several threads at once.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fail.h"
#include "world.h"

static int setup(void **state)
{
	*state = world_create(&(struct sanitizer_config){0}, "vtd");
	return 0;
}

static int setup_advice(void **state)
{
	*state = world_create(&(struct sanitizer_config){.advice = true}, "vtd");
	return 0;
}

static int setup_quiet(void **state)
{
	*state = world_create(&(struct sanitizer_config){.quiet = true, .advice = true}, "vtd");
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

/* ---- transfers under way ---- */

#define LONG (PAGES * PAGE_SIZE) /* four pieces */

struct unmapper {
	struct world *w;
	unsigned int at, copies; /* in which piece */
	uint64_t iova, len;
	pthread_t thread;
	bool begun, found;
};

static void *unmap_thread(void *arg)
{
	struct unmapper *u = arg;

	__atomic_store_n(&u->begun, true, __ATOMIC_RELEASE);
	world_unmap(u->w, u->iova, u->len);
	return NULL;
}

/* Within the device's section, where no unmap can end: until it has been heard of, or long. */
static void on_copy(struct world *w, void *arg)
{
	struct unmapper *u = arg;
	struct finding_mapping m;

	if (u->copies++ != u->at)
		return;
	assert_int_equal(pthread_create(&u->thread, NULL, unmap_thread, u), 0);
	while (!__atomic_load_n(&u->begun, __ATOMIC_ACQUIRE) ||
	       sanitizer_mapping(w->s, w->ioas->space, u->iova, &m))
		usleep(100);
}

static int run_unmapper(struct world *w, struct unmapper *u, bool write)
{
	int rc;

	u->w = w;
	w->copying = on_copy;
	w->copying_arg = u;
	rc = write ? world_write(w, IOVA, LONG) : world_read(w, IOVA, LONG);
	w->copying = NULL;
	pthread_join(u->thread, NULL);
	return rc;
}

/* One finding: that the rest of the transfer is refused then is the same bug. */
static void test_in_flight(void **state)
{
	struct unmapper u = {.at = 1, .iova = IOVA, .len = LONG};
	struct world *w = *state;
	const struct told *t;

	world_map(w, IOVA, 0, PAGES, RW);
	/* Who is slow to clear the tables lets it finish: the finding is the same. */
	run_unmapper(w, &u, true);
	t = assert_found(w, UNMAP_IN_FLIGHT);
	assert_string_equal(t->device, "0000:01:00.0");
	assert_int_equal(t->f.access, IOMMU_WRITE);
	assert_true(t->f.nearest.there);
	assert_int_equal(t->f.nearest.iova, IOVA);
	assert_int_equal(t->f.nearest.unmapped_at, t->f.now);
	/* The next one is another bug. */
	assert_int_equal(world_write(w, IOVA, 8), -EFAULT);
	assert_found(w, DMA_AFTER_UNMAP);
}

/* What a transfer has passed may go; what it has begun to write last may be the sign that it is
 * over, of which nobody can see a read. */
static void test_passed(void **state)
{
	struct unmapper first = {.at = 2, .iova = IOVA, .len = PAGE_SIZE};
	struct unmapper last = {.at = 3, .iova = IOVA + LONG - PAGE_SIZE, .len = PAGE_SIZE};
	struct world *w = *state;

	world_map(w, IOVA, 0, 1, RW);
	world_map(w, IOVA + PAGE_SIZE, 1, PAGES - 2, RW);
	world_map(w, IOVA + LONG - PAGE_SIZE, PAGES - 1, 1, RW);
	first.at = 32;
	assert_int_equal(run_unmapper(w, &first, true), 0);
	assert_silent(w);
	world_map(w, IOVA, 0, 1, RW);
	last.at = PAGES - 1;
	assert_int_equal(run_unmapper(w, &last, true), 0);
	assert_silent(w);
	world_map(w, IOVA + LONG - PAGE_SIZE, PAGES - 1, 1, RW);
	last.copies = 0;
	last.begun = false;
	assert_int_equal(run_unmapper(w, &last, false), 0);
	assert_found(w, UNMAP_IN_FLIGHT);
}

/* ---- aliases ---- */

static void test_alias(void **state)
{
	struct world *w = *state;
	const struct told *t;

	world_map(w, IOVA, 0, 4, RW);
	world_map(w, 2 * IOVA, 2, 4, RW);
	assert_int_equal(world_write(w, IOVA, 4 * PAGE_SIZE), 0);
	assert_int_equal(world_read(w, 2 * IOVA, 4 * PAGE_SIZE), 0);
	assert_int_equal(world_write(w, 2 * IOVA + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_silent(w);
	assert_int_equal(world_write(w, 2 * IOVA + PAGE_SIZE, 8), 0);
	t = assert_found(w, WRITE_ALIAS);
	assert_int_equal(t->f.nearest.iova, 2 * IOVA);
	assert_int_equal(t->f.other.iova, IOVA);
	assert_int_equal(t->f.va, (uintptr_t)w->mem + 3 * PAGE_SIZE);
	assert_int_equal(world_write(w, 2 * IOVA + PAGE_SIZE, 8), 0);
	assert_silent(w);
	world_unmap(w, IOVA, 4 * PAGE_SIZE);
	world_unmap(w, 2 * IOVA, 4 * PAGE_SIZE);
}

static void write_both(struct world *w, uint64_t a, uint64_t b)
{
	assert_int_equal(world_write(w, a, PAGE_SIZE), 0);
	assert_int_equal(world_write(w, b, PAGE_SIZE), 0);
	assert_silent(w);
}

/* By a copy; as a ring, one right behind the other; or when the first is gone. */
static void test_no_accident(void **state)
{
	struct space_copy copy = {.src_iova = IOVA,
				  .length = PAGE_SIZE,
				  .dst_iova = 2 * IOVA,
				  .prot = RW,
				  .fixed = true};
	struct world *w = *state;

	world_map(w, IOVA, 0, 1, RW);
	assert_int_equal(space_copy(w->ioas->space, w->ioas->space, &copy), 0);
	write_both(w, IOVA, 2 * IOVA);
	world_unmap(w, 2 * IOVA, PAGE_SIZE);
	world_map(w, IOVA + PAGE_SIZE, 0, 1, RW);
	write_both(w, IOVA, IOVA + PAGE_SIZE);
	world_unmap(w, IOVA, PAGE_SIZE);
	world_map(w, 2 * IOVA, 0, 1, SPACE_READ);
	assert_int_equal(world_write(w, IOVA + PAGE_SIZE, 8), 0);
	assert_silent(w);
	world_unmap(w, IOVA + PAGE_SIZE, PAGE_SIZE);
	world_map(w, IOVA, 0, 1, RW);
	write_both(w, IOVA, IOVA);
	world_unmap(w, IOVA, PAGE_SIZE);
	world_unmap(w, 2 * IOVA, PAGE_SIZE);
}

/* Overlaps of every kind, found by VA whatever was made and removed before. */
static void test_overlaps(void **state)
{
	static const struct {
		uint64_t page, n;
	} maps[] = {{0, 64}, {0, 64}, {0, 1}, {10, 20}, {5, 10}, {20, 30}, {63, 1}, {10, 20}};
	struct world *w = *state;
	struct memory_change c;

	for (uint64_t gone = 0; gone < ARRAY_SIZE(maps); gone++) {
		for (uint64_t i = 0; i < ARRAY_SIZE(maps); i++)
			world_map(w, IOVA * (i + 1), maps[i].page, maps[i].n, RW);
		for (uint64_t i = 0; i < ARRAY_SIZE(maps); i++)
			if (i != gone)
				world_unmap(w, IOVA * (i + 1), maps[i].n * PAGE_SIZE);
		memory_change_begin(w->host->memory, &c,
				    (uintptr_t)w->mem + maps[gone].page * PAGE_SIZE, PAGE_SIZE);
		memory_change_end(w->host->memory, &c);
		assert_int_equal(assert_found(w, FREED_WHILE_MAPPED)->f.nearest.iova,
				 IOVA * (gone + 1));
		world_unmap(w, IOVA * (gone + 1), maps[gone].n * PAGE_SIZE);
	}
}

/* ---- cuts, and what was used ---- */

static void test_cut(void **state)
{
	struct world *w = *state;
	struct finding_mapping m;

	assert_int_equal(space_set_huge_pages(w->ioas->space, 0), 0);
	world_map(w, IOVA, 0, 8, RW);
	assert_int_equal(world_write(w, IOVA + PAGE_SIZE, 8), 0);
	assert_int_equal(space_cut(w->ioas->space, IOVA + 4 * PAGE_SIZE), 0);
	assert_true(sanitizer_mapping(w->s, w->ioas->space, IOVA + 4 * PAGE_SIZE - 1, &m));
	assert_int_equal(m.iova, IOVA);
	assert_int_equal(m.last, IOVA + 4 * PAGE_SIZE - 1);
	assert_int_equal(m.uses, 1);
	assert_true(sanitizer_next_mapping(w->s, w->ioas->space, m.last + 1, &m));
	assert_int_equal(m.iova, IOVA + 4 * PAGE_SIZE);
	assert_int_equal(m.last, IOVA + 8 * PAGE_SIZE - 1);
	assert_int_equal(m.va, (uintptr_t)w->mem + 4 * PAGE_SIZE);
	assert_false(sanitizer_next_mapping(w->s, w->ioas->space, m.last + 1, &m));
	assert_false(sanitizer_mapping(w->s, w->ioas->space, IOVA - 1, &m));
	world_unmap(w, IOVA + 4 * PAGE_SIZE, 4 * PAGE_SIZE);
	assert_int_equal(world_write(w, IOVA + 5 * PAGE_SIZE, 8), -EFAULT);
	assert_found(w, DMA_AFTER_UNMAP);
	assert_int_equal(world_write(w, IOVA, 4 * PAGE_SIZE), 0);
	world_unmap(w, IOVA, 4 * PAGE_SIZE);
	assert_silent(w);
}

static void test_advice(void **state)
{
	struct world *w = *state;
	const struct told *t;

	world_map(w, IOVA, 0, 4, RW);
	world_unmap(w, IOVA, 4 * PAGE_SIZE);
	assert_found(w, NEVER_USED);
	world_map(w, IOVA, 0, 4, RW);
	assert_int_equal(world_read(w, IOVA, 4 * PAGE_SIZE), 0);
	world_unmap(w, IOVA, 4 * PAGE_SIZE);
	assert_found(w, TOO_PERMISSIVE);
	world_map(w, IOVA, 0, 4, RW);
	assert_int_equal(world_read(w, IOVA + PAGE_SIZE + 100, 8), 0);
	assert_int_equal(world_write(w, IOVA + 2 * PAGE_SIZE, 8), 0);
	world_unmap(w, IOVA, 4 * PAGE_SIZE);
	t = assert_found(w, TOO_WIDE);
	assert_int_equal(t->f.iova, IOVA + PAGE_SIZE);
	assert_int_equal(t->f.len, 2 * PAGE_SIZE);
	world_map(w, IOVA, 0, 4, RW);
	assert_int_equal(world_read(w, IOVA + 100, 8), 0);
	assert_int_equal(world_write(w, IOVA + 3 * PAGE_SIZE, 8), 0);
	world_unmap(w, IOVA, 4 * PAGE_SIZE);
	assert_silent(w);
	world_map(w, IOVA, 0, 4, RW);
	sanitizer_exit(w->s);
	assert_found(w, NEVER_USED);
}

static void test_quiet(void **state)
{
	struct world *w = *state;
	struct finding_mapping m;

	assert_int_equal(world_write(w, IOVA, 8), -EFAULT);
	world_map(w, IOVA, 0, 1, RW);
	for (int i = 0; i < 5; i++)
		assert_int_equal(world_write(w, IOVA, 8), 0);
	assert_true(sanitizer_mapping(w->s, w->ioas->space, IOVA, &m));
	assert_int_equal(m.uses, 5);
	assert_string_equal(m.source, "anonymous");
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem, LONG);
	world_unmap(w, IOVA, PAGE_SIZE);
	sanitizer_exit(w->s);
	assert_silent(w);
}

/* ---- memory that runs out ---- */

/* Whatever fails, the engine says what it says without us; what is lost is told of once. */
static void test_no_memory(void **state)
{
	struct world *w = *state;
	bool more = true;

	for (unsigned long nth = 1; more && nth < 200; nth++) {
		uint64_t unmapped;
		int rc;

		fail_from(nth);
		rc = world_map_at(w, w->ioas, nth * IOVA, w->mem, 4 * PAGE_SIZE, RW);
		if (!rc)
			rc = space_unmap(w->ioas->space, nth * IOVA, 4 * PAGE_SIZE, &unmapped);
		more = fail_happened();
		if (rc)
			assert_int_equal(rc, -ENOMEM);
		world_map(w, IOVA, 0, 1, RW);
		assert_int_equal(world_write(w, IOVA, 8), 0);
		world_unmap(w, IOVA, PAGE_SIZE);
		assert_int_equal(world_write(w, IOVA, 8), -EFAULT);
		assert_in_range(w->n, 1, 1);
		w->n = 0;
	}
	assert_false(more);
	assert_in_range(w->notes, 0, 1);
}

/* ---- threads ---- */

#define ROUNDS 300

struct worker {
	struct world *w;
	unsigned int n;
	unsigned int *running; /* devices */
	bool *stop;
};

/* Its own IOVAs and pages, of which devices know. */
static void *map_thread(void *arg)
{
	const struct worker *k = arg;
	const uint64_t base = IOVA * (k->n + 1), page = k->n * 16;

	while (__atomic_load_n(k->running, __ATOMIC_ACQUIRE) < DEVICES)
		usleep(100);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		const uint64_t at = i % 8, n = 1 + i % 3;
		struct finding_mapping m;

		world_map(k->w, base + at * 4 * PAGE_SIZE, page + at, n, RW);
		if (i % 4 == 0)
			sanitizer_freed(k->w->s, NULL, (uintptr_t)k->w->mem + page * PAGE_SIZE,
					16 * PAGE_SIZE);
		sanitizer_mapping(k->w->s, k->w->ioas->space, base + at * 4 * PAGE_SIZE, &m);
		world_unmap(k->w, base + at * 4 * PAGE_SIZE, n * PAGE_SIZE);
	}
	__atomic_store_n(k->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *dma_thread(void *arg)
{
	const struct worker *k = arg;
	struct dma_port *port = &k->w->port[k->n];
	char buf[8192] = {0};

	dma_begin(port);
	__atomic_add_fetch(k->running, 1, __ATOMIC_ACQ_REL);
	for (uint64_t i = k->n; !__atomic_load_n(k->stop, __ATOMIC_ACQUIRE); i = i * 5 + 3) {
		const uint64_t iova = IOVA * (1 + i % 2) + i / 2 % 32 * PAGE_SIZE;

		if (i % 3)
			dma_write(port, iova, buf, 1 + i % sizeof(buf));
		else
			dma_read(port, iova, buf, 1 + i % sizeof(buf));
	}
	dma_end(port);
	return NULL;
}

static void test_threads(void **state)
{
	struct world *w = *state;
	unsigned int running = 0;
	bool stop = false;
	struct worker workers[4];
	pthread_t threads[4];
	struct finding_mapping m;

	for (unsigned int n = 0; n < DEVICES; n++)
		dma_end(&w->port[n]);
	for (unsigned int n = 0; n < 4; n++) {
		workers[n] = (struct worker){w, n % 2, &running, &stop};
		assert_int_equal(pthread_create(&threads[n], NULL, n < 2 ? map_thread : dma_thread,
						&workers[n]),
				 0);
	}
	for (unsigned int n = 0; n < 4; n++)
		pthread_join(threads[n], NULL);
	for (unsigned int n = 0; n < DEVICES; n++)
		dma_begin(&w->port[n]);
	assert_false(sanitizer_next_mapping(w->s, w->ioas->space, 0, &m));
	assert_int_equal(w->notes, 0);
	w->n = 0;
	/* It still knows what is what. */
	world_map(w, IOVA, 0, 1, RW);
	assert_int_equal(world_write(w, IOVA, 8), 0);
	assert_silent(w);
	world_unmap(w, IOVA, PAGE_SIZE);
	assert_int_equal(world_write(w, IOVA, 8), -EFAULT);
	assert_found(w, DMA_AFTER_UNMAP);
}

#define TEST(f)		cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_WITH(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_flight),
		TEST(test_passed),
		TEST(test_alias),
		TEST(test_no_accident),
		TEST(test_overlaps),
		TEST(test_cut),
		TEST_WITH(test_advice, setup_advice),
		TEST_WITH(test_quiet, setup_quiet),
		TEST(test_no_memory),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
