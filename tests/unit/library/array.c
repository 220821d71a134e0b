/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many ranges in one call: what is done, what stays when one fails, and that single calls would
 * have answered the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <ioas/abi/extensions.h>
#include <ioas/ioas.h>

#define PAGE 4096ul
#define N    100
#define BASE 0x10000000ul
#define RW   (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIX  (RW | IOMMU_IOAS_MAP_FIXED_IOVA)

struct bed {
	struct ioas_host *host;
	struct ioas_context *context;
	struct ioas_port *port;
	int fd;
	uint32_t ioas, done;
	char *memory;
	struct ioas_map_range r[N];
	const char *rule;
};

static void note(void *arg, const struct ioas_refusal *r)
{
	((struct bed *)arg)->rule = r->rule;
}

static int setup(void **state)
{
	static struct bed t;
	struct ioas_host_config cfg = {.ipc_lock = true, .refused = note, .arg = &t};
	uint32_t pt;

	t = (struct bed){0};
	assert_int_equal(ioas_host_create(&cfg, &t.host, NULL, 0), 0);
	assert_int_equal(ioas_port_create(t.host, 1, &t.port), 0);
	assert_int_equal(
		ioas_context_open(&(struct ioas_context_config){.host = t.host}, &t.context), 0);
	t.fd = ioas_context_file(t.context);
	assert_int_equal(ioas_create(t.context, &t.ioas), 0);
	pt = t.ioas;
	assert_int_equal(ioas_port_bind(t.port, t.fd, NULL), 0);
	assert_int_equal(ioas_port_attach(t.port, &pt), 0);
	t.memory = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned int i = 0; i < N; i++)
		t.r[i] = (struct ioas_map_range){t.memory + i * PAGE, PAGE, BASE + 2 * i * PAGE};
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct bed *t = *state;

	ioas_port_unbind(t->port);
	ioas_context_close(t->context);
	ioas_host_destroy(t->host);
	munmap(t->memory, N * PAGE);
	return 0;
}

static bool is_mapped(struct bed *t, uint64_t iova)
{
	char byte;
	bool mapped;

	ioas_port_begin(t->port);
	mapped = !ioas_port_read(t->port, iova, &byte, 1);
	ioas_port_end(t->port);
	return mapped;
}

static int map(struct bed *t, uint32_t flags, uint32_t n)
{
	t->done = 77;
	t->rule = NULL;
	return ioas_map_ranges(t->context, t->ioas, flags, t->r, n, &t->done);
}

static int unmap(struct bed *t, uint32_t n)
{
	t->done = 77;
	t->rule = NULL;
	return ioas_unmap_ranges(t->context, t->ioas, t->r, n, &t->done);
}

static void all_of_them(void **state)
{
	struct bed *t = *state;

	for (unsigned int i = 0; i < N; i++)
		t->memory[i * PAGE] = (char)i;
	assert_int_equal(map(t, FIX, N), 0);
	assert_int_equal(t->done, N);
	for (unsigned int i = 0; i < N; i++) {
		char byte = 0;

		ioas_port_begin(t->port);
		assert_int_equal(ioas_port_read(t->port, t->r[i].iova, &byte, 1), 0);
		ioas_port_end(t->port);
		assert_int_equal(byte, (char)i);
		assert_false(is_mapped(t, t->r[i].iova + PAGE));
	}
	assert_int_equal(unmap(t, N), 0);
	assert_int_equal(t->done, N);
	for (unsigned int i = 0; i < N; i++)
		assert_false(is_mapped(t, t->r[i].iova));
	assert_int_equal(map(t, FIX, 0), 0);
	assert_int_equal(t->done, 0);
}

static void chosen_places_come_back(void **state)
{
	struct bed *t = *state;

	for (unsigned int i = 0; i < N; i++)
		t->r[i].iova = 0;
	assert_int_equal(map(t, RW, N), 0);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_not_equal(t->r[i].iova, 0);
		assert_true(is_mapped(t, t->r[i].iova));
		t->r[i].length = PAGE;
	}
	/* The whole of them in one element. */
	t->r[0] = (struct ioas_map_range){NULL, UINT64_MAX, 0};
	assert_int_equal(unmap(t, 1), 0);
	assert_int_equal(t->r[0].length, N * PAGE);
}

/* Wherever it fails: before, at and behind the elements that are read together. */
static void what_was_done_stays(void **state)
{
	static const unsigned int places[] = {0, 1, 31, 32, 33, 63, 64, 99};
	struct bed *t = *state;

	for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
		unsigned int bad = places[k];
		uint64_t iova = t->r[bad].iova;

		t->r[bad].iova = iova + 1; /* MAP.11 */
		assert_int_equal(map(t, FIX, N), -EINVAL);
		assert_string_equal(t->rule, "MAP.11");
		assert_int_equal(t->done, bad);
		t->r[bad].iova = iova;
		for (unsigned int i = 0; i < N; i++)
			assert_int_equal(is_mapped(t, t->r[i].iova), i < bad);
		/* What was done is undone; the next one is not there. */
		assert_int_equal(unmap(t, bad + 1), -ENOENT);
		assert_int_equal(t->done, bad);
	}
}

static void bad_calls(void **state)
{
	struct bed *t = *state;
	struct iommu_ioas_array cmd = {.size = sizeof(cmd),
				       .flags = FIX,
				       .ioas_id = t->ioas,
				       .count = 1,
				       .ranges = (uintptr_t)t->r};
	struct iommu_ioas_array c;

#define refused(word, err, label, change)                                                          \
	do {                                                                                       \
		c = cmd;                                                                           \
		t->rule = "";                                                                      \
		change;                                                                            \
		assert_int_equal(ioas_ioctl(t->host, t->fd, word, (uintptr_t)&c), -(err));         \
		assert_string_equal(t->rule, label);                                               \
	} while (0)
	refused(IOMMU_IOAS_MAP_ARRAY, EOPNOTSUPP, "MAP.1", c.flags = 8);
	refused(IOMMU_IOAS_MAP_ARRAY, EOPNOTSUPP, "MAP.1", c.__reserved = 1);
	refused(IOMMU_IOAS_MAP_ARRAY, ENOENT, "ARR.3", c.ioas_id = 99);
	refused(IOMMU_IOAS_MAP_ARRAY, EINVAL, "MAP.3", c.flags = IOMMU_IOAS_MAP_FIXED_IOVA);
	refused(IOMMU_IOAS_MAP_ARRAY, EINVAL, "ENV.4", c.size -= 1);
	refused(IOMMU_IOAS_MAP_ARRAY | 0x10000, ENOTTY, "ENV.3", );
	refused(IOMMU_IOAS_UNMAP_ARRAY, EOPNOTSUPP, "ARR.1", );
	refused(IOMMU_IOAS_UNMAP_ARRAY, EOPNOTSUPP, "ARR.1", (c.flags = 0, c.__reserved = 1));
	refused(IOMMU_IOAS_UNMAP_ARRAY, ENOENT, "UNM.10", c.flags = 0);
	t->r[0].iova = UINT64_MAX;
	refused(IOMMU_IOAS_MAP_ARRAY, EOVERFLOW, "MAP.2", );
	t->r[0] = (struct ioas_map_range){(void *)(UINT64_MAX - PAGE), 2 * PAGE, BASE};
	refused(IOMMU_IOAS_MAP_ARRAY, EOVERFLOW, "MAP.5", );
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(chosen_places_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_done_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_calls, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
