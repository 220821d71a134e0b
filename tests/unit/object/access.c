/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access objects (semantics 8): pins that follow the rules ACC.1 to ACC.11, what an unmap asks of
 * them, and copies.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bed.h"

#define HALF (BED_IOVA + BED_LEN / 2)

/* An owner with one pin, which it lets go of when it is asked, unless it is stubborn. */
struct owner {
	struct access *access;
	uint64_t iova, length; /* 0: nothing is pinned */
	bool stubborn;
	unsigned int asked;
	uint64_t asked_iova, asked_length;
};

static void let_go(void *arg, uint64_t iova, uint64_t length)
{
	struct owner *o = arg;

	o->asked++;
	o->asked_iova = iova;
	o->asked_length = length;
	if (!o->length || o->stubborn)
		return;
	assert_int_equal(access_unpin(o->access, o->iova, o->length), 0);
	o->length = 0;
}

static const struct access_ops pinning = {.needs_pin = true, .unmap = let_go};
static const struct access_ops copying = {.unmap = let_go};

static void owner_begin(struct bed *b, struct owner *o, const struct access_ops *ops)
{
	*o = (struct owner){0};
	assert_int_equal(access_create(b->ctx, ops, o, &o->access, NULL), 0);
	assert_int_equal(access_attach(o->access, b->ioas->obj.id), 0);
}

static int pin(struct owner *o, uint64_t iova, uint64_t length, bool write)
{
	uint64_t pas[BED_PAGES + 2];
	int rc = access_pin(o->access, iova, length, pas, write);

	if (!rc) {
		o->iova = iova;
		o->length = length;
	}
	return rc;
}

static int unmap(struct bed *b, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	return space_unmap(b->ioas->space, iova, length, unmapped);
}

static void test_attach(void **state)
{
	struct owner o;
	struct ioas *other;
	uint32_t id;
	struct bed b;

	bed_create(&b);
	other = bed_ioas(&b);
	o = (struct owner){0};
	assert_int_equal(access_create(b.ctx, &pinning, &o, &o.access, &id), 0);
	assert_int_equal(bed_kill(&b, id), -EBUSY); /* DEST.3 */
	assert_int_equal(access_replace(o.access, b.ioas->obj.id), -ENOENT);
	assert_int_equal(pin(&o, BED_IOVA, 0, false), -EINVAL);
	assert_int_equal(pin(&o, BED_IOVA, 4096, false), -ENOENT);
	assert_int_equal(access_attach(o.access, 999), -ENOENT);
	assert_int_equal(access_attach(o.access, b.ioas->obj.id), 0);
	assert_int_equal(access_attach(o.access, b.ioas->obj.id), -EINVAL);
	assert_int_equal(bed_kill(&b, b.ioas->obj.id), -EBUSY);
	assert_int_equal(pin(&o, BED_IOVA, 4096, true), 0);
	assert_int_equal(access_replace(o.access, b.ioas->obj.id), 0); /* the same */
	assert_int_equal(o.asked, 0);
	assert_int_equal(access_replace(o.access, other->obj.id), 0);
	assert_int_equal(o.asked, 1);
	assert_int_equal(o.asked_iova, 0);
	assert_int_equal(o.asked_length, UINT64_MAX);
	assert_int_equal(o.length, 0);
	assert_int_equal(pin(&o, BED_IOVA, 4096, true), -ENOENT);
	assert_int_equal(bed_kill(&b, other->obj.id), -EBUSY);
	assert_int_equal(bed_kill(&b, b.ioas->obj.id), 0);
	access_destroy(o.access);
	assert_int_equal(bed_kill(&b, other->obj.id), 0);
	bed_destroy(&b);
}

static void test_pin_rules(void **state)
{
	static char page[8192] __attribute__((aligned(4096)));
	struct owner o;
	uint64_t unmapped;
	struct bed b;

	bed_create(&b);
	owner_begin(&b, &o, &pinning);
	bed_map(&b, b.ioas, 0x100000, page, 4096, SPACE_READ);
	assert_int_equal(pin(&o, 0, 0, false), -EINVAL); /* ACC.3 */
	assert_int_equal(pin(&o, UINT64_MAX, 2, false), -EOVERFLOW);
	assert_int_equal(pin(&o, BED_IOVA + 8, 16, false), -EINVAL); /* ACC.4 */
	assert_int_equal(pin(&o, 0x100000, 4096, true), -EPERM);     /* ACC.5 */
	assert_int_equal(pin(&o, 0x100008, 8, true), -EINVAL);	     /* 4 before 5 */
	assert_int_equal(pin(&o, 0x200000, 8, false), -ENOENT);	     /* ACC.6 */
	assert_int_equal(pin(&o, BED_IOVA + BED_LEN - 4096, 4097, false), -ENOENT);
	/* What was pinned before the hole is pinned no more. */
	assert_int_equal(unmap(&b, HALF, BED_LEN / 2, &unmapped), 0);
	assert_int_equal(o.asked, 0);
	bed_map(&b, b.ioas, HALF, b.mem + BED_LEN / 2, BED_LEN / 2, SPACE_READ);
	assert_int_equal(pin(&o, BED_IOVA, BED_LEN, true), -EPERM); /* of the second area */
	assert_int_equal(pin(&o, BED_IOVA + 4096, BED_LEN - 4096 - 100, false), 0);
	assert_int_equal(access_unpin(o.access, BED_IOVA + 4096, BED_LEN - 4096),
			 -EINVAL); /* ACC.8 */
	assert_int_equal(access_unpin(o.access, BED_IOVA, BED_LEN), -EINVAL);
	assert_int_equal(access_unpin(o.access, BED_IOVA + 4096, BED_LEN - 4096 - 100), 0);
	assert_int_equal(access_unpin(o.access, BED_IOVA + 4096, BED_LEN - 4096 - 100), -EINVAL);
	o.length = 0;
	/* Twice the same, and one that overlaps: each is undone by itself. */
	for (int n = 0; n < 2; n++)
		assert_int_equal(pin(&o, BED_IOVA, 8192, false), 0);
	assert_int_equal(pin(&o, BED_IOVA, 4096, false), 0);
	assert_int_equal(access_unpin(o.access, BED_IOVA, 8192), 0);
	assert_int_equal(access_unpin(o.access, BED_IOVA, 4096), 0);
	assert_int_equal(access_unpin(o.access, BED_IOVA, 4096), -EINVAL);
	assert_int_equal(access_unpin(o.access, BED_IOVA, 8192), 0);
	o.length = 0;
	access_destroy(o.access);
	bed_destroy(&b);
}

/* The PAs are those that a device would reach. */
static void test_pas(void **state)
{
	uint64_t pas[BED_PAGES];
	struct pt_leaf leaf;
	struct owner o;
	struct hwpt *hwpt;
	struct bed b;

	bed_create(&b);
	hwpt = bed_paging(&b, 0, 0);
	owner_begin(&b, &o, &pinning);
	assert_int_equal(access_pin(o.access, BED_IOVA, BED_LEN, pas, true), 0);
	for (int n = 0; n < BED_PAGES; n++) {
		assert_int_equal(
			pt_translate(domain_pt(hwpt->domain), BED_IOVA + n * 4096ull, &leaf), 0);
		assert_int_equal(pas[n], leaf.pa);
	}
	assert_int_equal(access_unpin(o.access, BED_IOVA, BED_LEN), 0);
	access_destroy(o.access);
	bed_destroy(&b);
}

/* Unmapping asks for each area that is pinned, and only for those; what lies before it goes at
 * once. */
static void test_unmap_asks(void **state)
{
	uint64_t unmapped;
	struct owner o, copier;
	struct bed b;

	bed_create(&b);
	owner_begin(&b, &o, &pinning);
	owner_begin(&b, &copier, &copying);
	assert_int_equal(pin(&o, HALF, 4096, true), 0);
	assert_int_equal(unmap(&b, BED_IOVA, BED_LEN, &unmapped), 0);
	assert_int_equal(unmapped, BED_LEN);
	assert_int_equal(o.asked, 1);
	assert_int_equal(o.asked_iova, HALF);
	assert_int_equal(o.asked_length, BED_LEN / 2);
	assert_int_equal(copier.asked, 1); /* everybody but the internal ones is asked */
	assert_int_equal(o.length, 0);
	bed_map(&b, b.ioas, HALF, b.mem, 4096, SPACE_READ);
	assert_int_equal(pin(&o, HALF, 1, false), 0);
	assert_int_equal(access_unpin(o.access, HALF, 1), 0);
	o.length = 0;
	access_destroy(o.access);
	access_destroy(copier.access);
	bed_destroy(&b);
}

/* UNM.9. The area stays, and lets nobody pin it any more. */
static void test_unmap_gives_up(void **state)
{
	uint64_t unmapped;
	struct owner o;
	char byte;
	struct bed b;

	bed_create(&b);
	owner_begin(&b, &o, &pinning);
	assert_int_equal(pin(&o, HALF, 4096, false), 0);
	o.stubborn = true;
	assert_int_equal(unmap(&b, BED_IOVA, BED_LEN, &unmapped), -EDEADLOCK);
	assert_int_equal(unmapped, BED_LEN / 2);
	assert_in_range(o.asked, 100, 101);
	assert_int_equal(access_pin(o.access, HALF + 4096, 4096, &(uint64_t){0}, false), -EINVAL);
	assert_int_equal(access_rw(o.access, HALF, &byte, 1, 0), -EINVAL);
	o.stubborn = false;
	assert_int_equal(unmap(&b, BED_IOVA, BED_LEN, &unmapped), 0);
	assert_int_equal(unmapped, BED_LEN / 2);
	access_destroy(o.access);
	bed_destroy(&b);
}

/* An access that pins raises the alignment of the IOAS to the page, one that only copies does not.
 */
static void test_alignment(void **state)
{
	static char page[4096] __attribute__((aligned(4096)));
	struct owner o, copier;
	uint64_t align, unmapped;
	struct space_range r;
	struct bed b;

	bed_create(&b);
	owner_begin(&b, &copier, &copying);
	bed_map(&b, b.ioas, 0x5001, page + 1, 3, SPACE_READ);
	space_iova_ranges(b.ioas->space, &r, 1, &align);
	assert_int_equal(align, 1);
	o = (struct owner){0};
	assert_int_equal(access_create(b.ctx, &pinning, &o, &o.access, NULL), 0);
	assert_int_equal(access_attach(o.access, b.ioas->obj.id), -EADDRINUSE);
	assert_int_equal(unmap(&b, 0x5001, 3, &unmapped), 0);
	assert_int_equal(access_attach(o.access, b.ioas->obj.id), 0);
	space_iova_ranges(b.ioas->space, &r, 1, &align);
	assert_int_equal(align, 4096);
	access_destroy(o.access);
	space_iova_ranges(b.ioas->space, &r, 1, &align);
	assert_int_equal(align, 1);
	access_destroy(copier.access);
	bed_destroy(&b);
}

static void test_rw(void **state)
{
	static const unsigned int ways[] = {0, ACCESS_SLOW};
	struct owner o;
	char *buf = malloc(BED_LEN);
	uint64_t unmapped;
	struct bed b;

	bed_create(&b);
	owner_begin(&b, &o, &copying);
	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		assert_int_equal(access_rw(o.access, BED_IOVA, buf, 0, ways[w]),
				 -EINVAL); /* ACC.9 */
		assert_int_equal(access_rw(o.access, UINT64_MAX, buf, 2, ways[w]), -EOVERFLOW);
		assert_int_equal(access_rw(o.access, BED_IOVA, buf, BED_LEN, ways[w]), 0);
		assert_memory_equal(buf, b.mem, BED_LEN);
		memset(buf, (int)w + 1, BED_LEN);
		assert_int_equal(access_rw(o.access, HALF - 77, buf, 200, ways[w] | ACCESS_WRITE),
				 0);
		assert_memory_equal(b.mem + BED_LEN / 2 - 77, buf, 200);
		/* ACC.10: what lies before the hole has moved. */
		assert_int_equal(access_rw(o.access, BED_IOVA + BED_LEN - 10, buf, 11,
					   ways[w] | ACCESS_WRITE),
				 -ENOENT);
		assert_memory_equal(b.mem + BED_LEN - 10, buf, 10);
	}
	/* ACC.11. */
	assert_int_equal(munmap(b.mem, 4096), 0);
	assert_int_equal(access_rw(o.access, BED_IOVA, buf, 8, 0), -EFAULT);
	assert_int_equal(access_rw(o.access, BED_IOVA, buf, 8, ACCESS_SLOW), -EFAULT);
	assert_int_equal(unmap(&b, HALF, BED_LEN / 2, &unmapped), 0);
	bed_map(&b, b.ioas, HALF, b.mem + BED_LEN / 2, BED_LEN / 2, SPACE_READ);
	assert_int_equal(access_rw(o.access, HALF, buf, 8, ACCESS_WRITE), -EPERM);
	assert_int_equal(access_rw(o.access, HALF, buf, 8, 0), 0);
	access_destroy(o.access);
	bed_destroy(&b);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_pin_rules),
		cmocka_unit_test(test_pas),
		cmocka_unit_test(test_unmap_asks),
		cmocka_unit_test(test_unmap_gives_up),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_rw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
