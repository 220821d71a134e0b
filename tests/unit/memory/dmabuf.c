/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that its exporter takes back: what was made of it before never answers again. */
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

static struct dmabuf *make_dmabuf(uint64_t size)
{
	struct dmabuf *d;

	assert_int_equal(dmabuf_create(memory, size, &d), 0);
	return d;
}

static struct pages *make_dmabuf_pages(struct dmabuf *d, uint64_t start, uint64_t len)
{
	struct pages *p;

	assert_int_equal(pages_from_dmabuf(d, start, len, true, &p), 0);
	assert_true(pages_is_dmabuf(p));
	assert_false(pages_is_file(p));
	return p;
}

static void one_memory(void **state)
{
	struct dmabuf *d = make_dmabuf(4 * PAGE_SIZE);
	struct pages *all = make_dmabuf_pages(d, 0, 4 * PAGE_SIZE);
	struct pages *end = make_dmabuf_pages(d, 3 * PAGE_SIZE, PAGE_SIZE), *p;

	assert_int_equal(pages_from_dmabuf(d, 0, 4 * PAGE_SIZE + 1, true, &p), -EINVAL);
	assert_int_equal(pages_from_dmabuf(d, 4 * PAGE_SIZE, 1, true, &p), -EINVAL);
	dmabuf_put(d); /* the pages objects keep it */
	assert_int_equal(pages_pin(all, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(end, 0, PAGE_SIZE), 0);
	assert_pa_byte(memory, pa_of(all, 0), 0);
	assert_int_equal(pa_write(memory, pa_of(all, 3 * PAGE_SIZE), "x", 1), 0);
	assert_pa_byte(memory, pa_of(end, 0), 'x');
	pages_unpin(end, 0, PAGE_SIZE);
	pages_unpin(all, 0, 4 * PAGE_SIZE);
	pages_put(end);
	pages_put(all);
	assert_int_equal(revoked, 0);
}

static void taken_back(void **state)
{
	struct dmabuf *d = make_dmabuf(PAGE_SIZE);
	struct pages *pinned = make_dmabuf_pages(d, 0, PAGE_SIZE);
	struct pages *later = make_dmabuf_pages(d, 0, PAGE_SIZE), *again, *p;
	char byte;

	assert_int_equal(pages_pin(pinned, 0, PAGE_SIZE), 0);
	assert_int_equal(pa_write(memory, pa_of(pinned, 0), "x", 1), 0);
	dmabuf_revoke(d, true);
	assert_int_equal(revoked, 1);
	assert_int_equal(memory_slot(memory, pa_of(pinned, 0))->kind, MEMORY_GONE);
	assert_int_equal(pa_read(memory, pa_of(pinned, 0), &byte, 1), -EFAULT);
	assert_int_equal(pages_from_dmabuf(d, 0, PAGE_SIZE, true, &p), -ENODEV);
	/* Pins succeed, and lead nowhere. */
	assert_int_equal(pages_pin(later, 0, PAGE_SIZE), 0);
	assert_int_equal(pa_read(memory, pa_of(later, 0), &byte, 1), -EFAULT);

	dmabuf_revoke(d, false);
	assert_int_equal(pa_read(memory, pa_of(pinned, 0), &byte, 1), -EFAULT);
	assert_int_equal(pa_read(memory, pa_of(later, 0), &byte, 1), -EFAULT);
	again = make_dmabuf_pages(d, 0, PAGE_SIZE);
	assert_int_equal(pages_pin(again, 0, PAGE_SIZE), 0);
	assert_pa_byte(memory, pa_of(again, 0), 'x');
	/* The live one is taken back by any later call, whatever it says about new ones. */
	dmabuf_revoke(d, false);
	assert_int_equal(pa_read(memory, pa_of(again, 0), &byte, 1), -EFAULT);

	pages_unpin(pinned, 0, PAGE_SIZE);
	pages_unpin(later, 0, PAGE_SIZE);
	pages_unpin(again, 0, PAGE_SIZE);
	pages_put(pinned);
	pages_put(later);
	pages_put(again);
	dmabuf_put(d);
}

static void failures(void **state)
{
	struct dmabuf *d;
	struct pages *p;
	int rc;

	for (FAIL_SWEEP) {
		fail_nth(fail_i);
		rc = dmabuf_create(memory, PAGE_SIZE, &d);
		fail_more = fail_happened();
		assert_int_equal(rc, fail_more ? -ENOMEM : 0);
	}
	for (FAIL_SWEEP) {
		fail_nth(fail_i);
		rc = pages_from_dmabuf(d, 0, PAGE_SIZE, true, &p);
		fail_more = fail_happened();
		assert_int_equal(rc, fail_more ? -ENOMEM : 0);
	}
	pages_put(p);
	dmabuf_put(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_back, setup, teardown),
		cmocka_unit_test_setup_teardown(failures, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
