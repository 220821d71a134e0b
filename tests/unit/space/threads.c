/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps, unmaps and copies in two spaces, changes of the address space, and a reader that walks the
 * tables as a device does: what it reaches must not be the memory of a VA's next owner.
 */
#include "world.h"

#include <pthread.h>
#include <sched.h>

#define SLOTS  16 /* IOVAs in use, one page each */
#define ROUNDS 2500

static struct world *w;
static struct space *other;
static uint64_t
	section; /* odd while the reader is inside; an epoch that ThreadSanitizer can follow */
static bool stop;

static uint64_t step(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* What an IOMMU's invalidation does: the tables go back when the reader has left. */
static void wait_for_reader(void)
{
	uint64_t seen = __atomic_load_n(&section, __ATOMIC_SEQ_CST);

	while ((seen & 1) && __atomic_load_n(&section, __ATOMIC_SEQ_CST) == seen)
		sched_yield();
}

static void invalidate(struct space_mirror *m, uint64_t iova, uint64_t last, struct pt_gather *g)
{
	wait_for_reader();
	pt_gather_free(w->tables, g);
}

static void forget_all(void *arg)
{
	wait_for_reader();
}

static const struct space_mirror_ops ops = {.invalidate = invalidate};

static void *mapper(void *arg)
{
	uint64_t seed = (uintptr_t)arg, unmapped;

	for (int i = 0; i < ROUNDS; i++) {
		struct space *s = step(&seed) % 4 ? w->s : other;
		uint64_t iova = 0x100000 + step(&seed) % SLOTS * PAGE_SIZE;
		struct space_map map = {.length = (1 + step(&seed) % 3) * PAGE_SIZE,
					.iova = iova,
					.prot = RW,
					.fixed = true};
		struct space_copy c = {.src_iova = iova, .length = PAGE_SIZE, .prot = SPACE_READ};

		switch (step(&seed) % 4) {
		case 0:
			space_unmap(s, iova, 3 * PAGE_SIZE, &unmapped);
			break;
		case 1:
			if (!space_copy(other, s, &c))
				space_unmap(other, c.dst_iova, c.length, &unmapped);
			break;
		default:
			assert_int_equal(
				pages_from_va(w->memory, NULL,
					      (uintptr_t)w->arena + step(&seed) % 60 * PAGE_SIZE,
					      map.length, true, false, &map.pages),
				0);
			space_map(s, &map);
			pages_put(map.pages);
		}
	}
	return NULL;
}

/* The program gives pages back and takes others. Each page says in its first byte how often it was
 * replaced. */
static void *changer(void *arg)
{
	uint64_t seed = 5;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		char *va = w->arena + step(&seed) % ARENA_PAGES * PAGE_SIZE;
		struct memory_change c;

		memory_change_begin(w->memory, &c, (uintptr_t)va, PAGE_SIZE);
		mmap(va, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
		memory_change_end(w->memory, &c);
	}
	return NULL;
}

/* A device: walks, looks at the slot, reads. Within a section nothing it found may be given back.
 */
static void *reader(void *arg)
{
	uint64_t seed = 77, found = 0, late = 0;
	char byte;

	/* On one processor the others may be done before this thread's first turn: it then reads what they left. */
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) || (!found && ++late < 1000000)) {
		uint64_t iova = 0x100000 + step(&seed) % (SLOTS + 2) * PAGE_SIZE;
		struct pt_leaf leaf;

		__atomic_fetch_add(&section, 1, __ATOMIC_SEQ_CST);
		if (!pt_translate(w->mirror[0].m.pt, iova, &leaf)) {
			const struct memory_slot *slot = memory_slot(w->memory, leaf.pa);

			assert_int_equal(slot->kind, MEMORY_PRIVATE);
			if (!__atomic_load_n(&slot->has_stale, __ATOMIC_ACQUIRE) ||
			    !memory_stale(w->memory, leaf.pa, 1)) {
				memory_copy_from(w->memory, slot, &byte,
					    slot->base + (leaf.pa & MEMORY_SLOT_MASK), 1);
				found++;
			}
		}
		__atomic_fetch_add(&section, 1, __ATOMIC_SEQ_CST);
	}
	*(uint64_t *)arg = found;
	return NULL;
}

static void all_at_once(void **state)
{
	pthread_t mappers[2], change, read;
	uint64_t found;

	w = world_open();
	w->sink.fn = NULL;
	memory_set_revoked(w->memory, forget_all, NULL);
	assert_int_equal(space_create(w->memory, &w->sink, &other), 0);
	mirror_open(w, 0, false);
	w->mirror[0].m.ops = &ops;
	assert_int_equal(space_add_mirror(w->s, &w->mirror[0].m), 0);
	pthread_create(&change, NULL, changer, NULL);
	pthread_create(&read, NULL, reader, &found);
	for (uintptr_t i = 0; i < ARRAY_SIZE(mappers); i++)
		pthread_create(&mappers[i], NULL, mapper, (void *)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(mappers); i++)
		pthread_join(mappers[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(change, NULL);
	pthread_join(read, NULL);
	assert_true(found > 0);
	space_destroy(other);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
