/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory and files: what was pinned outlives the program's mapping of it. */
#include "common.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "memory/private.h"

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

static int make_memfd(uint64_t len)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static void file_byte(int fd, uint64_t offset, char want)
{
	char got;

	assert_int_equal(pread(fd, &got, 1, (off_t)offset), 1);
	assert_int_equal(got, want);
}

static struct pages *from_file(int fd, uint64_t start, uint64_t len, bool writable)
{
	struct pages *p;

	assert_int_equal(pages_from_file(memory, NULL, fcntl(fd, F_DUPFD_CLOEXEC, 0), start, len,
					 writable, &p),
			 0);
	return p;
}

static void program_unmaps(char *va, uint64_t len)
{
	struct memory_change c;

	memory_change_begin(memory, &c, (uintptr_t)va, len);
	munmap(va, len);
	memory_change_end(memory, &c);
}

static void shared_memory_survives_munmap(void **state)
{
	char *va = map_anon(8 * PAGE_SIZE, MAP_SHARED);
	struct pages *p = make_pages(memory, va, 8 * PAGE_SIZE, true);
	uint64_t pa;

	memset(va, 's', 8 * PAGE_SIZE);
	assert_int_equal(pages_pin(p, 0, 8 * PAGE_SIZE), 0);
	pa = pa_of(p, 0);
	assert_int_equal(memory_slot(memory, pa)->kind, MEMORY_SHARED);
	assert_int_equal(pa & MEMORY_SLOT_MASK, (uintptr_t)va & MEMORY_SLOT_MASK);
	assert_int_equal(pa_write(memory, pa + 3, "w", 1), 0);
	assert_int_equal(va[3], 'w');
	program_unmaps(va, 8 * PAGE_SIZE);
	assert_int_equal(revoked, 0);
	assert_pa_byte(memory, pa + 3, 'w');
	assert_pa_byte(memory, pa + 8 * PAGE_SIZE - 1, 's');
	assert_int_equal(memory_nr_slots(memory), 1);
	pages_unpin(p, 0, 8 * PAGE_SIZE);
	assert_int_equal(memory_nr_slots(memory), 0);
	pages_put(p);
}

/* MAP_FIXED over pinned shared memory: the old pin shows the old memory, a new one the new. */
static void shared_memory_replaced(void **state)
{
	char *va = map_anon(4 * PAGE_SIZE, MAP_SHARED);
	struct pages *old = make_pages(memory, va, 4 * PAGE_SIZE, true),
		     *new = make_pages(memory, va, 4 * PAGE_SIZE, true);
	struct memory_change c;

	memset(va, 'o', 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(old, 0, 4 * PAGE_SIZE), 0);
	memory_change_begin(memory, &c, (uintptr_t)va, 4 * PAGE_SIZE);
	assert_ptr_equal(mmap(va, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 va);
	memory_change_end(memory, &c);
	memset(va, 'n', 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(new, 0, 4 * PAGE_SIZE), 0);
	assert_pa_byte(memory, pa_of(old, PAGE_SIZE), 'o');
	assert_pa_byte(memory, pa_of(new, PAGE_SIZE), 'n');
	pages_unpin(old, 0, 4 * PAGE_SIZE);
	assert_pa_byte(memory, pa_of(new, PAGE_SIZE), 'n');
	pages_unpin(new, 0, 4 * PAGE_SIZE);
	pages_put(old);
	pages_put(new);
	program_unmaps(va, 4 * PAGE_SIZE);
	assert_int_equal(memory_nr_slots(memory), 0);
}

/* Two parts of one file side by side are two origins: each shows its own bytes. */
static void one_file_mapped_twice(void **state)
{
	int fd = make_memfd(8 * PAGE_SIZE);
	char *va = map_anon(4 * PAGE_SIZE, MAP_SHARED);
	struct pages *p = make_pages(memory, va, 4 * PAGE_SIZE, true);

	mmap(va, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 6 * PAGE_SIZE);
	mmap(va + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
	     0);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(memory_nr_slots(memory), 2);
	assert_int_equal(pa_write(memory, pa_of(p, PAGE_SIZE), "a", 1), 0);
	assert_int_equal(pa_write(memory, pa_of(p, 2 * PAGE_SIZE), "b", 1), 0);
	file_byte(fd, 7 * PAGE_SIZE, 'a');
	file_byte(fd, 0, 'b');
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	pages_put(p);
	program_unmaps(va, 4 * PAGE_SIZE);
	close(fd);
}

/* A duplicate that nothing pins does not keep the file's memory when the program has let go of it.
 */
static void idle_duplicates_go_with_the_mapping(void **state)
{
	int fd = make_memfd(4 * PAGE_SIZE);
	char *va = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct pages *p = make_pages(memory, va, 4 * PAGE_SIZE, true);

	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	assert_int_equal(memory_nr_slots(memory), 1);
	program_unmaps(va, 4 * PAGE_SIZE);
	assert_int_equal(memory_nr_slots(memory), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	pages_put(p);
	close(fd);
}

static void shared_memory_protection(void **state)
{
	int fd = make_memfd(2 * PAGE_SIZE);
	char *va = mmap(NULL, 2 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	struct pages *ro = make_pages(memory, va, 2 * PAGE_SIZE, false),
		     *rw = make_pages(memory, va, 2 * PAGE_SIZE, true);

	assert_int_equal(pages_pin(rw, 0, 2 * PAGE_SIZE), -EFAULT);
	assert_int_equal(pages_pin(ro, 0, 2 * PAGE_SIZE), 0);
	mprotect(va, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	memory_va_protected(memory, (uintptr_t)va, 2 * PAGE_SIZE);
	assert_int_equal(pages_pin(rw, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(pa_write(memory, pa_of(rw, 5), "w", 1), 0);
	assert_pa_byte(memory, pa_of(ro, 5), 'w');
	pages_unpin(ro, 0, 2 * PAGE_SIZE);
	pages_unpin(rw, 0, 2 * PAGE_SIZE);
	/* Pinned memory stays writable for devices whatever the program does to its own mapping. */
	assert_int_equal(pages_pin(rw, 0, 2 * PAGE_SIZE), 0);
	mprotect(va, 2 * PAGE_SIZE, PROT_NONE);
	memory_va_protected(memory, (uintptr_t)va, 2 * PAGE_SIZE);
	assert_int_equal(pa_write(memory, pa_of(rw, 5), "x", 1), 0);
	file_byte(fd, 5, 'x');
	assert_int_equal(pages_pin(ro, 0, 2 * PAGE_SIZE), -EFAULT);
	pages_unpin(rw, 0, 2 * PAGE_SIZE);
	pages_put(ro);
	pages_put(rw);
	munmap(va, 2 * PAGE_SIZE);
	close(fd);
}

/* DMA behind the end of a file that became shorter is a fault, not a signal. */
static void a_file_that_shrinks(void **state)
{
	int fd = make_memfd(4 * PAGE_SIZE);
	char *va = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), byte;
	struct pages *p = make_pages(memory, va, 4 * PAGE_SIZE, true),
		     *f = from_file(fd, 0, 4 * PAGE_SIZE, true);

	memset(va, 'f', 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(f, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(ftruncate(fd, 2 * PAGE_SIZE), 0);
	assert_pa_byte(memory, pa_of(p, PAGE_SIZE), 'f');
	assert_pa_byte(memory, pa_of(f, PAGE_SIZE), 'f');
	assert_int_equal(pa_read(memory, pa_of(p, 2 * PAGE_SIZE), &byte, 1), -EFAULT);
	assert_int_equal(pa_read(memory, pa_of(f, 2 * PAGE_SIZE), &byte, 1), -EFAULT);
	assert_int_equal(pa_write(memory, pa_of(f, 3 * PAGE_SIZE), "x", 1), -EFAULT);
	/* A new pin looks at the file as it is, though it is mapped as it was. */
	assert_int_equal(pages_pin(f, 0, 4 * PAGE_SIZE), -EINVAL);
	assert_int_equal(pages_pin(f, 0, 2 * PAGE_SIZE), 0);
	pages_unpin(f, 0, 2 * PAGE_SIZE);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	pages_unpin(f, 0, 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(f, 0, 4 * PAGE_SIZE), -EINVAL);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), -EFAULT);
	pages_put(p);
	pages_put(f);
	program_unmaps(va, 4 * PAGE_SIZE);
	close(fd);
}

static void file_memory(void **state)
{
	int fd = make_memfd(GiB + 4 * PAGE_SIZE);
	struct pages *p = from_file(fd, GiB - 2 * PAGE_SIZE, 4 * PAGE_SIZE, true),
		     *q = from_file(fd, GiB, 2 * PAGE_SIZE, false);
	uint64_t run, pa;

	assert_true(pages_is_file(p));
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	pa = pages_pa(p, 10, &run);
	assert_int_equal(pa & MEMORY_SLOT_MASK, GiB - 2 * PAGE_SIZE + 10);
	assert_int_equal(run, 2 * PAGE_SIZE - 10);
	assert_int_equal(memory_slot(memory, pa)->kind, MEMORY_FILE);
	assert_int_equal(pa_write(memory, pa, "w", 1), 0);
	file_byte(fd, GiB - 2 * PAGE_SIZE + 10, 'w');
	/* Another object of the same file shares the slot. */
	assert_int_equal(pages_pin(q, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(pa_of(q, 0), pa_of(p, 2 * PAGE_SIZE));
	assert_int_equal(memory_nr_slots(memory), 2);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	assert_int_equal(memory_nr_slots(memory), 1);
	/* Pinned memory cannot be sealed; what is not pinned is let go at once. */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	pages_unpin(q, 0, 2 * PAGE_SIZE);
	assert_int_equal(memory_nr_slots(memory), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	pages_put(p);
	pages_put(q);
	close(fd);
}

/* Quirk Q26: neither the open mode nor a seal keeps a file from being mapped writable. */
static void open_mode_and_seals_are_not_looked_at(void **state)
{
	int fd = make_memfd(2 * PAGE_SIZE), ro;
	struct pages *p, *q;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	p = from_file(ro, 0, 2 * PAGE_SIZE, true);
	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), 0);
	assert_int_equal(pa_write(memory, pa_of(p, 0), "w", 1), 0);
	file_byte(fd, 0, 'w');
	pages_unpin(p, 0, 2 * PAGE_SIZE);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	q = from_file(fd, 0, 2 * PAGE_SIZE, true);
	assert_int_equal(pages_pin(q, 0, 2 * PAGE_SIZE), 0);
	assert_pa_byte(memory, pa_of(q, 0), 'w');
	assert_int_equal(pa_write(memory, pa_of(q, 0), "x", 1), -EFAULT);
	pages_unpin(q, 0, 2 * PAGE_SIZE);
	pages_put(p);
	pages_put(q);
	close(ro);
	close(fd);
}

static void files_that_cannot_be_pinned(void **state)
{
	char template[] = "/var/tmp/ioas-test-XXXXXX";
	int fd = make_memfd(2 * PAGE_SIZE), disk = mkstemp(template);
	int others[] = {disk, eventfd(0, 0), open("/", O_RDONLY), open("/dev/zero", O_RDWR),
			open("/dev/shm", O_RDONLY)};
	struct pages *p;

	unlink(template);
	assert_int_equal(ftruncate(disk, 2 * PAGE_SIZE), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		p = from_file(others[i], 0, PAGE_SIZE, false);
		assert_int_equal(pages_pin(p, 0, PAGE_SIZE), -EINVAL);
		pages_put(p);
		close(others[i]);
	}
	p = from_file(fd, PAGE_SIZE, 2 * PAGE_SIZE, true); /* ends behind the file */
	assert_int_equal(pages_pin(p, 0, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	p = from_file(fd, 8 * PAGE_SIZE, PAGE_SIZE, true);
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), -EINVAL);
	pages_put(p);
	close(fd);
}

/* A file that grew: the rest of it is mapped beside what is there. */
static void a_file_that_grows(void **state)
{
	int fd = make_memfd(PAGE_SIZE);
	struct pages *p = from_file(fd, 0, PAGE_SIZE, true),
		     *q = from_file(fd, PAGE_SIZE, 3 * PAGE_SIZE, true);

	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_int_equal(ftruncate(fd, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(q, 0, 3 * PAGE_SIZE), 0);
	assert_int_equal(pa_write(memory, pa_of(q, 2 * PAGE_SIZE), "g", 1), 0);
	file_byte(fd, 3 * PAGE_SIZE, 'g');
	assert_int_equal(pa_write(memory, pa_of(p, 0), "h", 1), 0);
	file_byte(fd, 0, 'h');
	pages_unpin(p, 0, PAGE_SIZE);
	pages_unpin(q, 0, 3 * PAGE_SIZE);
	pages_put(p);
	pages_put(q);
	close(fd);
}

/* Shared memory that cannot be duplicated is treated as private: it goes stale. */
static void shared_memory_that_cannot_be_held(void **state)
{
	char *va = map_anon(PAGE_SIZE, MAP_SHARED);
	struct pages *p = make_pages(memory, va, PAGE_SIZE, true);
	int rc = -1;

	for (unsigned long n = 1;
	     n < 20 && (rc || memory_slot(memory, pa_of(p, 0))->kind != MEMORY_PRIVATE); n++) {
		if (!rc)
			pages_unpin(p, 0, PAGE_SIZE);
		memory_va_changed(memory, (uintptr_t)va, PAGE_SIZE);
		fail_nth(n);
		rc = pages_pin(p, 0, PAGE_SIZE);
		fail_happened();
	}
	assert_int_equal(rc, 0);
	assert_int_equal(memory_slot(memory, pa_of(p, 0))->kind, MEMORY_PRIVATE);
	va[0] = 'v';
	assert_pa_byte(memory, pa_of(p, 0), 'v');
	memory_va_changed(memory, (uintptr_t)va, PAGE_SIZE);
	assert_true(memory_stale(memory, pa_of(p, 0), 1));
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	munmap(va, PAGE_SIZE);
}

static void every_allocation_may_fail(void **state)
{
	int fd = make_memfd(GiB + 2 * PAGE_SIZE);
	unsigned int failures = 0;

	for (FAIL_SWEEP) {
		struct pages *p = from_file(fd, GiB - PAGE_SIZE, 2 * PAGE_SIZE, true);
		int rc;

		fail_nth(fail_i);
		rc = pages_pin(p, 0, 2 * PAGE_SIZE);
		fail_more = fail_happened();
		failures += !!rc;
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_false(pages_is_pinned(p));
			assert_int_equal(memory_nr_slots(memory), 0);
		} else {
			pages_unpin(p, 0, 2 * PAGE_SIZE);
		}
		pages_put(p);
	}
	assert_true(failures >= 4);
	close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(shared_memory_survives_munmap),
		T(shared_memory_replaced),
		T(one_file_mapped_twice),
		T(idle_duplicates_go_with_the_mapping),
		T(shared_memory_protection),
		T(a_file_that_shrinks),
		T(file_memory),
		T(open_mode_and_seals_are_not_looked_at),
		T(files_that_cannot_be_pinned),
		T(a_file_that_grows),
		T(shared_memory_that_cannot_be_held),
		T(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
