/* SPDX-License-Identifier: BSD-3-Clause */
/* What a PA shows, and how often a page is pinned, seen from a VA. */
#include "common.h"

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

static int shows(uint64_t pa, const char *va)
{
	return memory_shows(memory, pa, NULL, (uintptr_t)va);
}

static uint32_t pins(const char *va)
{
	uint32_t n = ~0u;

	assert_int_equal(memory_count_pins(memory, NULL, (uintptr_t)va, 1, &n), 0);
	return n;
}

static void private_memory(void **state)
{
	char *va = map_anon(4 * PAGE_SIZE, MAP_PRIVATE);
	struct pages *p = make_pages(memory, va, 4 * PAGE_SIZE, true), *q;
	uint32_t counts[4];
	uint64_t pa;

	assert_int_equal(pins(va), 0);
	assert_int_equal(pages_pin(p, PAGE_SIZE, 2 * PAGE_SIZE), 0);
	pa = pa_of(p, PAGE_SIZE);
	assert_int_equal(shows(pa, va + PAGE_SIZE), 0);
	assert_int_equal(shows(pa + 7, va + PAGE_SIZE + 7), 0);
	assert_int_equal(shows(pa, va), -EINVAL);
	assert_int_equal(shows(0, va), -EINVAL);
	/* A second pin of the object counts for nothing, another object's does. */
	assert_int_equal(pages_pin(p, PAGE_SIZE, PAGE_SIZE), 0);
	q = make_pages(memory, va + 2 * PAGE_SIZE, PAGE_SIZE, false);
	assert_int_equal(pages_pin(q, 0, PAGE_SIZE), 0);
	assert_int_equal(memory_count_pins(memory, NULL, (uintptr_t)va, 4, counts), 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(counts[i], i % 3 ? i : 0);
	/* What is mapped there afterwards is other memory, and not pinned. */
	memory_va_changed(memory, (uintptr_t)va, 4 * PAGE_SIZE);
	assert_int_equal(shows(pa, va + PAGE_SIZE), -EINVAL);
	assert_int_equal(pins(va + 2 * PAGE_SIZE), 0);
	pages_unpin(p, PAGE_SIZE, PAGE_SIZE);
	pages_unpin(p, PAGE_SIZE, 2 * PAGE_SIZE);
	pages_unpin(q, 0, PAGE_SIZE);
	pages_put(p);
	pages_put(q);
	munmap(va, 4 * PAGE_SIZE);
	assert_int_equal(shows(pa, va), -EFAULT);
	assert_int_equal(memory_count_pins(memory, NULL, (uintptr_t)va, 4, counts), -EFAULT);
}

static void shared_memory(void **state)
{
	int fd = memfd_create("look", MFD_CLOEXEC);
	struct pages *by_va, *by_file;
	char *va, *other;

	assert_int_equal(ftruncate(fd, 4 * PAGE_SIZE), 0);
	va = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	other = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 2 * PAGE_SIZE);
	by_va = make_pages(memory, va, 4 * PAGE_SIZE, true);
	assert_int_equal(
		pages_from_file(memory, NULL, dup(fd), 2 * PAGE_SIZE, PAGE_SIZE, true, &by_file),
		0);
	assert_int_equal(pages_pin(by_va, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(by_file, 0, PAGE_SIZE), 0);

	/* The same bytes by each name. */
	assert_int_equal(shows(pa_of(by_va, 2 * PAGE_SIZE), va + 2 * PAGE_SIZE), 0);
	assert_int_equal(shows(pa_of(by_va, 2 * PAGE_SIZE), other), 0);
	assert_int_equal(shows(pa_of(by_file, 0), va + 2 * PAGE_SIZE), 0);
	assert_int_equal(shows(pa_of(by_file, 0), other), 0);
	assert_int_equal(shows(pa_of(by_file, 0), va + PAGE_SIZE), -EINVAL);
	assert_int_equal(pins(va), 1);
	assert_int_equal(pins(va + 2 * PAGE_SIZE), 2);
	assert_int_equal(pins(other), 2);

	/* A copy of the program's own, at the same place, is other memory. */
	memory_va_changed(memory, (uintptr_t)va, 4 * PAGE_SIZE);
	assert_ptr_equal(
		mmap(va, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0),
		va);
	assert_int_equal(shows(pa_of(by_va, 0), va), -EINVAL);
	assert_int_equal(pins(va), 0);
	assert_int_equal(pins(other), 2);

	pages_unpin(by_va, 0, 4 * PAGE_SIZE);
	pages_unpin(by_file, 0, PAGE_SIZE);
	assert_int_equal(pins(other), 0);
	pages_put(by_va);
	pages_put(by_file);
	munmap(va, 4 * PAGE_SIZE);
	munmap(other, PAGE_SIZE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(private_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
