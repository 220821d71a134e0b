/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes up: page requests to fault queues and their answers (6.1), events to vEVENTQs (6.2);
 * and PASID attachment (7.4), which decides whose a request is.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bed.h"

static int answer_of(struct bed_fault *f)
{
	return __atomic_load_n(&f->answer, __ATOMIC_ACQUIRE);
}

struct seen {
	uint32_t device, pasid, cookie;
	unsigned int n;
	int rc; /* of emit */
};

static int note(void *arg, const struct page_group *g)
{
	struct seen *s = arg;

	if (s->rc)
		return s->rc;
	s->device = g->device_id;
	s->pasid = g->pasid;
	s->cookie = g->cookie;
	s->n++;
	return 0;
}

static struct fault_queue *queue(struct bed *b)
{
	struct fault_queue *q;

	assert_int_equal(fault_queue_alloc(b->ctx, &q), 0);
	object_publish(b->ctx, &q->obj);
	return q;
}

static struct hwpt *with_queue(struct bed *b, struct hwpt *hwpt, struct fault_queue *q)
{
	assert_int_equal(hwpt_set_fault_queue(b->ctx, hwpt, q->obj.id), 0);
	return hwpt;
}

static void test_delivery(void **state)
{
	struct fault_queue *q;
	struct bed_fault f[4];
	struct seen s = {0};
	struct hwpt *hwpt;
	struct bed b;

	bed_create(&b);
	q = queue(&b);
	hwpt = with_queue(&b, bed_paging(&b, 0, 0), q);
	bed_fault(&b, &f[0], 0, 0, 0x1000);
	assert_int_equal(answer_of(&f[0]), 0); /* attached to nothing */
	assert_int_equal(bed_attach(&b, 0, 0, hwpt->obj.id), 0);
	for (int n = 0; n < 3; n++)
		bed_fault(&b, &f[n], 0, 0, n);
	bed_fault(&b, &f[3], 0, 5, 3); /* a PASID that nobody attached */
	assert_int_equal(answer_of(&f[3]), 0);
	assert_int_equal(fault_queue_read(q, 0, note, &s), -EINVAL); /* FLT.3 */
	s.rc = -EFAULT;
	assert_int_equal(fault_queue_read(q, 4, note, &s), -EFAULT); /* FLT.6: still the first */
	s.rc = 0;
	assert_int_equal(fault_queue_read(q, 2, note, &s), 2);
	assert_int_equal(s.cookie, 2);
	assert_int_equal(s.device, b.idev[0]->obj.id);
	assert_int_equal(fault_queue_answer(q, 3, true), -EINVAL); /* not read yet */
	assert_int_equal(fault_queue_answer(q, 1, true), 0);
	assert_int_equal(answer_of(&f[0]), 1);
	assert_int_equal(fault_queue_answer(q, 1, true), -EINVAL);
	assert_int_equal(bed_kill(&b, q->obj.id), -EBUSY); /* DEST.7 */

	/* Read and not read: detaching answers both, and their cookies are nobody's any more. */
	idevice_detach(b.idev[0]);
	assert_int_equal(answer_of(&f[1]), 0);
	assert_int_equal(answer_of(&f[2]), 0);
	assert_int_equal(fault_queue_answer(q, 2, true), -EINVAL);
	assert_int_equal(fault_queue_read(q, 4, note, &s), 0);
	assert_int_equal(bed_kill(&b, hwpt->obj.id), 0);
	assert_int_equal(bed_kill(&b, q->obj.id), 0);
	bed_destroy(&b);
}

/* Replacing answers what came by the old HWPT; what comes later goes to the new one. */
static void test_replace(void **state)
{
	struct fault_queue *q, *r;
	struct bed_fault f[2];
	struct hwpt *one, *two;
	struct seen s = {0};
	struct bed b;

	bed_create(&b);
	q = queue(&b);
	r = queue(&b);
	one = with_queue(&b, bed_paging(&b, 0, 0), q);
	two = with_queue(&b, bed_paging(&b, 0, 0), r);
	assert_int_equal(bed_attach(&b, 0, 0, one->obj.id), 0);
	bed_fault(&b, &f[0], 0, 0, 1);
	assert_int_equal(idevice_replace(b.idev[0], &(uint32_t){one->obj.id}), 0);
	assert_int_equal(answer_of(&f[0]), -1); /* the same HWPT: nothing happens */
	assert_int_equal(idevice_replace(b.idev[0], &(uint32_t){two->obj.id}), 0);
	assert_int_equal(answer_of(&f[0]), 0);
	bed_fault(&b, &f[1], 0, 0, 2);
	assert_int_equal(fault_queue_read(q, 4, note, &s), 0);
	assert_int_equal(fault_queue_read(r, 4, note, &s), 1);
	idevice_unbind(b.idev[0]);
	b.idev[0] = NULL;
	assert_int_equal(answer_of(&f[1]), 0);
	bed_destroy(&b);
}

/* Two devices of a group: each takes along what is its own. */
static void test_group(void **state)
{
	struct fault_queue *q;
	struct bed_fault f[2];
	struct seen s = {0};
	struct hwpt *hwpt;
	struct bed b;

	bed_create(&b);
	q = queue(&b);
	hwpt = with_queue(&b, bed_paging(&b, 1, 0), q);
	assert_int_equal(bed_attach(&b, 1, 0, hwpt->obj.id), 0);
	assert_int_equal(bed_attach(&b, 2, 0, hwpt->obj.id), 0);
	bed_fault(&b, &f[0], 1, 0, 1);
	bed_fault(&b, &f[1], 2, 0, 2);
	idevice_detach(b.idev[1]);
	assert_int_equal(answer_of(&f[0]), 0);
	assert_int_equal(answer_of(&f[1]), -1);
	assert_int_equal(fault_queue_read(q, 4, note, &s), 1);
	assert_int_equal(s.device, b.idev[2]->obj.id);
	assert_int_equal(fault_queue_answer(q, s.cookie, true), 0);
	assert_int_equal(answer_of(&f[1]), 1);
	bed_destroy(&b);
}

/* A PASID's own domain, or the nested one of the RID, whose guest has the PASID table. */
static void test_pasid_routes(void **state)
{
	struct fault_queue *q, *r;
	struct hwpt *parent, *nested, *paging;
	struct bed_fault f[3];
	struct seen s = {0};
	struct bed b;

	bed_create(&b);
	q = queue(&b);
	r = queue(&b);
	parent = bed_paging(&b, 0, DOMAIN_NEST_PARENT | DOMAIN_PASID);
	nested = with_queue(&b, bed_nested(&b, 0, parent, NULL, DOMAIN_PASID), q);
	paging = with_queue(&b, bed_paging(&b, 0, DOMAIN_PASID), r);
	assert_int_equal(bed_attach(&b, 0, 0, nested->obj.id), 0);
	assert_int_equal(bed_attach(&b, 0, 9, paging->obj.id), 0);
	bed_fault(&b, &f[0], 0, 9, 1);
	bed_fault(&b, &f[1], 0, 77, 2);
	bed_fault(&b, &f[2], 0, 0, 3);
	assert_int_equal(fault_queue_read(r, 4, note, &s), 1);
	assert_int_equal(s.pasid, 9);
	assert_int_equal(fault_queue_read(q, 1, note, &s), 1);
	assert_int_equal(s.pasid, 77);
	/* The PASID goes, and with it only what was its own. */
	idevice_detach_pasid(b.idev[0], 9);
	assert_int_equal(answer_of(&f[0]), 0);
	assert_int_equal(answer_of(&f[1]), -1);
	bed_fault(&b, &f[0], 0, 9, 1);
	assert_int_equal(fault_queue_read(r, 4, note, &s), 0);
	idevice_detach(b.idev[0]);
	for (int n = 0; n < 3; n++)
		assert_int_equal(answer_of(&f[n]), 0);
	bed_destroy(&b);
}

/* 7.4. */
static void test_pasid_rules(void **state)
{
	struct hwpt *with, *with2, *without;
	uint32_t pt;
	struct bed b;

	bed_create(&b);
	with = bed_paging(&b, 0, DOMAIN_PASID);
	with2 = bed_paging(&b, 0, DOMAIN_PASID);
	without = bed_paging(&b, 0, 0);
	assert_int_equal(bed_attach(&b, 0, 1u << 20, 999), -ENOENT);
	assert_int_equal(bed_attach(&b, 0, 1u << 20, with->obj.id), -EINVAL);
	assert_int_equal(bed_attach(&b, 0, 7, without->obj.id), -EINVAL);
	assert_int_equal(bed_attach(&b, 0, 7, b.ioas->obj.id), -EINVAL);
	pt = with->obj.id;
	assert_int_equal(idevice_replace_pasid(b.idev[0], 7, &pt), -EINVAL);
	assert_int_equal(bed_attach(&b, 0, 7, with->obj.id), 0);
	assert_int_equal(bed_attach(&b, 0, 7, with->obj.id), -EBUSY);
	assert_true(idevice_is_attached_pasid(b.idev[0], 7));
	assert_int_equal(bed_kill(&b, with->obj.id), -EBUSY);
	/* The RID's HWPT has to carry the flag too, whichever comes second. */
	assert_int_equal(bed_attach(&b, 0, 0, without->obj.id), -EINVAL);
	assert_int_equal(bed_attach(&b, 0, 0, b.ioas->obj.id), -EINVAL);
	assert_int_equal(bed_attach(&b, 0, 0, with2->obj.id), 0);
	pt = without->obj.id;
	assert_int_equal(idevice_replace(b.idev[0], &pt), -EINVAL);
	assert_int_equal(bed_look(&b, 0, 7, BED_IOVA + 4096), 512);
	idevice_detach_pasid(b.idev[0], 7);
	idevice_detach_pasid(b.idev[0], 7); /* 0 */
	assert_int_equal(bed_look(&b, 0, 7, BED_IOVA), -1);
	assert_int_equal(bed_look(&b, 0, 0, BED_IOVA + 8), 1);
	assert_int_equal(idevice_replace(b.idev[0], &pt), 0);
	assert_int_equal(bed_attach(&b, 0, 7, with->obj.id), -EINVAL);
	idevice_detach(b.idev[0]);

	/* The test driver's PASID that fails at every second attachment: a replace leaves the old
	 * one. */
	assert_int_equal(bed_attach(&b, 0, IOMMU_TEST_PASID_RESERVED, with->obj.id), 0);
	pt = with2->obj.id;
	assert_int_equal(idevice_replace_pasid(b.idev[0], IOMMU_TEST_PASID_RESERVED, &pt), -ENOMEM);
	assert_ptr_equal(requester_pasid_domain(b.slot[0]->requester, IOMMU_TEST_PASID_RESERVED),
			 with->domain);
	assert_int_equal(idevice_replace_pasid(b.idev[0], IOMMU_TEST_PASID_RESERVED, &pt), 0);
	assert_ptr_equal(requester_pasid_domain(b.slot[0]->requester, IOMMU_TEST_PASID_RESERVED),
			 with2->domain);
	/* Unbinding detaches what is left. */
	assert_int_equal(bed_attach(&b, 0, 3, with->obj.id), 0);
	idevice_unbind(b.idev[0]);
	b.idev[0] = NULL;
	assert_int_equal(bed_kill(&b, with->obj.id), 0);
	assert_int_equal(bed_kill(&b, with2->obj.id), 0);
	bed_destroy(&b);
}

/* What a reader of a vEVENTQ gets, item by item: the sequence, or ~sequence where events were lost.
 */
struct events {
	uint32_t got[64];
	unsigned int n;
	int rc;
};

static int take(void *arg, const struct veventq_item *item)
{
	struct events *e = arg;

	if (e->rc)
		return e->rc;
	assert_int_equal(item->len, item->flags ? 0 : 4);
	e->got[e->n++] = item->flags ? ~item->sequence : item->sequence;
	return 0;
}

static int event(struct viommu_object *v)
{
	const uint32_t data = 1;

	return v->viommu->up->event(v->viommu, IOMMU_VEVENTQ_TYPE_SELFTEST, &data, sizeof(data));
}

static void test_events(void **state)
{
	struct viommu_object *v;
	struct veventq *q, *twin;
	struct events e = {0};
	struct bed b;

	bed_create(&b);
	v = bed_viommu(&b, bed_paging(&b, 0, DOMAIN_NEST_PARENT));
	assert_int_equal(event(v), -EOPNOTSUPP); /* nobody asked for it */
	q = bed_veventq(&b, v, 2);
	assert_int_equal(veventq_alloc(v, IOMMU_VEVENTQ_TYPE_SELFTEST, 2, &twin), -EEXIST);
	assert_int_equal(bed_kill(&b, v->obj.id), -EBUSY);
	assert_int_equal(veventq_read(q, 100, take, &e), 0); /* EVQ.3 */
	for (int n = 0; n < 5; n++)			     /* 0 and 1 fit; 2, 3 and 4 are lost */
		assert_int_equal(event(v), 0);
	assert_int_equal(veventq_read(q, 11, take, &e), -EINVAL); /* EVQ.4 */
	e.rc = -EFAULT;
	assert_int_equal(veventq_read(q, 100, take, &e), -EFAULT); /* EVQ.6 */
	e.rc = 0;
	assert_int_equal(veventq_read(q, 23, take, &e), 12); /* EVQ.5 */
	assert_int_equal(e.got[0], 0);
	/* There is room now: the header goes, and the jump tells. */
	assert_int_equal(event(v), 0);
	assert_int_equal(veventq_read(q, 100, take, &e), 24);
	assert_int_equal(e.got[1], 1);
	assert_int_equal(e.got[2], 5);
	for (int n = 0; n < 3; n++) /* 6, 7; 8 is lost */
		event(v);
	e.n = 0;
	assert_int_equal(veventq_read(q, 100, take, &e), 32);
	assert_int_equal(e.got[2], ~8u);
	/* A header that could not be handed over comes back, unless something newer tells of the
	 * loss. */
	for (int n = 0; n < 3; n++) /* 9, 10; 11 */
		event(v);
	e.n = 0;
	assert_int_equal(veventq_read(q, 24, take, &e), 24);
	e.rc = -EFAULT;
	assert_int_equal(veventq_read(q, 100, take, &e), -EFAULT);
	e.rc = 0;
	e.n = 0;
	assert_int_equal(veventq_read(q, 8, take, &e), 8);
	assert_int_equal(e.got[0], ~11u);
	/* The numbers wrap at 2^31. */
	q->sequence = INT32_MAX;
	event(v);
	event(v);
	e.n = 0;
	assert_int_equal(veventq_read(q, 100, take, &e), 24);
	assert_int_equal(e.got[0], INT32_MAX);
	assert_int_equal(e.got[1], 0);
	event(v);
	assert_int_equal(bed_kill(&b, q->obj.id), 0);
	assert_int_equal(event(v), -EOPNOTSUPP);
	bed_destroy(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivery),    cmocka_unit_test(test_replace),
		cmocka_unit_test(test_group),	    cmocka_unit_test(test_pasid_routes),
		cmocka_unit_test(test_pasid_rules), cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
