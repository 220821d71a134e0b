/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the embedder's: some of it lies in this process, some is only there when it is asked
 * for.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <ioas/ioas.h>

#define PAGE 4096ul
#define GB   (1ul << 30)
#define IOVA 0x10000000ul

/*
 * A guest: RAM from 0 on, in this process; a ROM below 3 GiB; a window across 4 GiB whose bytes are
 * kept turned round (255 - byte), so that nobody gets at them but by the callbacks.
 */
#define RAM_LEN	   (512 * PAGE)
#define ROM	   (3 * GB - PAGE)
#define WINDOW	   (4 * GB - 8 * PAGE)
#define WINDOW_LEN (16 * PAGE)

struct guest {
	struct ioas_context *c;
	struct ioas_port *port;
	struct ioas_memory *mem;
	uint32_t ioas;
	char *ram, *rom;
	uint8_t window[WINDOW_LEN];
	unsigned int finds, reads, writes, released, faults;
	bool broken;
};

static int find(void *arg, uint64_t addr, struct ioas_memory_range *out)
{
	struct guest *g = arg;

	__atomic_fetch_add(&g->finds, 1, __ATOMIC_RELAXED);
	if (addr < RAM_LEN && g->ram)
		*out = (struct ioas_memory_range){0, RAM_LEN - 1, true, g->ram};
	else if (addr >= ROM && addr < ROM + PAGE)
		*out = (struct ioas_memory_range){ROM, ROM + PAGE - 1, false, g->rom};
	else if (addr >= WINDOW && addr < WINDOW + WINDOW_LEN)
		*out = (struct ioas_memory_range){WINDOW, WINDOW + WINDOW_LEN - 1, true, NULL};
	else
		return -EFAULT;
	return 0;
}

static int read_window(void *arg, uint64_t addr, void *dst, size_t len)
{
	struct guest *g = arg;

	assert_in_range(addr, WINDOW, WINDOW + WINDOW_LEN - len);
	__atomic_fetch_add(&g->reads, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < len; i++)
		((uint8_t *)dst)[i] = 255 - g->window[addr - WINDOW + i];
	return g->broken ? -EIO : 0;
}

static int write_window(void *arg, uint64_t addr, const void *src, size_t len)
{
	struct guest *g = arg;

	assert_in_range(addr, WINDOW, WINDOW + WINDOW_LEN - len);
	__atomic_fetch_add(&g->writes, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < len; i++)
		g->window[addr - WINDOW + i] = 255 - ((const uint8_t *)src)[i];
	return g->broken ? -EIO : 0;
}

static void released(void *arg)
{
	((struct guest *)arg)->released++;
}

static void on_fault(void *arg, const struct ioas_fault *f)
{
	__atomic_fetch_add(&((struct guest *)arg)->faults, 1, __ATOMIC_RELAXED);
}

static void *pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static int setup(void **state)
{
	static const struct ioas_memory_ops ops = {find, read_window, write_window, released};
	struct guest *g = calloc(1, sizeof(*g));
	const struct ioas_host_config hc = {.ipc_lock = true, .fault = on_fault, .arg = g};
	struct ioas_context_config cc = {0};

	assert_int_equal(ioas_host_create(&hc, &cc.host, NULL, 0), 0);
	assert_int_equal(ioas_context_open(&cc, &g->c), 0);
	assert_int_equal(ioas_create(g->c, &g->ioas), 0);
	assert_int_equal(ioas_port_create(cc.host, 1, &g->port), 0);
	assert_int_equal(ioas_port_bind(g->port, ioas_context_file(g->c), NULL), 0);
	assert_int_equal(ioas_port_attach(g->port, &(uint32_t){g->ioas}), 0);
	g->ram = pages(RAM_LEN);
	g->rom = pages(PAGE);
	memset(g->window, 255, WINDOW_LEN);
	assert_int_equal(ioas_memory_create(g->c, &ops, g, &g->mem), 0);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct guest *g = *state;
	struct ioas_host *h = ioas_context_host(g->c);

	ioas_port_unbind(g->port);
	if (g->mem)
		ioas_memory_destroy(g->mem);
	ioas_context_close(g->c);
	ioas_host_destroy(h);
	assert_int_equal(g->released, 1);
	if (g->ram)
		munmap(g->ram, RAM_LEN);
	munmap(g->rom, PAGE);
	free(g);
	return 0;
}

static int map_at(struct guest *g, uint64_t addr, uint64_t length, uint32_t flags, uint64_t iova)
{
	const struct ioas_memory_area area = {g->mem, addr, length};

	return ioas_map_memory(g->c, g->ioas, &area, flags | IOAS_MAP_FIXED, &iova);
}

static int dma(struct guest *g, uint64_t iova, void *buf, size_t len, bool write)
{
	int rc;

	ioas_port_begin(g->port);
	rc = write ? ioas_port_write(g->port, iova, buf, len)
		   : ioas_port_read(g->port, iova, buf, len);
	ioas_port_end(g->port);
	return rc;
}

static void direct_memory(void **state)
{
	struct guest *g = *state;
	char buf[16];

	assert_int_equal(map_at(g, 0, RAM_LEN, IOAS_MAP_RW, IOVA), 0);
	assert_int_equal(dma(g, IOVA + PAGE - 2, "in guest RAM", 13, true), 0);
	assert_string_equal(g->ram + PAGE - 2, "in guest RAM");
	g->ram[RAM_LEN - 1] = 'z';
	assert_int_equal(dma(g, IOVA + RAM_LEN - 1, buf, 1, false), 0);
	assert_int_equal(buf[0], 'z');
	assert_int_equal(dma(g, IOVA + RAM_LEN - 1, buf, 2, false), -EFAULT);
	assert_int_equal(g->reads + g->writes, 0);
	assert_int_equal(g->finds, 1);
	/* What is mapped again is remembered. */
	assert_int_equal(map_at(g, PAGE, PAGE, IOAS_MAP_RW, 2 * IOVA), 0);
	assert_int_equal(g->finds, 1);
}

static void memory_behind_callbacks(void **state)
{
	struct guest *g = *state;
	char buf[3 * PAGE] = "", back[3 * PAGE];

	assert_int_equal(map_at(g, WINDOW, WINDOW_LEN, IOAS_MAP_RW, IOVA), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7);
	/* Across the border of 4 GiB, where another slot begins. */
	assert_int_equal(dma(g, IOVA + 7 * PAGE - 5, buf, sizeof(buf), true), 0);
	assert_true(g->writes >= 2);
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(g->window[7 * PAGE - 5 + i], 255 - (uint8_t)buf[i]);
	assert_int_equal(dma(g, IOVA + 7 * PAGE - 5, back, sizeof(back), false), 0);
	assert_memory_equal(buf, back, sizeof(buf));
	assert_int_equal(dma(g, IOVA, buf, 1, true), 0);
	assert_int_equal(g->faults, 0);
	g->broken = true;
	assert_int_equal(dma(g, IOVA, buf, 1, true), -EFAULT);
	assert_int_equal(g->faults, 1);
}

static void what_cannot_be_mapped(void **state)
{
	struct guest *g = *state;
	char byte = 1;

	assert_int_equal(map_at(g, RAM_LEN, PAGE, IOAS_MAP_RW, IOVA), -EFAULT);
	assert_int_equal(map_at(g, RAM_LEN - PAGE, 2 * PAGE, IOAS_MAP_RW, IOVA), -EFAULT);
	assert_int_equal(map_at(g, ROM, PAGE, IOAS_MAP_RW, IOVA), -EFAULT);
	g->rom[5] = 'r';
	assert_int_equal(map_at(g, ROM, PAGE, IOAS_MAP_READ, IOVA), 0);
	assert_int_equal(dma(g, IOVA + 5, &byte, 1, false), 0);
	assert_int_equal(byte, 'r');
	assert_int_equal(dma(g, IOVA + 5, &byte, 1, true), -EFAULT);
	assert_int_equal(map_at(g, 5 * GB, PAGE, IOAS_MAP_READ, 2 * IOVA), -EFAULT);
	assert_int_equal(ioas_memory_create(g->c, &(struct ioas_memory_ops){0}, NULL, &g->mem),
			 -EINVAL);
}

/* RAM moves to another place: what was mapped faults, what is mapped anew is the new one. */
static void memory_that_moves(void **state)
{
	struct guest *g = *state;
	char *old = g->ram, byte = 'n';

	assert_int_equal(map_at(g, 0, RAM_LEN, IOAS_MAP_RW, IOVA), 0);
	assert_int_equal(dma(g, IOVA, &byte, 1, true), 0);
	g->ram = pages(RAM_LEN);
	ioas_memory_changed(g->mem, 0, RAM_LEN);
	munmap(old, RAM_LEN);
	assert_int_equal(dma(g, IOVA, &byte, 1, true), -EFAULT);
	assert_int_equal(g->faults, 1);
	assert_int_equal(map_at(g, PAGE, PAGE, IOAS_MAP_RW, 2 * IOVA), 0);
	assert_int_equal(dma(g, 2 * IOVA, &byte, 1, true), 0);
	assert_int_equal(g->ram[PAGE], 'n');
	assert_int_equal(dma(g, IOVA + PAGE, &byte, 1, true), -EFAULT);
	assert_int_equal(ioas_unmap(g->c, g->ioas, IOVA, RAM_LEN, NULL), 0);
	assert_int_equal(map_at(g, 0, PAGE, IOAS_MAP_RW, IOVA), 0);
	assert_int_equal(dma(g, IOVA, &byte, 1, true), 0);
	assert_int_equal(g->ram[0], 'n');
}

static void memory_that_goes(void **state)
{
	struct guest *g = *state;
	char byte = 'n';

	assert_int_equal(map_at(g, 0, RAM_LEN, IOAS_MAP_RW, IOVA), 0);
	assert_int_equal(map_at(g, WINDOW, PAGE, IOAS_MAP_RW, 2 * IOVA), 0);
	assert_int_equal(dma(g, IOVA, &byte, 1, true), 0);
	assert_int_equal(dma(g, 2 * IOVA, &byte, 1, true), 0);
	ioas_memory_destroy(g->mem);
	g->mem = NULL;
	munmap(g->ram, RAM_LEN);
	g->ram = NULL;
	assert_int_equal(g->released, 0);
	assert_int_equal(dma(g, IOVA, &byte, 1, true), -EFAULT);
	assert_int_equal(dma(g, 2 * IOVA, &byte, 1, true), -EFAULT);
	assert_int_equal(g->writes, 1);
	assert_int_equal(ioas_unmap(g->c, g->ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(g->released, 1);
}

static void accesses_reach_it(void **state)
{
	struct guest *g = *state;
	const struct ioas_access_config cfg = {0};
	struct ioas_access *a;
	char buf[16];

	assert_int_equal(map_at(g, 0, RAM_LEN, IOAS_MAP_RW, IOVA), 0);
	assert_int_equal(map_at(g, WINDOW, PAGE, IOAS_MAP_RW, IOVA + RAM_LEN), 0);
	assert_int_equal(ioas_access_create(g->c, &cfg, &a), 0);
	assert_int_equal(ioas_access_attach(a, g->ioas), 0);
	assert_int_equal(ioas_access_write(a, IOVA + RAM_LEN - 4, "abcdefgh", 8), 0);
	assert_memory_equal(g->ram + RAM_LEN - 4, "abcd", 4);
	assert_int_equal(g->window[0], 255 - 'e');
	assert_int_equal(ioas_access_read(a, IOVA + RAM_LEN - 4, buf, 8), 0);
	assert_memory_equal(buf, "abcdefgh", 8);
	ioas_access_destroy(a);
}

static void unpin_all(void *arg, uint64_t iova, uint64_t length)
{
}

static void pins_of_it(void **state)
{
	struct guest *g = *state;
	const struct ioas_access_config cfg = {.pins = true, .unmap = unpin_all};
	struct ioas_access *a;
	struct iovec vec;
	unsigned int n = 1;

	assert_int_equal(map_at(g, 0, RAM_LEN, IOAS_MAP_RW, IOVA), 0);
	assert_int_equal(map_at(g, WINDOW, PAGE, IOAS_MAP_RW, IOVA + RAM_LEN), 0);
	assert_int_equal(ioas_access_create(g->c, &cfg, &a), 0);
	assert_int_equal(ioas_access_attach(a, g->ioas), 0);
	assert_int_equal(ioas_access_pin(a, IOVA + PAGE, 2 * PAGE, 0, &vec, &n), 0);
	assert_ptr_equal(vec.iov_base, g->ram + PAGE);
	assert_int_equal(ioas_access_unpin(a, IOVA + PAGE, 2 * PAGE), 0);
	assert_int_equal(ioas_access_pin(a, IOVA + RAM_LEN, PAGE, 0, &vec, &n), -EOPNOTSUPP);
	/* Nothing was left pinned. */
	assert_int_equal(ioas_unmap(g->c, g->ioas, 0, UINT64_MAX, NULL), 0);
	ioas_access_destroy(a);
}

struct mover {
	struct guest *guest;
	unsigned int writes;
	bool stop;
};

/* The device gets through some more. */
static void let_write(struct mover *m)
{
	unsigned int from = __atomic_load_n(&m->writes, __ATOMIC_RELAXED);

	while (__atomic_load_n(&m->writes, __ATOMIC_RELAXED) - from < 3)
		sched_yield();
}

static void *write_on(void *arg)
{
	struct mover *m = arg;
	char page[PAGE];

	memset(page, 0x5a, sizeof(page));
	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED))
		for (uint64_t at = 0; at < RAM_LEN; at += PAGE) {
			dma(m->guest, IOVA + at, page, PAGE, true);
			__atomic_fetch_add(&m->writes, 1, __ATOMIC_RELAXED);
		}
	return NULL;
}

/* While a device writes, RAM moves a hundred times, and what it left is taken away at once. */
static void moving_races_dma(void **state)
{
	struct guest *g = *state;
	struct mover m = {.guest = g};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_on, &m), 0);
	for (int i = 0; i < 100; i++) {
		char *old = g->ram;

		assert_int_equal(map_at(g, 0, RAM_LEN, IOAS_MAP_RW, IOVA), 0);
		let_write(&m);
		__atomic_store_n(&g->ram, pages(RAM_LEN), __ATOMIC_RELEASE);
		ioas_memory_changed(g->mem, 0, RAM_LEN);
		munmap(old, RAM_LEN);
		let_write(&m);
		assert_int_equal(ioas_unmap(g->c, g->ioas, IOVA, RAM_LEN, NULL), 0);
	}
	__atomic_store_n(&m.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static void registered_memory(void **state)
{
	struct guest *g = *state;
	struct ioas_host *h = ioas_context_host(g->c);
	uint64_t iova = IOVA;

	assert_int_equal(ioas_memory_register(h, g->ram, RAM_LEN), 0);
	assert_int_equal(ioas_memory_register(h, g->ram, PAGE), -EEXIST);
	assert_int_equal(ioas_memory_register(h, g->rom + 1, PAGE), -EINVAL);
	assert_int_equal(
		ioas_map(g->c, g->ioas, g->ram, RAM_LEN, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova), 0);
	assert_int_equal(dma(g, IOVA, "registered", 10, true), 0);
	assert_memory_equal(g->ram, "registered", 10);
	assert_int_equal(ioas_memory_unregister(h, g->ram, RAM_LEN), -EBUSY);
	assert_int_equal(ioas_unmap(g->c, g->ioas, IOVA, RAM_LEN, NULL), 0);
	assert_int_equal(ioas_memory_unregister(h, g->ram, PAGE), -ENOENT);
	assert_int_equal(ioas_memory_unregister(h, g->ram, RAM_LEN), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(direct_memory),	 TEST(memory_behind_callbacks), TEST(what_cannot_be_mapped),
		TEST(memory_that_moves), TEST(memory_that_goes),	TEST(accesses_reach_it),
		TEST(pins_of_it),	 TEST(moving_races_dma),	TEST(registered_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
