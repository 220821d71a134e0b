/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a translation reads of a guest is told, word by word; and where somebody stands for the
 * guest's memory, the same words lead to the same place, though the memory is empty.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/observe.h"
#include "iommu/requester.h"
#include "smmuv3_guest.h"

#define VA   0x12345000ull
#define ASID 10
#define MOST 64

/* What was told, and what is answered. */
struct told {
	bool mark;
	uint64_t gpa, word, to;
	int rc;
};

struct fixture {
	struct guest g;
	struct sink sink;
	struct guest_stand_in words;
	unsigned int n, next;
	struct told told[MOST];
	struct guest_table t;
	uint64_t page, leaf;
};

static void add(struct fixture *f, struct told t)
{
	assert_true(f->n < MOST);
	f->told[f->n++] = t;
}

static void on_read(void *arg, const struct event_guest_read *e)
{
	struct fixture *f = arg;

	assert_ptr_equal(e->requester, f->g.r);
	assert_ptr_equal(e->parent, f->g.parent);
	add(f, (struct told){.gpa = e->gpa, .word = e->word, .rc = e->rc});
}

static void on_mark(void *arg, const struct event_guest_mark *e)
{
	add(arg, (struct told){true, e->gpa, e->is, e->to, e->rc});
}

static const struct observer_ops listener = {.guest_read = on_read, .guest_mark = on_mark};

/* A page that the device may write, by an entry whose flags it sets. */
static void begin(struct fixture *f)
{
	uint64_t cd;

	*f = (struct fixture){0};
	guest_begin(&f->g, "smmuv3");
	assert_int_equal(guest_viommu(&f->g, 1, NULL, 0), 0);
	assert_int_equal(guest_vdevice(&f->g, GUEST_SID), 0);
	cd = guest_alloc(&f->g, 64);
	f->page = guest_alloc(&f->g, 4096);
	f->t = guest_table(&f->g, 12, 39);
	guest_map(&f->g, &f->t, VA, f->page, S1_PAGE | S1_USER | S1_NG | S1_DBM | S1_RO);
	f->leaf = guest_entry(&f->g, &f->t, VA, 0);
	guest_cd(&f->g, cd, &f->t, ASID, CD_HA | CD_HD);
	assert_int_equal(guest_attach(&f->g, STE_V | STE_S1 | cd, 2), 0);
	requester_iommu(f->g.r)->sink = &f->sink;
	assert_int_equal(observe_add(&f->sink, &listener, f), 0);
}

static void end(struct fixture *f)
{
	observe_end(&f->sink);
	requester_iommu(f->g.r)->sink = NULL;
	guest_end(&f->g);
}

static void forget(struct fixture *f)
{
	const uint64_t c[][2] = {{CMD_TLBI_NSNH_ALL, 0}, {CMD_CFGI_CD_ALL | CMD_SID(GUEST_SID), 0}};
	uint32_t done;

	assert_int_equal(guest_invalidate(&f->g, c, 2, &done), 0);
}

/* 8 words of the CD, 3 entries, and the flags of the last. */
#define LOOKS (8 + 3 + 1)

static void test_told(void **state)
{
	static struct fixture f;

	begin(&f);
	assert_int_equal(guest_dma(&f.g, 0, VA, IOMMU_WRITE), f.page);
	assert_int_equal(f.n, LOOKS);
	for (unsigned int k = 0; k < f.n; k++) {
		assert_int_equal(f.told[k].rc, 0);
		assert_int_equal(f.told[k].mark, k == LOOKS - 1);
	}
	assert_int_equal(f.told[LOOKS - 2].gpa, f.leaf);
	assert_int_equal(f.told[LOOKS - 1].gpa, f.leaf);
	assert_int_equal(f.told[LOOKS - 1].word, f.told[LOOKS - 2].word);
	assert_int_equal(f.told[LOOKS - 1].to, *guest_word(&f.g, f.leaf));
	/* A hit reads nothing. */
	assert_int_equal(guest_dma(&f.g, 0, VA, IOMMU_WRITE), f.page);
	assert_int_equal(f.n, LOOKS);
	end(&f);
}

static int say_read(void *arg, const struct nested_request *q, uint64_t gpa, uint64_t *word)
{
	struct fixture *f = arg;
	const struct told *t = &f->told[f->next++];

	if (t->mark || t->gpa != gpa)
		return -EFAULT;
	*word = t->word;
	return t->rc;
}

static int say_mark(void *arg, const struct nested_request *q, uint64_t gpa, uint64_t is,
		    uint64_t to)
{
	struct fixture *f = arg;
	const struct told *t = &f->told[f->next++];

	return t->mark && t->gpa == gpa && t->word == is && t->to == to ? t->rc : -EFAULT;
}

static void stand_for(struct fixture *f)
{
	f->words = (struct guest_stand_in){.read = say_read, .exchange = say_mark, .arg = f};
	f->sink.guest = &f->words;
	guest_reset(&f->g);
	forget(f);
}

static void test_stood_for(void **state)
{
	static struct fixture f;

	begin(&f);
	assert_int_equal(guest_dma(&f.g, 0, VA, IOMMU_WRITE), f.page);
	stand_for(&f);
	assert_int_equal(guest_dma(&f.g, 0, VA, IOMMU_WRITE), f.page);
	assert_int_equal(f.next, LOOKS);
	/* What is answered is told as well. */
	assert_int_equal(f.n, 2 * LOOKS);
	assert_memory_equal(f.told, f.told + LOOKS, LOOKS * sizeof(*f.told));
	for (uint64_t at = 0; at < GUEST_SIZE; at += 8)
		assert_int_equal(*guest_word(&f.g, GUEST_GPA + at), 0);
	end(&f);
}

/* Memory that had gone is gone again; an entry that changed is read again. */
static void test_errors(void **state)
{
	static struct fixture f;

	begin(&f);
	assert_int_equal(guest_dma(&f.g, 0, VA, IOMMU_WRITE), f.page);
	stand_for(&f);
	f.told[9].rc = -EFAULT;
	assert_int_equal(guest_dma(&f.g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(f.n, LOOKS + 10);
	assert_int_equal(f.told[LOOKS + 9].rc, -EFAULT);
	assert_int_equal(f.told[LOOKS + 9].word, 0);

	f.told[9].rc = 0;
	f.told[LOOKS - 1].rc = -EAGAIN;
	for (unsigned int k = 0; k < 4; k++)
		f.told[LOOKS + k] = f.told[8 + k];
	f.told[LOOKS + 3].rc = 0;
	f.n = LOOKS + 4;
	f.next = 0;
	forget(&f);
	assert_int_equal(guest_dma(&f.g, 0, VA, IOMMU_WRITE), f.page);
	assert_int_equal(f.next, LOOKS + 4);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_stood_for),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
