/* SPDX-License-Identifier: BSD-3-Clause */
/* The default way to reach this process's memory. */
#include "common.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "memory/private.h"

#define ops memory_default_ops

static void vma_of_private_memory(void **state)
{
	char *p = map_anon(8 * PAGE_SIZE, MAP_PRIVATE);
	struct memory_vma v;

	/* A hole on either side keeps the kernel from merging neighbours. */
	munmap(p, PAGE_SIZE);
	munmap(p + 7 * PAGE_SIZE, PAGE_SIZE);
	mprotect(p + 4 * PAGE_SIZE, 3 * PAGE_SIZE, PROT_READ);
	assert_int_equal(ops.vma(NULL, (uintptr_t)p + PAGE_SIZE, &v), 0);
	assert_int_equal(v.start, (uintptr_t)p + PAGE_SIZE);
	assert_int_equal(v.last, (uintptr_t)p + 4 * PAGE_SIZE - 1);
	assert_int_equal(v.kind, VMA_PRIVATE);
	assert_true(v.read && v.write);
	assert_int_equal(ops.vma(NULL, (uintptr_t)p + 5 * PAGE_SIZE, &v), 0);
	assert_int_equal(v.start, (uintptr_t)p + 4 * PAGE_SIZE);
	assert_true(v.read && !v.write);
	assert_int_equal(ops.vma(NULL, (uintptr_t)p, &v), -EFAULT);
	assert_int_equal(ops.vma(NULL, (uintptr_t)p + 7 * PAGE_SIZE, &v), -EFAULT);
	assert_int_equal(ops.vma(NULL, 0, &v), -EFAULT);
	assert_int_equal(ops.vma(NULL, U64MAX, &v), -EFAULT);
	munmap(p + PAGE_SIZE, 6 * PAGE_SIZE);
}

static void vma_names_the_file(void **state)
{
	int fd = memfd_create("a name with\nspaces and 7f00-8f00 rw-p", 0);
	struct memory_vma a, b;
	char *p, *q;

	assert_int_equal(ftruncate(fd, 16 * PAGE_SIZE), 0);
	p = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 3 * PAGE_SIZE);
	q = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	assert_int_equal(ops.vma(NULL, (uintptr_t)p + PAGE_SIZE, &a), 0);
	assert_int_equal(ops.vma(NULL, (uintptr_t)q, &b), 0);
	assert_int_equal(a.kind, VMA_SHARED);
	assert_int_equal(a.offset, 3 * PAGE_SIZE);
	assert_int_equal(b.offset, 0);
	assert_int_equal(a.ino, b.ino);
	assert_int_equal(a.dev, b.dev);
	assert_true(a.write && !b.write);
	munmap(p, 4 * PAGE_SIZE);
	munmap(q, PAGE_SIZE);
	close(fd);
}

/* Many VMAs, so that what the parser reads is cut at every place; each answer is compared with what
 * was made. */
static void vma_among_many(void **state)
{
	enum { N = 300 };
	char *p = map_anon(2 * N * PAGE_SIZE, MAP_PRIVATE);
	struct memory_vma v;

	for (unsigned int i = 0; i < N; i++)
		munmap(p + 2 * i * PAGE_SIZE, PAGE_SIZE);
	for (unsigned int i = 0; i < N; i++) {
		uint64_t va = (uintptr_t)p + (2 * i + 1) * PAGE_SIZE;

		assert_int_equal(ops.vma(NULL, va + 5, &v), 0);
		assert_int_equal(v.start, va);
		if (i < N - 1)
			assert_int_equal(v.last, va + PAGE_SIZE - 1);
		assert_int_equal(process_vma_parse(va - PAGE_SIZE, &v), -EFAULT);
		assert_int_equal(process_vma_parse(va, &v), 0);
		assert_int_equal(v.start, va);
	}
	munmap(p, 2 * N * PAGE_SIZE);
}

/* The file and the question give the same answer. */
static void parse_agrees_with_query(void **state)
{
	int fd = memfd_create("x", 0);
	struct memory_vma v, w;
	char *places[4];

	assert_int_equal(ftruncate(fd, 16 * PAGE_SIZE), 0);
	places[0] = mmap(NULL, 4 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 5 * PAGE_SIZE);
	places[1] = map_anon(PAGE_SIZE, MAP_SHARED);
	places[2] = (char *)&v;
	places[3] = (char *)(uintptr_t)vma_among_many;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		memset(&v, 0, sizeof(v));
		memset(&w, 0, sizeof(w));
		assert_int_equal(ops.vma(NULL, (uintptr_t)places[i], &v), 0);
		assert_int_equal(process_vma_parse((uintptr_t)places[i], &w), 0);
		assert_memory_equal(&v, &w, sizeof(v));
	}
	munmap(places[0], 4 * PAGE_SIZE);
	munmap(places[1], PAGE_SIZE);
	close(fd);
}

/* The file that is kept open: asked by threads at once, in a child, and when the program closed it
 * or put another in its place. */
static void *ask_maps(void *arg)
{
	struct memory_vma v;

	for (int i = 0; i < 100; i++)
		assert_int_equal(maps_vma(arg, (uintptr_t)&v, &v), 0);
	return NULL;
}

static void in_a_child(struct maps *maps, char *page)
{
	struct memory_vma v;
	int status;

	if (!fork()) {
		munmap(page, PAGE_SIZE);
		_exit(maps_vma(maps, (uintptr_t)page, &v) != -EFAULT ||
		      maps_vma(maps, (uintptr_t)&v, &v));
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
}

static void a_kept_file(void **state)
{
	char *page = map_anon(PAGE_SIZE, MAP_PRIVATE);
	struct memory_vma v;
	pthread_t thread[4];
	struct maps maps;

	maps_create(&maps);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_maps, &maps), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	in_a_child(&maps, page);
	assert_int_equal(maps_vma(&maps, (uintptr_t)page, &v), 0);
	close(*maps.fd - 1);
	assert_int_equal(maps_vma(&maps, (uintptr_t)page, &v), 0);
	assert_int_equal(dup2(STDERR_FILENO, *maps.fd - 1), *maps.fd - 1);
	assert_int_equal(maps_vma(&maps, (uintptr_t)page, &v), 0);
	munmap(page, PAGE_SIZE);
	assert_int_equal(maps_vma(&maps, (uintptr_t)page, &v), -EFAULT);
	maps_destroy(&maps);
}

typedef int (*probe_fn)(char *p, uint64_t len, bool write);

static int by_ops(char *p, uint64_t len, bool write)
{
	return ops.probe(NULL, (uintptr_t)p, len, write ? MEMORY_WRITE : 0);
}

static int by_touch(char *p, uint64_t len, bool write)
{
	return process_touch((uintptr_t)p, len, write);
}

static void probe_with(probe_fn probe)
{
	char *p = map_anon(4 * PAGE_SIZE, MAP_PRIVATE);
	int fd = memfd_create("x", 0);
	char *f;

	p[PAGE_SIZE] = 'a';
	assert_int_equal(probe(p, 4 * PAGE_SIZE, true), 0);
	assert_int_equal(p[PAGE_SIZE], 'a');
	mprotect(p + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ);
	assert_int_equal(probe(p, 4 * PAGE_SIZE, true), -EFAULT);
	assert_int_equal(probe(p, 4 * PAGE_SIZE, false), 0);
	assert_int_equal(probe(p, 2 * PAGE_SIZE, true), 0);
	mprotect(p + 3 * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	assert_int_equal(probe(p, 4 * PAGE_SIZE, false), -EFAULT);
	munmap(p + 3 * PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(probe(p, 4 * PAGE_SIZE, false), -EFAULT);
	munmap(p, 3 * PAGE_SIZE);
	/* Behind the end of a file. */
	assert_int_equal(ftruncate(fd, PAGE_SIZE), 0);
	f = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(probe(f, PAGE_SIZE, true), 0);
	assert_int_equal(probe(f, 2 * PAGE_SIZE, true), -EFAULT);
	assert_int_equal(probe(f, 2 * PAGE_SIZE, false), -EFAULT);
	munmap(f, 2 * PAGE_SIZE);
	close(fd);
}

static void probe_by_populating(void **state)
{
	probe_with(by_ops);
}

static void probe_by_touching(void **state)
{
	probe_with(by_touch);
}

static bool are_all_there(char *p, uint64_t pages)
{
	unsigned char there[16];
	bool all = true;

	assert_int_equal(mincore(p, pages * PAGE_SIZE, there), 0);
	for (uint64_t i = 0; i < pages; i++)
		all = all && there[i] & 1;
	return all;
}

/* What is known to be private, no file's, readable and writable: few pages and many. */
static void probe_of_plain_memory(void **state)
{
	const uint64_t many = 16;

	for (uint64_t n = 1; n <= many; n *= 4) {
		for (unsigned int how = MEMORY_PLAIN; how <= (MEMORY_PLAIN | MEMORY_WRITE); how++) {
			char *p = map_anon(many * PAGE_SIZE, MAP_PRIVATE);

			p[0] = 'a';
			assert_int_equal(ops.probe(NULL, (uintptr_t)p, n * PAGE_SIZE, how), 0);
			assert_true(are_all_there(p, n));
			assert_int_equal(ops.probe(NULL, (uintptr_t)p, n * PAGE_SIZE, how), 0);
			assert_int_equal(p[0], 'a');
			munmap(p + (n - 1) * PAGE_SIZE, PAGE_SIZE);
			assert_int_equal(ops.probe(NULL, (uintptr_t)p, n * PAGE_SIZE, how),
					 -EFAULT);
			munmap(p, many * PAGE_SIZE);
		}
	}
}

static void copy_guards_both_sides(void **state)
{
	char *p = map_anon(4 * PAGE_SIZE, MAP_PRIVATE), buf[2 * PAGE_SIZE];

	memset(p, 'p', 4 * PAGE_SIZE);
	assert_int_equal(ops.copy(NULL, buf, p, sizeof(buf)), 0);
	assert_int_equal(buf[2 * PAGE_SIZE - 1], 'p');
	memset(buf, 'b', sizeof(buf));
	assert_int_equal(ops.copy(NULL, p + 1, buf, 5), 0);
	assert_memory_equal(p, "pbbbbbp", 7);
	munmap(p + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(ops.copy(NULL, buf, p, 2 * PAGE_SIZE), -EFAULT);
	assert_int_equal(ops.copy(NULL, p + 4, buf, PAGE_SIZE), -EFAULT);
	mprotect(p + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ);
	assert_int_equal(ops.copy(NULL, p + 2 * PAGE_SIZE, buf, 1), -EFAULT);
	assert_int_equal(ops.copy(NULL, buf, p + 2 * PAGE_SIZE, 1), 0);
	assert_int_equal(ops.copy(NULL, buf, p, 0), 0);
	munmap(p, PAGE_SIZE);
	munmap(p + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vma_of_private_memory),
		cmocka_unit_test(vma_names_the_file),
		cmocka_unit_test(vma_among_many),
		cmocka_unit_test(parse_agrees_with_query),
		cmocka_unit_test(a_kept_file),
		cmocka_unit_test(probe_by_populating),
		cmocka_unit_test(probe_by_touching),
		cmocka_unit_test(probe_of_plain_memory),
		cmocka_unit_test(copy_guards_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
