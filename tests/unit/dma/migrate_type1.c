/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Type1's bitmaps while a device writes. Every group here has an IOMMU of its own and pins nothing
 * page by page, and of such Linux's type1 says that every page of every mapping is dirty, each time
 * (11.4); it can say less only of groups without one. So a migration (migration.h) can miss a page
 * in two ways: by a report with a hole, and by a write that comes after the bitmap that UNMAP_DMA
 * gave, when nobody asks again.
 */
#include "migration.h"

#define LEN	(4ul << 20)
#define PAGES	(LEN / PAGE)
#define RING	256
#define RING_AT 0 /* in memory: descriptors of 64 bytes, then what they copy; then where to */
#define FROM_AT (RING * 64)
#define TO_AT	(1ul << 20) /* a mapping of its own */

enum { ACTIVE, DONE, SUSPENDED, HALTED }; /* of the channel */

struct type1 {
	struct migration m;
	int group, device;
};

static void reg_write(struct type1 *t, uint64_t off, uint64_t val, unsigned int size)
{
	assert_int_equal(ioas_pwrite(t->m.host, t->device, &val, size, off), size);
}

static uint64_t reg_read(struct type1 *t, uint64_t off, unsigned int size)
{
	uint64_t val = 0;

	assert_int_equal(ioas_pread(t->m.host, t->device, &val, size, off), size);
	return val;
}

static void map(struct type1 *t, uint64_t from, uint64_t end)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ |
							VFIO_DMA_MAP_FLAG_WRITE,
					       .vaddr = (uintptr_t)t->m.memory + from,
					       .iova = IOVA + from,
					       .size = end - from};

	assert_int_equal(call(&t->m, VFIO_IOMMU_MAP_DMA, &map), 0);
}

static void track(struct type1 *t)
{
	struct vfio_iommu_type1_dirty_bitmap start = {.argsz = sizeof(start),
						      .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START};

	assert_int_equal(call(&t->m, VFIO_IOMMU_DIRTY_PAGES, &start), 0);
}

static void open_type1(struct type1 *t)
{
	int container;

	open_host(&t->m, "vtd", LEN, 2ul << 20);
	assert_int_equal(ioas_add_model(t->m.host, "ioat", 0x100, 0, NULL, 0), 0);
	t->m.fd = container = ioas_open(t->m.host, "/dev/vfio/vfio");
	t->group = ioas_open(t->m.host, "/dev/vfio/0");
	assert_true(t->m.fd >= 0 && t->group >= 0);
	assert_int_equal(
		ioas_ioctl(t->m.host, t->group, VFIO_GROUP_SET_CONTAINER, (uintptr_t)&container),
		0);
	assert_int_equal(ioas_ioctl(t->m.host, t->m.fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	map(t, 0, TO_AT);
	map(t, TO_AT, LEN);
	t->device = (int)ioas_ioctl(t->m.host, t->group, VFIO_GROUP_GET_DEVICE_FD,
				    (uintptr_t) "0000:01:00.0");
	assert_true(t->device >= 0);
	reg_write(t, (7ull << 40) + 4, 6, 2); /* bus master */
}

/* A ring in which each descriptor copies 8 bytes to another page; @n of them are to be executed. */
static void start_ring(struct type1 *t, uint16_t n)
{
	for (unsigned int i = 0; i < RING; i++) {
		uint64_t *desc = t->m.memory + (RING_AT + i * 64) / 8;

		desc[0] = 8;
		desc[1] = IOVA + FROM_AT + i * 8;
		desc[2] = IOVA + TO_AT + pick(&t->m.seed, (LEN - TO_AT) / 8) * 8;
		desc[3] = IOVA + RING_AT + (i + 1) % RING * 64;
	}
	reg_write(t, 0x84, 0x20, 1);
	reg_write(t, 0x90, IOVA + RING_AT, 8);
	reg_write(t, 0x80, 1, 2);
	reg_write(t, 0x86, n, 2);
}

/* From now on other numbers are copied. */
static void change_sources(struct type1 *t)
{
	for (unsigned int i = 0; i < RING; i++)
		__atomic_store_n(&t->m.memory[FROM_AT / 8 + i], t->m.seed + i, __ATOMIC_RELEASE);
	pick(&t->m.seed, 2);
}

static unsigned int wait_until_it_stops(struct type1 *t)
{
	unsigned int state = ACTIVE;

	for (int i = 0; i < 20000 && state == ACTIVE; i++) {
		usleep(200);
		state = reg_read(t, 0x88, 8) & 7;
	}
	return state;
}

static void copy_pages(struct type1 *t, const uint64_t *bits, uint64_t from, uint64_t end)
{
	for (uint64_t at = from; at < end; at += PAGE) {
		assert_true(bit(bits, (at - from) / PAGE));
		copy_bytes(&t->m, at, PAGE);
	}
}

static void copy_dirty(struct type1 *t)
{
	uint64_t bits[PAGES / 64] = {0};
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} cmd = {{.argsz = sizeof(cmd), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP},
		 {.iova = IOVA, .size = LEN}};

	cmd.get.bitmap.pgsize = PAGE;
	cmd.get.bitmap.size = sizeof(bits);
	cmd.get.bitmap.data = (void *)bits;
	assert_int_equal(call(&t->m, VFIO_IOMMU_DIRTY_PAGES, &cmd), 0);
	copy_pages(t, bits, 0, LEN);
}

/* A report has no hole, however often it is asked for. */
static void reports(void **state)
{
	struct type1 t = {0};

	open_type1(&t);
	track(&t);
	change_sources(&t);
	start_ring(&t, 30000);
	for (unsigned int round = 0; round < 10; round++) {
		change_sources(&t);
		copy_dirty(&t);
	}
	assert_int_equal(wait_until_it_stops(&t), DONE);
	copy_dirty(&t);
	assert_memory_equal(t.m.memory, t.m.copy, LEN);
	close_host(&t.m);
}

static void unmap_target(struct type1 *t)
{
	uint64_t bits[PAGES / 64] = {0};
	struct {
		uint32_t argsz, flags;
		uint64_t iova, size;
		struct vfio_bitmap bitmap;
	} cmd = {sizeof(cmd),
		 VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		 IOVA + TO_AT,
		 LEN - TO_AT,
		 {.pgsize = PAGE, .size = sizeof(bits), .data = (void *)bits}};

	assert_int_equal(call(&t->m, VFIO_IOMMU_UNMAP_DMA, &cmd), 0);
	assert_int_equal(cmd.size, LEN - TO_AT);
	copy_pages(t, bits, TO_AT, LEN);
}

/* The device has written: what it copies now is there. */
static void wait_for_a_write(struct type1 *t)
{
	const uint64_t *to = t->m.memory + (*(t->m.memory + 2) - IOVA) / 8;
	uint64_t from = __atomic_load_n(&t->m.memory[FROM_AT / 8], __ATOMIC_RELAXED);

	for (int i = 0; i < 2000000 && __atomic_load_n(to, __ATOMIC_RELAXED) != from; i++)
		sched_yield();
	usleep(pick(&t->m.seed, 100));
}

/* Nothing is written any more when UNMAP_DMA has given its bitmap. */
static void unmapped_is_unwritten(void **state)
{
	unsigned int caught = 0;
	struct type1 t = {0};

	open_type1(&t);
	track(&t);
	for (unsigned int round = 0; round < 200 && (round < 20 || !caught); round++) {
		change_sources(&t);
		start_ring(&t, 60000);
		wait_for_a_write(&t);
		unmap_target(&t);
		change_sources(&t);
		caught += wait_until_it_stops(&t) == HALTED;
		assert_memory_equal((char *)t.m.memory + TO_AT, (char *)t.m.copy + TO_AT,
				    LEN - TO_AT);
		map(&t, TO_AT, LEN);
	}
	assert_true(caught > 0);
	close_host(&t.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reports),
					   cmocka_unit_test(unmapped_is_unwritten)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
