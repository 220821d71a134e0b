/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses: pointers to what is pinned, copies, and what happens when somebody unmaps it.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <ioas/ioas.h>

#define PAGE 4096ul
#define LEN  (16 * PAGE)
#define IOVA 0x10000000ul

struct bed {
	struct ioas_context *c;
	struct ioas_access *access;
	uint32_t ioas;
	char *memory;
	/* What unmap() does, and was told. */
	bool obedient;
	uint64_t pin, pin_len, asked, asked_len;
	unsigned int times;
};

static void unmap(void *arg, uint64_t iova, uint64_t length)
{
	struct bed *b = arg;

	b->asked = iova;
	b->asked_len = length;
	b->times++;
	if (b->obedient && b->pin_len) {
		assert_int_equal(ioas_access_unpin(b->access, b->pin, b->pin_len), 0);
		b->pin_len = 0;
	}
}

static int setup(void **state)
{
	static struct bed b;
	const struct ioas_access_config cfg = {.pins = true, .unmap = unmap, .arg = &b};
	uint64_t iova = IOVA;

	b = (struct bed){.obedient = true};
	assert_int_equal(ioas_context_open(NULL, &b.c), 0);
	assert_int_equal(ioas_create(b.c, &b.ioas), 0);
	assert_int_equal(ioas_access_create(b.c, &cfg, &b.access), 0);
	b.memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(b.memory, MAP_FAILED);
	assert_int_equal(ioas_map(b.c, b.ioas, b.memory, LEN, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova),
			 0);
	assert_int_equal(ioas_access_attach(b.access, b.ioas), 0);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	if (b->access)
		ioas_access_destroy(b->access);
	ioas_context_close(b->c);
	munmap(b->memory, LEN);
	return 0;
}

static int pin(struct bed *b, uint64_t iova, uint64_t length, uint32_t flags, struct iovec *vec,
	       unsigned int *n)
{
	int rc = ioas_access_pin(b->access, iova, length, flags, vec, n);

	if (!rc) {
		b->pin = iova;
		b->pin_len = length;
	}
	return rc;
}

static void pins_point_to_the_memory(void **state)
{
	struct bed *b = *state;
	struct iovec vec[4];
	unsigned int n = 4;

	assert_int_equal(pin(b, IOVA + PAGE, 3 * PAGE + 5, IOAS_ACCESS_WRITE, vec, &n), 0);
	assert_int_equal(n, 1);
	assert_ptr_equal(vec[0].iov_base, b->memory + PAGE);
	assert_int_equal(vec[0].iov_len, 3 * PAGE + 5);
	assert_int_equal(ioas_access_unpin(b->access, IOVA + PAGE, PAGE), -EINVAL);
	assert_int_equal(ioas_access_unpin(b->access, IOVA + PAGE, 3 * PAGE + 5), 0);
	assert_int_equal(ioas_access_unpin(b->access, IOVA + PAGE, 3 * PAGE + 5), -EINVAL);
	b->pin_len = 0;
}

/* Of a file that the process itself has not mapped, and of two areas that do not touch in memory.
 */
static void pieces_of_several_areas(void **state)
{
	struct bed *b = *state;
	int fd = memfd_create("guest", 0);
	uint64_t iova = IOVA + LEN;
	struct iovec vec[3];
	unsigned int n = 1;

	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(pwrite(fd, "from the file", 13, 2 * PAGE), 13);
	assert_int_equal(ioas_map_file(b->c, b->ioas, fd, 2 * PAGE, PAGE,
				       IOAS_MAP_READ | IOAS_MAP_FIXED, &iova),
			 0);
	close(fd);
	assert_int_equal(pin(b, IOVA + LEN - PAGE, 2 * PAGE, 0, vec, &n), -EMSGSIZE);
	assert_int_equal(n, 2);
	assert_int_equal(pin(b, IOVA + LEN - PAGE, 2 * PAGE, 0, vec, &n), 0);
	assert_ptr_equal(vec[0].iov_base, b->memory + LEN - PAGE);
	assert_memory_equal(vec[1].iov_base, "from the file", 13);
	n = 2;
	assert_int_equal(ioas_access_pin(b->access, IOVA + LEN, PAGE, IOAS_ACCESS_WRITE, vec, &n),
			 -EPERM);
	assert_int_equal(ioas_access_pin(b->access, IOVA + LEN, 2 * PAGE, 0, vec, &n), -ENOENT);
}

static void bad_pins(void **state)
{
	struct bed *b = *state;
	struct iovec vec[2];
	unsigned int n = 2;

	assert_int_equal(pin(b, IOVA, 0, 0, vec, &n), -EINVAL);
	assert_int_equal(pin(b, IOVA, UINT64_MAX, 0, vec, &n), -EOVERFLOW);
	assert_int_equal(pin(b, IOVA + 1, 1, 0, vec, &n), -EINVAL);
	assert_int_equal(pin(b, IOVA, 1, 2, vec, &n), -EOPNOTSUPP);
	ioas_access_detach(b->access);
	assert_int_equal(pin(b, IOVA, 1, 0, vec, &n), -ENOENT);
	assert_int_equal(ioas_access_read(b->access, IOVA, vec, 1), -ENOENT);
	assert_int_equal(ioas_access_replace(b->access, b->ioas), -ENOENT);
	assert_int_equal(ioas_access_attach(b->access, 99), -ENOENT);
}

static void unmapping_asks(void **state)
{
	struct bed *b = *state;
	struct iovec vec[2];
	unsigned int n = 2;
	uint64_t bytes;

	assert_int_equal(pin(b, IOVA + PAGE, PAGE, 0, vec, &n), 0);
	assert_int_equal(ioas_unmap(b->c, b->ioas, IOVA, LEN, &bytes), 0);
	assert_int_equal(bytes, LEN);
	assert_int_equal(b->times, 1);
	assert_int_equal(b->asked, IOVA);
	assert_int_equal(b->asked_len, LEN);
	assert_int_equal(ioas_access_pin(b->access, IOVA, PAGE, 0, vec, &n), -ENOENT);
}

/* One that does not unpin is asked a while, and then the unmap gives up. */
static void who_does_not_unpin(void **state)
{
	struct bed *b = *state;
	struct iovec vec[2];
	unsigned int n = 2;

	b->obedient = false;
	assert_int_equal(pin(b, IOVA, PAGE, 0, vec, &n), 0);
	assert_int_equal(ioas_unmap(b->c, b->ioas, IOVA, LEN, NULL), -EDEADLK);
	assert_true(b->times > 1);
	memcpy(vec[0].iov_base, "still", 5);
	assert_memory_equal(b->memory, "still", 5);
	assert_int_equal(ioas_access_unpin(b->access, IOVA, PAGE), 0);
	b->pin_len = 0;
	assert_int_equal(ioas_unmap(b->c, b->ioas, IOVA, LEN, NULL), 0);
}

static void moving_asks(void **state)
{
	struct bed *b = *state;
	struct iovec vec[2];
	unsigned int n = 2;
	uint32_t other;

	assert_int_equal(ioas_create(b->c, &other), 0);
	assert_int_equal(pin(b, IOVA, PAGE, 0, vec, &n), 0);
	assert_int_equal(ioas_access_attach(b->access, other), -EINVAL);
	assert_int_equal(ioas_access_replace(b->access, other), 0);
	assert_int_equal(b->pin_len, 0);
	assert_int_equal(b->asked_len, UINT64_MAX);
	assert_int_equal(ioas_destroy(b->c, other), -EBUSY);
	assert_int_equal(ioas_destroy(b->c, ioas_access_id(b->access)), -EBUSY);
	assert_int_equal(ioas_access_replace(b->access, b->ioas), 0);
	assert_int_equal(ioas_destroy(b->c, other), 0);
}

static void copies(void **state)
{
	struct bed *b = *state;
	char buf[3 * PAGE];
	uint64_t iova = IOVA + LEN;

	assert_int_equal(ioas_access_write(b->access, IOVA + PAGE - 3, "across", 6), 0);
	assert_memory_equal(b->memory + PAGE - 3, "across", 6);
	memset(b->memory + LEN - PAGE, 'e', PAGE);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(ioas_access_read(b->access, IOVA + LEN - PAGE, buf, 2 * PAGE), -ENOENT);
	assert_int_equal(buf[PAGE - 1], 'e');
	assert_int_equal(buf[PAGE], 0);
	assert_int_equal(
		ioas_map(b->c, b->ioas, b->memory, PAGE, IOAS_MAP_READ | IOAS_MAP_FIXED, &iova), 0);
	assert_int_equal(ioas_access_write(b->access, iova, "x", 1), -EPERM);
	assert_int_equal(ioas_access_read(b->access, iova, buf, 0), -EINVAL);
	assert_int_equal(ioas_access_read(b->access, UINT64_MAX, buf, 2), -EOVERFLOW);
	assert_int_equal(ioas_access_read(b->access, iova, buf, PAGE), 0);
}

/* Others map what begins within a page only while no access pins. */
static void who_pins_wants_whole_pages(void **state)
{
	struct bed *b = *state;
	struct ioas_access_config cfg = {0};
	struct ioas_access *copier;
	uint64_t iova = IOVA + LEN + 512;
	struct iovec vec;
	unsigned int n = 1;

	assert_int_equal(ioas_map(b->c, b->ioas, b->memory + 512, 512,
				  IOAS_MAP_READ | IOAS_MAP_FIXED, &iova),
			 -EINVAL);
	ioas_access_detach(b->access);
	assert_int_equal(ioas_map(b->c, b->ioas, b->memory + 512, 512,
				  IOAS_MAP_READ | IOAS_MAP_FIXED, &iova),
			 0);
	assert_int_equal(ioas_access_attach(b->access, b->ioas), -EADDRINUSE);
	assert_int_equal(ioas_access_create(b->c, &cfg, &copier), 0);
	assert_int_equal(ioas_access_attach(copier, b->ioas), 0);
	assert_int_equal(ioas_access_pin(copier, IOVA, PAGE, 0, &vec, &n), -EINVAL);
	assert_int_equal(ioas_access_read(copier, iova, &n, sizeof(n)), 0);
	ioas_access_destroy(copier);
	cfg.pins = true;
	assert_int_equal(ioas_access_create(b->c, &cfg, &copier), -EINVAL);
}

/* One thread pins and writes, another unmaps and maps again: what is written never goes astray. */
struct racer {
	struct bed *b;
	bool stop;
	pthread_mutex_t lock; /* bed.pin_len: pinned, so to be unpinned once */
};
static struct racer race;

static void let_go(void *arg, uint64_t iova, uint64_t length)
{
	struct bed *b = arg;

	pthread_mutex_lock(&race.lock);
	if (b->pin_len)
		ioas_access_unpin(b->access, b->pin, b->pin_len);
	b->pin_len = 0;
	pthread_mutex_unlock(&race.lock);
}

static void *pin_and_write(void *arg)
{
	struct bed *b = race.b;
	struct iovec vec;

	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		unsigned int n = 1;

		pthread_mutex_lock(&race.lock);
		if (!pin(b, IOVA, PAGE, IOAS_ACCESS_WRITE, &vec, &n))
			memset(vec.iov_base, 0x5a, vec.iov_len);
		pthread_mutex_unlock(&race.lock);
		let_go(b, 0, 0);
	}
	return NULL;
}

static void unmapping_races_pinning(void **state)
{
	struct bed *b = *state;
	const struct ioas_access_config cfg = {.pins = true, .unmap = let_go, .arg = b};
	uint64_t iova = IOVA;
	pthread_t thread;

	ioas_access_destroy(b->access);
	assert_int_equal(ioas_access_create(b->c, &cfg, &b->access), 0);
	assert_int_equal(ioas_access_attach(b->access, b->ioas), 0);
	race = (struct racer){.b = b, .lock = PTHREAD_MUTEX_INITIALIZER};
	assert_int_equal(pthread_create(&thread, NULL, pin_and_write, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(ioas_unmap(b->c, b->ioas, IOVA, LEN, NULL), 0);
		assert_int_equal(ioas_map(b->c, b->ioas, b->memory, LEN,
					  IOAS_MAP_RW | IOAS_MAP_FIXED, &iova),
				 0);
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pins_point_to_the_memory),
		TEST(pieces_of_several_areas),
		TEST(bad_pins),
		TEST(unmapping_asks),
		TEST(who_does_not_unpin),
		TEST(moving_asks),
		TEST(copies),
		TEST(who_pins_wants_whole_pages),
		TEST(unmapping_races_pinning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
