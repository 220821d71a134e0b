/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's own allocator in place of the library's: everything comes from it, and comes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ioas/ioas.h>

/* Each block is marked in front, so that a stranger's is noticed. */
struct head {
	uint64_t mark, size;
};
#define MARK 0x5a17ab1e0b10c5ull

static uint64_t blocks, calls, budget = UINT64_MAX;

static void *take(size_t front, size_t alignment, size_t size)
{
	char *p = NULL;

	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&budget, __ATOMIC_RELAXED) < size)
		return NULL;
	if (posix_memalign((void **)&p, alignment, front + size))
		return NULL;
	__atomic_fetch_add(&blocks, 1, __ATOMIC_RELAXED);
	p += front;
	((struct head *)p)[-1] = (struct head){MARK, front};
	return p;
}

void *ioas_malloc(size_t size)
{
	return take(sizeof(struct head), 16, size);
}

void *ioas_calloc(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	p = ioas_malloc(bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

void *ioas_aligned_alloc(size_t alignment, size_t size)
{
	return take(alignment < 16 ? 16 : alignment, alignment < 16 ? 16 : alignment, size);
}

void ioas_free(void *p)
{
	struct head *h = p;

	if (!p)
		return;
	assert_int_equal(h[-1].mark, MARK);
	h[-1].mark = 0;
	__atomic_fetch_sub(&blocks, 1, __ATOMIC_RELAXED);
	free((char *)p - h[-1].size);
}

void *ioas_realloc(void *p, size_t size)
{
	char *old;

	if (!p)
		return ioas_malloc(size);
	assert_int_equal(((struct head *)p)[-1].mark, MARK);
	if (__atomic_load_n(&budget, __ATOMIC_RELAXED) < size)
		return NULL;
	old = realloc((char *)p - sizeof(struct head), sizeof(struct head) + size);
	return old ? old + sizeof(struct head) : NULL;
}

static void map_and_unmap(struct ioas_context *c, uint32_t ioas, char *memory)
{
	for (uint64_t i = 0; i < 500; i++) {
		uint64_t iova = 0x1000000 + i * 8192;

		assert_int_equal(
			ioas_map(c, ioas, memory, 4096, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova), 0);
	}
	assert_int_equal(ioas_unmap(c, ioas, 0, UINT64_MAX, NULL), 0);
}

static void all_comes_and_goes(void **state)
{
	static _Alignas(4096) char memory[4096];
	struct ioas_device *d;
	struct ioas_context *c;
	struct ioas_port *port;
	uint32_t ioas;

	assert_int_equal(blocks, 0);
	assert_int_equal(ioas_context_open(NULL, &c), 0);
	assert_true(calls > 10);
	assert_int_equal(ioas_add_model(ioas_context_host(c), "nvme,size=1M", 0x100, -1, NULL, 0),
			 0);
	assert_int_equal(ioas_create(c, &ioas), 0);
	assert_int_equal(ioas_port_create(ioas_context_host(c), 1, &port), 0);
	assert_int_equal(ioas_port_bind(port, ioas_context_file(c), NULL), 0);
	assert_int_equal(ioas_port_attach(port, &(uint32_t){ioas}), 0);
	assert_int_equal(ioas_device_open(c, "vfio0", NULL, &d), 0);
	assert_int_equal(ioas_device_attach(d, &(uint32_t){ioas}), 0);
	map_and_unmap(c, ioas, memory);
	ioas_device_close(d);
	ioas_port_unbind(port);
	ioas_context_close(c);
	assert_int_equal(blocks, 0);
}

static void none_left(void **state)
{
	struct ioas_context *c;
	uint32_t ioas;

	budget = 0;
	assert_int_equal(ioas_context_open(NULL, &c), -ENOMEM);
	budget = UINT64_MAX;
	assert_int_equal(blocks, 0);
	assert_int_equal(ioas_context_open(NULL, &c), 0);
	budget = 0;
	assert_int_equal(ioas_create(c, &ioas), -ENOMEM);
	budget = UINT64_MAX;
	assert_int_equal(ioas_create(c, &ioas), 0);
	ioas_context_close(c);
	assert_int_equal(blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_comes_and_goes),
		cmocka_unit_test(none_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
