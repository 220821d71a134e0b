/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two at once: DESTROY beside commands, replace beside DMA, unbinding beside the destruction of a
 * vDEVICE, unmapping beside pinning, events and page requests beside their readers and beside the
 * end of their queue. To be run with the thread sanitizer; without it the assertions still say that
 * nothing is lost, answered twice or seen too late.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bed.h"
#include "../iommu/here.h"

#define ROUNDS 400

struct helper {
	pthread_t thread;
	struct bed *b;
	bool stop; /* atomic */
	void (*step)(struct helper *h);
	void *arg;
	uint64_t steps; /* atomic */
};

static void *run_helper(void *arg)
{
	struct helper *h = arg;

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		h->step(h);
		__atomic_fetch_add(&h->steps, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void helper_begin(struct helper *h, struct bed *b, void (*step)(struct helper *h), void *arg)
{
	*h = (struct helper){.b = b, .step = step, .arg = arg};
	assert_int_equal(pthread_create(&h->thread, NULL, run_helper, h), 0);
	while (!__atomic_load_n(&h->steps, __ATOMIC_RELAXED))
		sched_yield();
}

static void helper_end(struct helper *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_RELEASE);
	pthread_join(h->thread, NULL);
}

/* Somebody who destroys, and looks up, every id that there could be. */
static void kill_all(struct helper *h)
{
	for (uint32_t id = 1; id < 24; id++) {
		struct object *obj = object_get(h->b->ctx, id, OBJECT_ANY);

		if (obj)
			object_put(h->b->ctx, obj);
		if (id > *(const uint32_t *)h->arg)
			object_destroy_id(h->b->ctx, id);
	}
}

static void make_nested(struct bed *b)
{
	const struct iommu_hwpt_selftest wish = {.iotlb = 1};
	const struct user_data data = {&here, NULL, IOMMU_HWPT_DATA_SELFTEST, (uintptr_t)&wish,
				       sizeof(wish)};
	struct viommu_object *v;
	struct hwpt *parent, *nested;
	struct object *obj;

	if (hwpt_paging_alloc(b->ctx, b->ioas, b->idev[0], DOMAIN_NEST_PARENT, NULL, &parent))
		return;
	object_publish(b->ctx, &parent->obj);
	/* From here on the parent may be anybody's. */
	for (uint32_t id = 1; id < 24; id++) {
		obj = object_get(b->ctx, id, OBJECT_HWPT_PAGING);
		if (!obj)
			continue;
		if (!hwpt_nested_alloc(b->ctx, container_of(obj, struct hwpt, obj), b->idev[0], 0,
				       &data, &nested))
			object_publish(b->ctx, &nested->obj);
		object_put(b->ctx, obj);
		if (!viommu_alloc(b->ctx, b->idev[0], IOMMU_VIOMMU_TYPE_SELFTEST, id, NULL, &v))
			object_publish(b->ctx, &v->obj);
	}
	for (uint32_t id = 1; id < 24; id++) {
		obj = object_get(b->ctx, id, OBJECT_VIOMMU);
		if (!obj)
			continue;
		v = container_of(obj, struct viommu_object, obj);
		bed_vdevice(b, v, 0, id, &(uint32_t){0});
		bed_queue(b, v, 0, BED_IOVA, 4096, &(uint32_t){0});
		if (!hwpt_viommu_alloc(b->ctx, v, b->idev[0], 0, &data, &nested))
			object_publish(b->ctx, &nested->obj);
		object_put(b->ctx, obj);
	}
}

static void test_destroy_beside_commands(void **state)
{
	struct helper h;
	uint32_t keep;
	struct bed b;

	bed_create(&b);
	keep = b.ioas->obj.id;
	helper_begin(&h, &b, kill_all, &keep);
	for (int n = 0; n < ROUNDS; n++)
		make_nested(&b);
	helper_end(&h);
	bed_destroy(&b);
}

/*
 * After a replace has returned, nobody reads what the old HWPT showed: its memory is made wrong
 * then, and right again before the way back.
 */
#define WRONG 0xdeadbeefull

struct dma {
	unsigned int dev;
	uint32_t pasid;
	uint64_t wrong, looks; /* atomic */
};

static void look(struct helper *h)
{
	struct dma *d = h->arg;
	struct requester *r = h->b->slot[d->dev]->requester;

	requester_begin(r);
	for (uint64_t n = 0; n < 64; n++) {
		int64_t found = bed_look(h->b, d->dev, d->pasid, BED_IOVA + n % BED_PAGES * 4096);

		if (found == (int64_t)WRONG)
			__atomic_fetch_add(&d->wrong, 1, __ATOMIC_RELAXED);
		if (found >= 0)
			__atomic_fetch_add(&d->looks, 1, __ATOMIC_RELAXED);
	}
	requester_end(r);
}

/* Lets the device look, now at the one, now at the other. */
static void let_it_look(const struct dma *d, int n)
{
	uint64_t seen = __atomic_load_n(&d->looks, __ATOMIC_RELAXED);

	while (n % 7 == 0 && __atomic_load_n(&d->looks, __ATOMIC_RELAXED) == seen)
		sched_yield();
}

static void set_all(char *mem, uint64_t word)
{
	for (uint64_t n = 0; n < BED_PAGES; n++)
		__atomic_store_n((uint64_t *)(void *)(mem + n * 4096), word, __ATOMIC_RELAXED);
}

static void replace_beside_dma(uint32_t pasid)
{
	struct dma d = {.pasid = pasid};
	char *mem[2];
	uint32_t pt[2], at;
	struct helper h;
	struct hwpt *hwpt;
	struct ioas *other;
	struct bed b;

	bed_create(&b);
	mem[0] = b.mem;
	mem[1] = mmap(NULL, BED_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	other = bed_ioas(&b);
	bed_map(&b, other, BED_IOVA, mem[1], BED_LEN, SPACE_READ | SPACE_WRITE);
	pt[0] = bed_paging(&b, 0, DOMAIN_PASID)->obj.id;
	assert_int_equal(hwpt_paging_alloc(b.ctx, other, b.idev[0], DOMAIN_PASID, NULL, &hwpt), 0);
	object_publish(b.ctx, &hwpt->obj);
	pt[1] = hwpt->obj.id;
	set_all(mem[0], 1);
	set_all(mem[1], 1);
	assert_int_equal(bed_attach(&b, 0, pasid, pt[0]), 0);
	helper_begin(&h, &b, look, &d);
	for (int n = 1; n <= ROUNDS; n++) {
		set_all(mem[n % 2], 1);
		at = pt[n % 2];
		assert_int_equal(idevice_replace_pasid(b.idev[0], pasid, &at), 0);
		set_all(mem[(n + 1) % 2], WRONG);
		let_it_look(&d, n);
	}
	helper_end(&h);
	assert_int_equal(d.wrong, 0);
	assert_true(d.looks > 0);
	bed_destroy(&b);
	munmap(mem[1], BED_LEN);
}

static void test_replace_beside_dma(void **state)
{
	replace_beside_dma(IOMMU_NO_PASID);
	replace_beside_dma(33);
}

/* The vDEVICE goes once, by the one or by the other; a DESTROY that comes in between hears that it
 * is held. */
static void kill_one(struct helper *h)
{
	uint32_t id = __atomic_load_n((uint32_t *)h->arg, __ATOMIC_ACQUIRE);
	int rc;

	if (!id) {
		sched_yield();
		return;
	}
	rc = object_destroy_id(h->b->ctx, id);
	if (rc && rc != -ENOENT && rc != -EBUSY)
		abort();
	if (!rc)
		__atomic_store_n((uint32_t *)h->arg, 0, __ATOMIC_RELEASE);
}

static void test_unbind_beside_vdevice(void **state)
{
	struct viommu_object *v;
	uint32_t target = 0, id;
	struct helper h;
	struct bed b;

	bed_create(&b);
	v = bed_viommu(&b, bed_paging(&b, 0, DOMAIN_NEST_PARENT));
	helper_begin(&h, &b, kill_one, &target);
	for (int n = 0; n < ROUNDS; n++) {
		assert_int_equal(bed_vdevice(&b, v, 1, 7, &id), 0);
		__atomic_store_n(&target, id, __ATOMIC_RELEASE);
		if (n % 3)
			sched_yield();
		idevice_unbind(b.idev[1]);
		__atomic_store_n(&target, 0, __ATOMIC_RELEASE);
		lock_acquire(&v->viommu->lock);
		assert_null(viommu_find(v->viommu, 7));
		lock_release(&v->viommu->lock);
		assert_int_equal(idevice_bind(b.ctx, b.slot[1], &b.idev[1]), 0);
	}
	helper_end(&h);
	assert_int_equal(bed_kill(&b, v->obj.id), 0);
	bed_destroy(&b);
}

/* As an emulated device does it: what is pinned is listed under a lock that the pinning is done
 * under too. */
struct owner {
	struct access *access;
	pthread_mutex_t lock;
	bool pinned[BED_PAGES];
	uint64_t pins; /* atomic */
};

static void owner_unmap(void *arg, uint64_t iova, uint64_t length)
{
	struct owner *o = arg;

	pthread_mutex_lock(&o->lock);
	for (uint64_t n = 0; n < BED_PAGES; n++) {
		uint64_t at = BED_IOVA + n * 4096;

		if (!o->pinned[n] || at < iova || at - iova >= length)
			continue;
		o->pinned[n] = false;
		assert_int_equal(access_unpin(o->access, at, 4096), 0);
	}
	pthread_mutex_unlock(&o->lock);
}

static const struct access_ops owner_ops = {.needs_pin = true, .unmap = owner_unmap};

static void pin_some(struct helper *h)
{
	struct owner *o = h->arg;
	uint64_t pa, word;

	for (uint64_t n = 0; n < BED_PAGES; n++) {
		pthread_mutex_lock(&o->lock);
		if (o->pinned[n]) {
			o->pinned[n] = false;
			access_unpin(o->access, BED_IOVA + n * 4096, 4096);
		} else {
			o->pinned[n] = !access_pin(o->access, BED_IOVA + n * 4096, 4096, &pa, true);
			__atomic_fetch_add(&o->pins, o->pinned[n], __ATOMIC_RELAXED);
		}
		pthread_mutex_unlock(&o->lock);
		access_rw(o->access, BED_IOVA + n * 4096, &word, sizeof(word),
			  n % 2 ? ACCESS_SLOW : 0);
	}
}

static void test_unmap_beside_pins(void **state)
{
	struct owner o = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct helper h;
	uint64_t unmapped;
	struct ioas *other;
	struct bed b;

	bed_create(&b);
	other = bed_ioas(&b);
	assert_int_equal(access_create(b.ctx, &owner_ops, &o, &o.access, NULL), 0);
	assert_int_equal(access_attach(o.access, b.ioas->obj.id), 0);
	helper_begin(&h, &b, pin_some, &o);
	for (int n = 0; n < ROUNDS; n++) {
		assert_int_equal(space_unmap(b.ioas->space, BED_IOVA, BED_LEN, &unmapped), 0);
		assert_int_equal(unmapped, BED_LEN);
		bed_map(&b, b.ioas, BED_IOVA, b.mem, BED_LEN, SPACE_READ | SPACE_WRITE);
		if (n % 8 == 0) {
			assert_int_equal(access_replace(o.access, other->obj.id), 0);
			assert_int_equal(access_replace(o.access, b.ioas->obj.id), 0);
		}
	}
	while (!__atomic_load_n(&o.pins, __ATOMIC_RELAXED))
		sched_yield();
	helper_end(&h);
	access_destroy(o.access);
	bed_destroy(&b);
}

/* Events while queues come and go and are read: the numbers only ever grow. */
static void make_events(struct helper *h)
{
	struct viommu_object *v = h->arg;
	const uint32_t data = 3;

	for (int n = 0; n < 16; n++)
		v->viommu->up->event(v->viommu, IOMMU_VEVENTQ_TYPE_SELFTEST, &data, sizeof(data));
}

static int ascending(void *arg, const struct veventq_item *item)
{
	int64_t *last = arg;

	if (item->sequence <= *last)
		return -EFAULT;
	*last = item->sequence;
	return 0;
}

static void test_events(void **state)
{
	struct viommu_object *v;
	struct helper h;
	struct bed b;

	bed_create(&b);
	v = bed_viommu(&b, bed_paging(&b, 0, DOMAIN_NEST_PARENT));
	helper_begin(&h, &b, make_events, v);
	for (int n = 0; n < ROUNDS; n++) {
		struct veventq *q = bed_veventq(&b, v, 1 + n % 7);
		int64_t last = -1;

		for (int k = 0; k < 8; k++)
			assert_true(veventq_read(q, 64, ascending, &last) >= 0);
		assert_int_equal(bed_kill(&b, q->obj.id), 0);
	}
	helper_end(&h);
	bed_destroy(&b);
}

/* Page requests while the device is attached, moved and detached: each is answered exactly once. */
static void request_pages(struct helper *h)
{
	struct bed_fault f[4];

	for (uint32_t n = 0; n < ARRAY_SIZE(f); n++)
		bed_fault(h->b, &f[n], 0, n % 2 ? 0 : 4, n);
	for (uint32_t n = 0; n < ARRAY_SIZE(f); n++)
		while (__atomic_load_n(&f[n].answer, __ATOMIC_ACQUIRE) < 0)
			sched_yield();
}

static int accept_all(void *arg, const struct page_group *g)
{
	struct {
		uint32_t cookie[8];
		unsigned int n;
	} *seen = arg;

	seen->cookie[seen->n++] = g->cookie;
	return 0;
}

static void answer_some(struct fault_queue *q)
{
	struct {
		uint32_t cookie[8];
		unsigned int n;
	} seen = {.n = 0};

	fault_queue_read(q, ARRAY_SIZE(seen.cookie), accept_all, &seen);
	for (unsigned int n = 0; n < seen.n; n++)
		fault_queue_answer(q, seen.cookie[n], n % 2);
}

static void answer_always(struct helper *h)
{
	answer_some(h->arg);
}

static void test_faults(void **state)
{
	struct fault_queue *q;
	struct helper asks, answers;
	struct hwpt *hwpt[2];
	struct bed b;

	bed_create(&b);
	assert_int_equal(fault_queue_alloc(b.ctx, &q), 0);
	object_publish(b.ctx, &q->obj);
	for (int n = 0; n < 2; n++) {
		hwpt[n] = bed_paging(&b, 0, DOMAIN_PASID);
		assert_int_equal(hwpt_set_fault_queue(b.ctx, hwpt[n], q->obj.id), 0);
	}
	helper_begin(&answers, &b, answer_always, q);
	helper_begin(&asks, &b, request_pages, NULL);
	for (int n = 0; n < ROUNDS; n++) {
		uint32_t pt = hwpt[n % 2]->obj.id;

		assert_int_equal(bed_attach(&b, 0, 0, hwpt[0]->obj.id), 0);
		assert_int_equal(bed_attach(&b, 0, 4, hwpt[1]->obj.id), 0);
		sched_yield();
		assert_int_equal(idevice_replace(b.idev[0], &pt), 0);
		idevice_detach_pasid(b.idev[0], 4);
		idevice_detach(b.idev[0]);
	}
	helper_end(&asks);
	helper_end(&answers);
	bed_destroy(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroy_beside_commands),
		cmocka_unit_test(test_replace_beside_dma),
		cmocka_unit_test(test_unbind_beside_vdevice),
		cmocka_unit_test(test_unmap_beside_pins),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
