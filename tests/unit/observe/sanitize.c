/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sanitizer: each kind of finding, by a program and a device that do it, and beside each what
 * is nearly the same and no bug.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/observe.h"
#include "object/access.h"
#include "object/private.h"
#include "world.h"

static int setup(void **state)
{
	*state = world_create(&(struct sanitizer_config){0}, "vtd");
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- faults ---- */

static void test_never_mapped(void **state)
{
	struct world *w = *state;
	const struct told *t;

	assert_int_equal(world_write(w, IOVA, 64), -EFAULT);
	t = assert_found(w, DMA_UNMAPPED);
	assert_string_equal(t->device, "0000:01:00.0");
	assert_int_equal(t->f.rid, 0x100);
	assert_int_equal(t->f.iova, IOVA);
	assert_int_equal(t->f.len, 64);
	assert_int_equal(t->f.access, IOMMU_WRITE);
	assert_false(t->f.nearest.there);
	assert_string_equal(t->iommu, "blocked it: not mapped (VT-d fault reason 0x85)");
	assert_int_equal(t->f.device_now, 1000 + 0x100);
	world_map(w, IOVA, 0, 1, RW);
	assert_int_equal(world_read(w, IOVA + 3 * PAGE_SIZE, 8), -EFAULT);
	t = assert_found(w, DMA_UNMAPPED);
	assert_true(t->f.nearest.there);
	assert_int_equal(t->f.nearest.iova, IOVA);
	assert_int_equal(world_read(w, IOVA - PAGE_SIZE, 8), -EFAULT);
	assert_found(w, DMA_UNMAPPED);
	assert_int_equal(world_write(w, IOVA, PAGE_SIZE), 0);
	world_unmap(w, IOVA, PAGE_SIZE);
	assert_silent(w);
}

static void test_out_of_bounds(void **state)
{
	struct world *w = *state;
	const struct told *t;

	world_map(w, IOVA, 0, 2, RW);
	assert_int_equal(world_write(w, IOVA + PAGE_SIZE, PAGE_SIZE + 1), -EFAULT);
	t = assert_found(w, DMA_OUT_OF_BOUNDS);
	assert_int_equal(t->f.iova, IOVA + 2 * PAGE_SIZE);
	assert_int_equal(t->f.len, 1);
	assert_int_equal(t->f.nearest.last, IOVA + 2 * PAGE_SIZE - 1);
	assert_int_equal(t->f.nearest.uses, 1);
	/* Right behind it, within a page. */
	assert_int_equal(world_read(w, IOVA + 3 * PAGE_SIZE - 1, 1), -EFAULT);
	assert_found(w, DMA_OUT_OF_BOUNDS);
	assert_int_equal(world_read(w, IOVA + 3 * PAGE_SIZE, 1), -EFAULT);
	assert_found(w, DMA_UNMAPPED);
	world_unmap(w, IOVA, 2 * PAGE_SIZE);
	assert_silent(w);
}

static void test_after_unmap(void **state)
{
	struct world *w = *state;
	stack_id mapped, unmapped;
	const struct told *t;

	mapped = w->stack + 1;
	world_map(w, IOVA, 0, 1, RW);
	assert_int_equal(world_write(w, IOVA, 8), 0);
	unmapped = w->stack + 1;
	world_unmap(w, IOVA, PAGE_SIZE);
	assert_int_equal(world_write(w, IOVA + 100, 8), -EFAULT);
	t = assert_found(w, DMA_AFTER_UNMAP);
	assert_int_equal(t->f.nearest.iova, IOVA);
	assert_int_equal(t->f.nearest.mapped_at, mapped);
	assert_int_equal(t->f.nearest.unmapped_at, unmapped);
	assert_int_equal(t->f.nearest.used_rid, 0x100);
	assert_int_equal(t->f.nearest.used_at, 1000 + 0x100);
	assert_int_equal(t->f.nearest.va, (uintptr_t)w->mem);
	assert_string_equal(t->f.nearest.source, "anonymous");
	assert_int_equal(t->f.nearest.space_id, w->ioas->obj.id);
}

/* What was there together with its neighbour was no end that a transfer could run over; what went
 * before the neighbour came was one. */
static void test_end_or_unmapped(void **state)
{
	struct world *w = *state;

	world_map(w, IOVA, 0, 1, RW);
	world_map(w, IOVA + PAGE_SIZE, 1, 1, RW);
	world_unmap(w, IOVA + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(world_write(w, IOVA, 2 * PAGE_SIZE), -EFAULT);
	assert_found(w, DMA_AFTER_UNMAP);
	assert_int_equal(world_write(w, IOVA + PAGE_SIZE, 1), -EFAULT);
	assert_found(w, DMA_AFTER_UNMAP);
	world_unmap(w, IOVA, PAGE_SIZE);
	world_map(w, IOVA, 0, 1, RW);
	assert_int_equal(world_write(w, IOVA, 2 * PAGE_SIZE), -EFAULT);
	assert_found(w, DMA_OUT_OF_BOUNDS);
	world_unmap(w, IOVA, PAGE_SIZE);
	assert_silent(w);
}

static void test_direction(void **state)
{
	struct world *w = *state;
	const struct told *t;

	world_map(w, IOVA, 0, 1, SPACE_READ);
	assert_int_equal(world_write(w, IOVA, 8), -EFAULT);
	t = assert_found(w, DMA_DIRECTION);
	assert_int_equal(t->f.nearest.prot, SPACE_READ);
	assert_string_equal(t->iommu, "blocked it: mapped without write permission (VT-d fault "
				      "reason 0x85)");
	assert_int_equal(world_read(w, IOVA, 8), 0);
	world_unmap(w, IOVA, PAGE_SIZE);
	assert_silent(w);
}

/* An SMMUv3 has no page that may only be written. Told once for each mapping. */
static void test_direction_let_through(void **state)
{
	struct world *w = world_create(&(struct sanitizer_config){0}, "smmuv3");
	const struct told *t;

	world_map(w, IOVA, 0, 1, SPACE_WRITE);
	assert_int_equal(world_write(w, IOVA, 8), 0);
	assert_silent(w);
	assert_int_equal(world_read(w, IOVA + 16, 8), 0);
	t = assert_found(w, DMA_DIRECTION);
	assert_int_equal(t->f.iova, IOVA + 16);
	assert_int_equal(t->f.len, 8);
	assert_int_equal(t->f.nearest.prot, SPACE_WRITE);
	assert_string_equal(t->iommu, "let it through: its page tables cannot forbid it");
	assert_int_equal(world_read(w, IOVA, 8), 0);
	world_unmap(w, IOVA, PAGE_SIZE);
	assert_silent(w);
	world_destroy(w);
}

static void test_no_domain(void **state)
{
	struct world *w = *state;
	const struct told *t;

	world_map(w, IOVA, 0, 32, RW);
	dma_set_bus_master(&w->port[0], false);
	assert_int_equal(world_write(w, IOVA, 8), -EFAULT);
	t = assert_found(w, DMA_NO_DOMAIN);
	assert_string_equal(t->iommu, "never saw it: bus mastering is off");
	dma_set_bus_master(&w->port[0], true);
	idevice_detach(w->idev[0]);
	assert_int_equal(world_write(w, IOVA, 8), -EFAULT);
	assert_found(w, DMA_NO_DOMAIN);
	assert_int_equal(idevice_attach(w->idev[0], &(uint32_t){w->ioas->obj.id}), 0);
	world_unmap(w, IOVA, 32 * PAGE_SIZE);
	assert_silent(w);
}

/* ---- memory that goes ---- */

static void change(struct world *w, void *va, uint64_t len)
{
	struct memory_change c;

	memory_change_begin(w->host->memory, &c, (uintptr_t)va, len);
	memory_change_end(w->host->memory, &c);
}

static void test_freed_while_mapped(void **state)
{
	struct world *w = *state;
	const struct told *t;

	world_map(w, IOVA, 4, 4, RW);
	change(w, w->mem, 4 * PAGE_SIZE);
	change(w, w->mem + 8 * PAGE_SIZE, PAGE_SIZE);
	assert_silent(w);
	change(w, w->mem + 6 * PAGE_SIZE, 4 * PAGE_SIZE);
	t = assert_found(w, FREED_WHILE_MAPPED);
	assert_int_equal(t->f.va, (uintptr_t)w->mem + 6 * PAGE_SIZE);
	assert_int_equal(t->f.iova, IOVA + 2 * PAGE_SIZE);
	assert_int_equal(t->f.len, 2 * PAGE_SIZE);
	/* Once for each mapping. */
	change(w, w->mem + 6 * PAGE_SIZE, PAGE_SIZE);
	assert_silent(w);
	assert_int_equal(world_write(w, IOVA + 2 * PAGE_SIZE, 8), -EFAULT);
	t = assert_found(w, DMA_TO_FREED);
	assert_int_equal(t->f.va, (uintptr_t)w->mem + 6 * PAGE_SIZE);
	world_unmap(w, IOVA, 4 * PAGE_SIZE);
	change(w, w->mem, PAGES * PAGE_SIZE);
	assert_silent(w);
}

/* MADV_DONTNEED drops what is private; a file's pages come back as they were. */
static void test_dropped(void **state)
{
	char *shared = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	struct world *w = *state;
	struct memory_change c;

	assert_ptr_not_equal(shared, MAP_FAILED);
	world_map(w, IOVA, 4, 2, RW);
	assert_int_equal(world_map_at(w, w->ioas, 2 * IOVA, shared, 2 * PAGE_SIZE, RW), 0);
	memory_drop_begin(w->host->memory, &c, (uintptr_t)shared, 2 * PAGE_SIZE);
	memory_change_end(w->host->memory, &c);
	assert_silent(w);
	memory_drop_begin(w->host->memory, &c, (uintptr_t)w->mem, PAGES * PAGE_SIZE);
	memory_change_end(w->host->memory, &c);
	assert_found(w, FREED_WHILE_MAPPED);
	change(w, shared, 2 * PAGE_SIZE);
	assert_string_equal(assert_found(w, FREED_WHILE_MAPPED)->f.nearest.source, "shared");
	world_unmap(w, IOVA, 2 * PAGE_SIZE);
	world_unmap(w, 2 * IOVA, 2 * PAGE_SIZE);
	munmap(shared, 2 * PAGE_SIZE);
}

/* A heap's block: only one that holds a whole mapping. */
static void test_freed_block(void **state)
{
	struct world *w = *state;

	world_map(w, IOVA, 4, 2, RW);
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem + 4 * PAGE_SIZE + 1, 2 * PAGE_SIZE);
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem + 4 * PAGE_SIZE, 2 * PAGE_SIZE - 1);
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem + 4 * PAGE_SIZE, 16);
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem + 4 * PAGE_SIZE, 0);
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem + 6 * PAGE_SIZE, 10 * PAGE_SIZE);
	assert_silent(w);
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem + 3 * PAGE_SIZE + 16, 4 * PAGE_SIZE);
	assert_found(w, FREED_WHILE_MAPPED);
	change(w, w->mem, PAGES * PAGE_SIZE);
	world_unmap(w, IOVA, 2 * PAGE_SIZE);
	assert_silent(w);
}

static void test_free_while_ending(void **state)
{
	struct world *w = *state;

	world_map(w, IOVA, 4, 2, RW);
	sanitizer_ending(w->s);
	sanitizer_freed(w->s, NULL, (uintptr_t)w->mem, PAGES * PAGE_SIZE);
	change(w, w->mem, PAGES * PAGE_SIZE);
	world_unmap(w, IOVA, 2 * PAGE_SIZE);
	assert_silent(w);
}

/* ---- software ---- */

static void let_go(void *arg, uint64_t iova, uint64_t length)
{
}

static void test_access(void **state)
{
	static const struct access_ops copying = {.unmap = let_go};
	struct finding_mapping m;
	struct world *w = *state;
	const struct told *t;
	struct access *a;
	char buf[256] = "";

	world_map(w, IOVA, 0, 1, RW);
	world_map(w, IOVA + 2 * PAGE_SIZE, 2, 1, RW);
	world_map(w, IOVA + 4 * PAGE_SIZE, 4, 1, SPACE_READ);
	observe_annotate(&w->host->sink, &(struct event_annotate){.space = w->ioas->space,
								  .iova = IOVA,
								  .last = IOVA + 99,
								  .meant = true});
	assert_int_equal(access_create(w->ctx, &copying, NULL, &a, NULL), 0);
	assert_int_equal(access_attach(a, w->ioas->obj.id), 0);

	assert_int_equal(access_rw(a, IOVA, buf, 100, ACCESS_READ), 0);
	assert_int_equal(access_rw(a, IOVA, buf, 8, ACCESS_WRITE | ACCESS_SLOW), 0);
	assert_silent(w);
	assert_true(sanitizer_mapping(w->s, w->ioas->space, IOVA, &m));
	assert_int_equal(m.uses, 2);
	assert_int_equal(m.used_rid, UINT32_MAX);
	assert_true(m.used_at);

	assert_int_equal(access_rw(a, IOVA + 96, buf, 8, ACCESS_WRITE), 0);
	t = assert_found(w, DMA_IN_SLACK);
	assert_int_equal(t->f.iova, IOVA + 100);
	assert_int_equal(t->f.len, 4);
	assert_null(t->f.device);
	assert_non_null(strstr(t->text, "an access of the program itself wrote 4 bytes at IOVA"));

	assert_int_equal(access_rw(a, IOVA + 3 * PAGE_SIZE - 8, buf, 64, ACCESS_READ), -ENOENT);
	t = assert_found(w, DMA_OUT_OF_BOUNDS);
	assert_int_equal(t->f.iova, IOVA + 3 * PAGE_SIZE);
	assert_int_equal(t->f.nearest.iova, IOVA + 2 * PAGE_SIZE);
	assert_non_null(strstr(t->text, "began at 0x40002ff8 and ran over the end"));

	assert_int_equal(access_rw(a, IOVA + 4 * PAGE_SIZE, buf, 8, ACCESS_WRITE), -EPERM);
	assert_int_equal(assert_found(w, DMA_DIRECTION)->f.access, IOMMU_WRITE);
	assert_int_equal(access_rw(a, IOVA + 32 * PAGE_SIZE, buf, 8, ACCESS_WRITE), -ENOENT);
	assert_found(w, DMA_UNMAPPED);
	world_unmap(w, IOVA, PAGE_SIZE);
	assert_int_equal(access_rw(a, IOVA, buf, 8, ACCESS_WRITE), -ENOENT);
	assert_found(w, DMA_AFTER_UNMAP);
	access_destroy(a);
	world_unmap(w, IOVA + 2 * PAGE_SIZE, PAGE_SIZE);
	world_unmap(w, IOVA + 4 * PAGE_SIZE, PAGE_SIZE);
}

/* Which bytes of a page are touched nobody sees; what the engine pins for itself is no use. */
static void test_pin(void **state)
{
	static const struct access_ops pinning = {.needs_pin = true, .unmap = let_go};
	struct finding_mapping m;
	struct world *w = *state;
	struct access *a, *own;
	uint64_t pas[2];

	world_map(w, IOVA, 0, 2, RW);
	observe_annotate(&w->host->sink, &(struct event_annotate){.space = w->ioas->space,
								  .iova = IOVA,
								  .last = IOVA + 99,
								  .meant = true});
	assert_int_equal(access_create(w->ctx, &pinning, NULL, &a, NULL), 0);
	assert_int_equal(access_attach(a, w->ioas->obj.id), 0);
	assert_int_equal(access_create_internal(w->ctx, w->ioas, "HWQ.9", &own), 0);
	assert_int_equal(access_pin(own, IOVA, PAGE_SIZE, pas, true), 0);
	assert_int_equal(access_unpin(own, IOVA, PAGE_SIZE), 0);
	assert_true(sanitizer_mapping(w->s, w->ioas->space, IOVA, &m));
	assert_int_equal(m.uses, 0);
	assert_int_equal(access_pin(a, IOVA, 2 * PAGE_SIZE, pas, true), 0);
	assert_int_equal(access_unpin(a, IOVA, 2 * PAGE_SIZE), 0);
	assert_silent(w);
	assert_true(sanitizer_mapping(w->s, w->ioas->space, IOVA, &m));
	assert_int_equal(m.uses, 1);
	assert_int_equal(access_pin(a, IOVA + 2 * PAGE_SIZE, PAGE_SIZE, pas, true), -ENOENT);
	assert_found(w, DMA_OUT_OF_BOUNDS);
	access_destroy(own);
	access_destroy(a);
	world_unmap(w, IOVA, 2 * PAGE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_never_mapped), TEST(test_out_of_bounds),
		TEST(test_after_unmap),	 TEST(test_end_or_unmapped),
		TEST(test_direction),	 cmocka_unit_test(test_direction_let_through),
		TEST(test_no_domain),	 TEST(test_freed_while_mapped),
		TEST(test_freed_block),	 TEST(test_free_while_ending),
		TEST(test_dropped),	 TEST(test_access),
		TEST(test_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
