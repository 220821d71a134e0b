/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No dirty page is ever missed: devices write at random while a migration copies what the dirty
 * bitmaps say, as a VMM does. When the devices have stopped and the last bitmap was read, the copy
 * must equal the memory.
 *
 * The bitmaps of HWPTs are read in all shapes: whole and in part, which splits large leaves, in
 * pages of several sizes, with and without NO_CLEAR; those of type1 whole.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>
#include <ioas/ioas.h>

#define PAGE   4096ul
#define LEN    (4ul << 20) /* two leaves of 2 MiB where they may be large */
#define PAGES  (LEN / PAGE)
#define WORDS  (LEN / 8)
#define IOVA   0x40000000ul
#define ROUNDS 80
#define PORTS  2

struct migration {
	struct ioas_host *host;
	int fd;
	uint32_t ioas, hwpt;
	uint64_t *memory, *copy;
	bool stop;
	uint64_t seed;
};

struct source {
	struct migration *m;
	struct ioas_port *port;
	pthread_t thread;
	uint64_t seed, writes;
	int rc; /* of the write that failed */
};

static uint64_t pick(uint64_t *seed, uint64_t n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (*seed >> 24) % n;
}

static long call(struct migration *m, unsigned int cmd, void *arg)
{
	return ioas_ioctl(m->host, m->fd, cmd, (uintptr_t)arg);
}

static void *map_memory(void)
{
	char *p = mmap(NULL, LEN + (2ul << 20), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return (void *)(((uintptr_t)p + (2ul << 20) - 1) & ~((2ul << 20) - 1));
}

static void open_host(struct migration *m, const char *make, const char *path)
{
	struct ioas_host_config cfg = {.iommu = make, .ipc_lock = true};

	*m = (struct migration){.seed = 1, .memory = map_memory(), .copy = map_memory()};
	assert_int_equal(ioas_host_create(&cfg, &m->host, NULL, 0), 0);
	assert_int_equal(ioas_memory_register(m->host, m->memory, LEN), 0);
	if (!path)
		return;
	m->fd = ioas_open(m->host, path);
	assert_true(m->fd >= 0);
}

static void close_host(struct migration *m)
{
	ioas_host_destroy(m->host);
	munmap(m->memory, LEN);
	munmap(m->copy, LEN);
}

/* HWPTs. */

/* Writes numbers that differ each time, of 8 bytes, near each other more often than not. */
static void *write_on(void *arg)
{
	struct source *s = arg;
	uint64_t place = 0, value;
	int rc = 0;

	while (!__atomic_load_n(&s->m->stop, __ATOMIC_RELAXED) && !rc) {
		ioas_port_begin(s->port);
		for (unsigned int i = 0; i < 64 && !rc; i++) {
			place = pick(&s->seed, 4) ? (place + pick(&s->seed, 1024)) % WORDS
						  : pick(&s->seed, WORDS);
			value = s->writes << 8 | s->seed >> 56;
			rc = ioas_port_write(s->port, IOVA + place * 8, &value, 8);
			__atomic_store_n(&s->writes, s->writes + 1, __ATOMIC_RELAXED);
		}
		ioas_port_end(s->port);
		usleep(pick(&s->seed, 50));
	}
	__atomic_store_n(&s->rc, rc, __ATOMIC_RELAXED);
	return NULL;
}

static void alloc_hwpt(struct migration *m, uint32_t dev)
{
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc),
					 .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
					 .dev_id = dev,
					 .pt_id = m->ioas};
	struct iommu_hwpt_set_dirty_tracking set = {.size = sizeof(set),
						    .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};

	assert_int_equal(call(m, IOMMU_HWPT_ALLOC, &alloc), 0);
	m->hwpt = set.hwpt_id = alloc.out_hwpt_id;
	assert_int_equal(call(m, IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
}

static void map_all(struct migration *m, bool large)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .ioas_id = m->ioas,
				     .user_va = (uintptr_t)m->memory,
				     .length = LEN,
				     .iova = IOVA};
	struct iommu_option option = {.size = sizeof(option),
				      .option_id = IOMMU_OPTION_HUGE_PAGES,
				      .op = IOMMU_OPTION_OP_SET,
				      .object_id = m->ioas,
				      .val64 = large};

	assert_int_equal(call(m, IOMMU_OPTION, &option), 0);
	assert_int_equal(call(m, IOMMU_IOAS_MAP, &map), 0);
}

static void copy_bytes(struct migration *m, uint64_t from, uint64_t len)
{
	for (uint64_t i = from / 8; i < (from + len) / 8; i++)
		m->copy[i] = __atomic_load_n(&m->memory[i], __ATOMIC_RELAXED);
}

static bool bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

struct look {
	uint64_t from, len, page;
	uint64_t bits[PAGES / 64];
};

static void read_bits(struct migration *m, struct look *l, bool clear)
{
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get),
		.hwpt_id = m->hwpt,
		.flags = clear ? 0 : IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
		.iova = IOVA + l->from,
		.length = l->len,
		.page_size = l->page,
		.data = (uintptr_t)l->bits};

	memset(l->bits, 0, sizeof(l->bits));
	assert_int_equal(call(m, IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
}

static struct look whole(uint64_t page)
{
	return (struct look){.len = LEN, .page = page};
}

/* One look at a random part, and what it says copied. */
static void copy_dirty(struct migration *m, struct look *l)
{
	struct look before = *l;
	bool peek = !pick(&m->seed, 4);

	if (peek)
		read_bits(m, &before, false);
	read_bits(m, l, true);
	for (uint64_t i = 0; i < l->len / l->page; i++) {
		if (bit(l->bits, i))
			copy_bytes(m, l->from + i * l->page, l->page);
		/* What was dirty and was not cleared still is. */
		if (peek && bit(before.bits, i))
			assert_true(bit(l->bits, i));
	}
}

/* Something new is there to be found. */
static void wait_for_writes(const struct source *s)
{
	uint64_t seen = __atomic_load_n(&s->writes, __ATOMIC_RELAXED);

	while (__atomic_load_n(&s->writes, __ATOMIC_RELAXED) == seen &&
	       !__atomic_load_n(&s->rc, __ATOMIC_RELAXED))
		sched_yield();
}

static struct look random_look(struct migration *m)
{
	static const uint64_t pages[] = {PAGE, PAGE, 4 * PAGE, 2ul << 20};
	struct look l = whole(pages[pick(&m->seed, 4)]);

	if (pick(&m->seed, 3)) {
		l.from = pick(&m->seed, LEN / l.page) * l.page;
		l.len = (1 + pick(&m->seed, (LEN - l.from) / l.page)) * l.page;
	}
	return l;
}

static void migrate(const char *make, bool large)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct source s[PORTS];
	struct migration m;
	struct look last;
	uint32_t dev = 0, pt;

	open_host(&m, make, NULL);
	for (unsigned int i = 0; i < PORTS; i++) {
		s[i] = (struct source){.m = &m, .seed = i + 7};
		assert_int_equal(ioas_port_create(m.host, 0x10 + i, &s[i].port), 0);
	}
	m.fd = ioas_open(m.host, "/dev/iommu");
	assert_int_equal(call(&m, IOMMU_IOAS_ALLOC, &alloc), 0);
	m.ioas = alloc.out_ioas_id;
	for (unsigned int i = 0; i < PORTS; i++)
		assert_int_equal(ioas_port_bind(s[i].port, m.fd, &dev), 0);
	map_all(&m, large);
	alloc_hwpt(&m, dev);
	for (unsigned int i = 0; i < PORTS; i++) {
		pt = m.hwpt;
		assert_int_equal(ioas_port_attach(s[i].port, &pt), 0);
		assert_int_equal(pthread_create(&s[i].thread, NULL, write_on, &s[i]), 0);
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct look l = random_look(&m);

		wait_for_writes(&s[round % PORTS]);
		copy_dirty(&m, &l);
	}
	__atomic_store_n(&m.stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < PORTS; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].rc, 0);
		assert_true(s[i].writes > 0);
	}
	last = whole(PAGE);
	copy_dirty(&m, &last);
	assert_memory_equal(m.memory, m.copy, LEN);
	/* And nothing is dirty without a write. */
	read_bits(&m, &last, false);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_false(bit(last.bits, i));
	close_host(&m);
}

static void hwpt_bitmaps(void **state)
{
	static const char *const makes[] = {"vtd", "amd", "mock"};

	for (size_t i = 0; i < 3; i++) {
		migrate(makes[i], true);
		migrate(makes[i], false);
	}
}

/* Type1. */

#define RING	256
#define RING_AT 0 /* in memory: descriptors of 64 bytes, then what they copy, then where to */
#define FROM_AT (RING * 64)
#define TO_AT	(1ul << 20)

struct type1 {
	struct migration m;
	int group, device;
	uint16_t made; /* descriptors given to the device */
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

static long on_container(struct type1 *t, unsigned int cmd, const void *arg)
{
	return ioas_ioctl(t->m.host, t->m.fd, cmd, (uintptr_t)arg);
}

static void open_type1(struct type1 *t)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ |
							VFIO_DMA_MAP_FLAG_WRITE,
					       .iova = IOVA,
					       .size = LEN};
	int container;

	open_host(&t->m, "vtd", NULL);
	assert_int_equal(ioas_add_model(t->m.host, "ioat", 0x100, 0, NULL, 0), 0);
	t->m.fd = container = ioas_open(t->m.host, "/dev/vfio/vfio");
	t->group = ioas_open(t->m.host, "/dev/vfio/0");
	assert_true(t->m.fd >= 0 && t->group >= 0);
	assert_int_equal(
		ioas_ioctl(t->m.host, t->group, VFIO_GROUP_SET_CONTAINER, (uintptr_t)&container),
		0);
	assert_int_equal(ioas_ioctl(t->m.host, t->m.fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	map.vaddr = (uintptr_t)t->m.memory;
	assert_int_equal(on_container(t, VFIO_IOMMU_MAP_DMA, &map), 0);
	t->device = (int)ioas_ioctl(t->m.host, t->group, VFIO_GROUP_GET_DEVICE_FD,
				    (uintptr_t) "0000:01:00.0");
	assert_true(t->device >= 0);
	reg_write(t, (7ull << 40) + 4, 6, 2); /* bus master */
}

/* A ring in which each descriptor copies 8 bytes to another page. */
static void build_ring(struct type1 *t)
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
}

/* Other numbers to be copied, and as many copies of them. */
static void give_work(struct type1 *t)
{
	for (unsigned int i = 0; i < RING; i++)
		__atomic_store_n(&t->m.memory[FROM_AT / 8 + i], t->m.seed + i, __ATOMIC_RELEASE);
	pick(&t->m.seed, 2);
	t->made = (uint16_t)(t->made + RING / 2);
	reg_write(t, 0x86, t->made, 2);
}

static void copy_type1_dirty(struct type1 *t)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} cmd = {{.argsz = sizeof(cmd), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP},
		 {.iova = IOVA, .size = LEN}};
	struct look l = whole(PAGE);

	cmd.get.bitmap.pgsize = PAGE;
	cmd.get.bitmap.size = sizeof(l.bits);
	cmd.get.bitmap.data = (void *)l.bits;
	assert_int_equal(on_container(t, VFIO_IOMMU_DIRTY_PAGES, &cmd), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		if (bit(l.bits, i))
			copy_bytes(&t->m, i * PAGE, PAGE);
}

static void type1_bitmaps(void **state)
{
	struct vfio_iommu_type1_dirty_bitmap start = {.argsz = sizeof(start),
						      .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START};
	unsigned int device_state = 0;
	struct type1 t = {0};

	open_type1(&t);
	assert_int_equal(on_container(&t, VFIO_IOMMU_DIRTY_PAGES, &start), 0);
	build_ring(&t);
	for (unsigned int round = 0; round < 10; round++) {
		give_work(&t);
		copy_type1_dirty(&t);
	}
	for (int i = 0; i < 5000 && device_state != 1; i++) {
		usleep(200);
		device_state = reg_read(&t, 0x88, 8) & 7;
	}
	assert_int_equal(device_state, 1);
	copy_type1_dirty(&t);
	assert_memory_equal(t.m.memory, t.m.copy, LEN);
	close_host(&t.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(hwpt_bitmaps),
					   cmocka_unit_test(type1_bitmaps)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
