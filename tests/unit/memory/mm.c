/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Another process's memory: an address space of its own, with the same addresses as ours. It is played by two buffers
 * that lie at other places here: a private one, and a file.
 */
#include "common.h"

#include "memory/private.h"

#define VA    there /* where the other process has its private buffer; the file follows */
#define PAGES 4ull

static struct memory *memory;
static unsigned int revoked, released, asked;
static char own[PAGES * PAGE_SIZE];
static int file;
static bool may_map;
static uint64_t there;

static int mm_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	return va >= VA && va + len <= VA + sizeof(own) ? 0 : -EFAULT;
}

static int mm_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	asked++;
	if (va < VA || va >= VA + 2 * sizeof(own))
		return -EFAULT;
	*out = (struct memory_vma){
		.start = VA, .last = VA + sizeof(own) - 1, .kind = VMA_PRIVATE, .read = true, .write = true};
	if (va >= VA + sizeof(own)) {
		out->kind = VMA_SHARED;
		out->start += sizeof(own);
		out->last += sizeof(own);
		out->dev = 1;
		out->ino = 2;
	}
	return 0;
}

static int mm_map(void *arg, const struct memory_vma *f, uint64_t len, void *where)
{
	if (!may_map || f->dev != 1 || f->ino != 2)
		return -ENODEV;
	return mmap(where, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, (off_t)f->offset) ==
			       MAP_FAILED ?
		       -errno :
		       0;
}

static int mm_read(void *arg, void *dst, uint64_t src, size_t len)
{
	if (mm_probe(arg, src, len, 0))
		return -EFAULT;
	memcpy(dst, own + (src - VA), len);
	return 0;
}

static int mm_write(void *arg, uint64_t dst, const void *src, size_t len)
{
	if (mm_probe(arg, dst, len, MEMORY_WRITE))
		return -EFAULT;
	memcpy(own + (dst - VA), src, len);
	return 0;
}

static void mm_release(void *arg)
{
	released++;
}

static const struct memory_mm_ops ops = {
	.probe = mm_probe, .vma = mm_vma, .map = mm_map, .read = mm_read, .write = mm_write, .release = mm_release};

static int setup(void **state)
{
	released = asked = 0;
	there = 600 * GiB;
	may_map = true;
	memory = make_memory(true, &revoked);
	file = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(file, sizeof(own)), 0);
	memset(own, 0, sizeof(own));
	return 0;
}

static int teardown(void **state)
{
	memory_destroy(memory);
	close(file);
	return 0;
}

static struct memory_mm *make_mm(void)
{
	struct memory_mm *mm;

	assert_int_equal(memory_mm_create(memory, &ops, NULL, &mm), 0);
	return mm;
}

static struct pages *theirs(struct memory_mm *mm, uint64_t va, uint64_t len)
{
	struct pages *p;

	assert_int_equal(pages_from_mm(memory, mm, NULL, va, len, true, false, &p), 0);
	return p;
}

static uint64_t place_of(struct pages *p)
{
	uint64_t run;

	return pages_pa(p, 0, &run);
}

static void test_private(void **state)
{
	struct memory_mm *mm = make_mm();
	struct pages *p = theirs(mm, VA, PAGE_SIZE);
	uint32_t word = 0x12345678;
	uint64_t pa;

	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	pa = place_of(p);
	assert_int_equal(memory_slot(memory, pa)->kind, MEMORY_FOREIGN);
	assert_int_equal(pa_write(memory, pa, &word, sizeof(word)), 0);
	assert_memory_equal(own, &word, sizeof(word));
	own[1] = 7;
	assert_int_equal(pa_read(memory, pa, &word, sizeof(word)), 0);
	assert_memory_equal(own, &word, sizeof(word));
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	memory_mm_put(mm);
	assert_int_equal(released, 0); /* the slot is kept for the next pin */
}

/* The same address in two processes is not the same memory. */
static void test_two(void **state)
{
	struct memory_mm *a = make_mm(), *b = make_mm();
	struct pages *p = theirs(a, VA, PAGE_SIZE), *q = theirs(b, VA, PAGE_SIZE);
	char byte;

	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_int_equal(pages_pin(q, 0, PAGE_SIZE), 0);
	assert_int_not_equal(place_of(p) >> MEMORY_SLOT_SHIFT, place_of(q) >> MEMORY_SLOT_SHIFT);
	/* Nor is a change here one there. */
	memory_va_changed(memory, VA, PAGE_SIZE);
	assert_int_equal(revoked, 0);
	memory_mm_gone(a);
	assert_int_equal(revoked, 1);
	assert_int_equal(pa_read(memory, place_of(p), &byte, 1), -EFAULT);
	assert_int_equal(pa_read(memory, place_of(q), &byte, 1), 0);
	pages_unpin(p, 0, PAGE_SIZE);
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), -EFAULT);
	pages_put(p);
	memory_mm_put(a);
	assert_int_equal(released, 1);
	pages_unpin(q, 0, PAGE_SIZE);
	pages_put(q);
	memory_mm_gone(b);
	memory_mm_put(b);
	assert_int_equal(released, 2);
}

/* Nor is it the memory that was registered here, at the same address and pinned a moment ago. */
static void test_registered_here(void **state)
{
	char *here = map_anon(sizeof(own), MAP_PRIVATE);
	struct pages *mine, *p;
	struct memory_mm *mm;
	char byte = 'x';

	there = (uintptr_t)here;
	mm = make_mm();
	assert_int_equal(memory_register(memory, there, sizeof(own)), 0);
	mine = make_pages(memory, here, PAGE_SIZE, true);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(pages_pin(mine, 0, PAGE_SIZE), 0);
		p = theirs(mm, there, PAGE_SIZE);
		assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
		assert_int_equal(memory_slot(memory, place_of(p))->kind, MEMORY_FOREIGN);
		assert_int_equal(memory_pinned(memory, mm), 1);
		assert_int_equal(memory_pinned(memory, NULL), 1);
		assert_int_equal(pa_write(memory, place_of(p), &byte, 1), 0);
		assert_int_equal(own[0], 'x');
		assert_int_equal(*here, 0);
		assert_pa_byte(memory, place_of(mine), 0);
		pages_unpin(p, 0, PAGE_SIZE);
		pages_put(p);
		assert_int_equal(memory_pinned(memory, mm), 0);
		assert_int_equal(memory_pinned(memory, NULL), 1);
		pages_unpin(mine, 0, PAGE_SIZE);
	}
	pages_put(mine);
	memory_mm_put(mm);
	assert_int_equal(memory_unregister(memory, there, sizeof(own)), 0);
	munmap(here, sizeof(own));
}

static void test_change(void **state)
{
	struct memory_mm *mm = make_mm();
	struct pages *p = theirs(mm, VA, 2 * PAGE_SIZE);
	struct memory_change c;
	char byte = 1;

	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(asked, 1);
	memory_mm_change_begin(mm, &c, VA, PAGE_SIZE);
	assert_int_equal(revoked, 1);
	assert_int_equal(pa_write(memory, place_of(p), &byte, 1), -EFAULT);
	assert_int_equal(pa_write(memory, place_of(p) + PAGE_SIZE, &byte, 1), 0);
	memory_mm_change_end(mm, &c);
	pages_unpin(p, 0, 2 * PAGE_SIZE);
	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(asked, 2);
	assert_int_equal(pa_write(memory, place_of(p), &byte, 1), 0);
	pages_unpin(p, 0, 2 * PAGE_SIZE);
	pages_put(p);
	memory_mm_put(mm);
}

/* What is shared is held, and stays when the process has gone. */
static void test_shared(void **state)
{
	struct memory_mm *mm = make_mm();
	struct pages *p = theirs(mm, VA + sizeof(own) + PAGE_SIZE, PAGE_SIZE);
	char byte = 'x', got = 0;

	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_int_equal(memory_slot(memory, place_of(p))->kind, MEMORY_SHARED);
	memory_mm_gone(mm);
	memory_mm_put(mm);
	assert_int_equal(revoked, 0);
	assert_int_equal(pa_write(memory, place_of(p), &byte, 1), 0);
	assert_int_equal(pread(file, &got, 1, PAGE_SIZE), 1);
	assert_int_equal(got, 'x');
	/* Pinned once, it can be pinned again. */
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	pages_unpin(p, 0, PAGE_SIZE);
	assert_int_equal(released, 0);
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	assert_int_equal(released, 1);
}

/* A file that cannot be mapped here is used where it lies. */
static void test_unmappable(void **state)
{
	struct memory_mm *mm = make_mm();
	struct pages *p = theirs(mm, VA + sizeof(own), PAGE_SIZE);

	may_map = false;
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), -EFAULT); /* our mm_probe() knows only own[] */
	may_map = true;
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	memory_mm_put(mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_private, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two, setup, teardown),
		cmocka_unit_test_setup_teardown(test_registered_here, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmappable, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
