/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mock's vIOMMU: two pages that the program may map, two queues that depend on each other, and
 * the caches of its devices.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "iommu/mock/mock.h"

#define REGION_SIZE (2 * PAGE_SIZE)

struct mock_viommu {
	struct viommu viommu;
	uint32_t *region; /* NULL: the caller gave no data */
	uint64_t offset;  /* where the program maps it */
	pthread_mutex_t lock;
	struct mock_queue *queues[IOMMU_TEST_HW_QUEUE_MAX]; /* by index */
};

struct mock_queue {
	struct hw_queue queue;
	struct mock_queue *before; /* held: the queue of the index below */
};

static struct mock_viommu *mock_of(struct viommu *v)
{
	return container_of(v, struct mock_viommu, viommu);
}

/* The region begins with the caller's word, which is also answered. */
static int show_region(struct mock_viommu *m, const struct user_data *data)
{
	const size_t min = user_min(struct iommu_viommu_selftest, out_data);
	const struct viommu_up *up = m->viommu.up;
	struct iommu_viommu_selftest s;
	int rc = user_get(data, IOMMU_VIOMMU_TYPE_SELFTEST, &s, sizeof(s), min);

	if (rc)
		return rc;
	m->region = viommu_pages_alloc(&m->viommu, REGION_SIZE);
	if (!m->region)
		return -ENOMEM;
	*m->region = s.in_data;
	rc = up->region_add(&m->viommu, NULL, m->region, REGION_SIZE, &m->offset);
	if (rc)
		goto out_free;
	s.out_data = s.in_data;
	s.out_mmap_offset = m->offset;
	s.out_mmap_length = REGION_SIZE;
	rc = user_put(data, IOMMU_VIOMMU_TYPE_SELFTEST, &s, sizeof(s), min);
	if (!rc)
		return 0;
	up->region_remove(&m->viommu, m->offset);
out_free:
	viommu_pages_free(&m->viommu, m->region, REGION_SIZE);
	return rc;
}

static int mock_viommu_init(struct viommu *v, const struct user_data *data)
{
	struct mock_viommu *m = mock_of(v);
	int rc = data ? show_region(m, data) : 0;

	if (!rc)
		pthread_mutex_init(&m->lock, NULL);
	return rc;
}

static void mock_viommu_fini(struct viommu *v)
{
	struct mock_viommu *m = mock_of(v);

	if (m->region) {
		v->up->region_remove(v, m->offset);
		viommu_pages_free(&m->viommu, m->region, REGION_SIZE);
	}
	pthread_mutex_destroy(&m->lock);
}

static void zero_cache(struct mock_device *d, const struct iommu_viommu_invalidate_selftest *e)
{
	for (uint32_t k = 0; k < MOCK_DEV_CACHE_NUM; k++)
		if (e->flags & IOMMU_TEST_INVALIDATE_FLAG_ALL || k == e->cache_id)
			__atomic_store_n(&d->cache[k], 0, __ATOMIC_RELAXED);
}

static int invalidate_one(struct viommu *v, const struct iommu_viommu_invalidate_selftest *e)
{
	struct mock_device *d;
	struct vdevice *vd;

	if (e->flags & ~(uint32_t)IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (e->cache_id > MOCK_DEV_CACHE_ID_MAX)
		return -EINVAL;
	lock_acquire(&v->lock);
	vd = viommu_find(v, e->vdev_id);
	d = vd ? requester_make_data(vd->requester) : NULL;
	if (d)
		zero_cache(d, e);
	lock_release(&v->lock);
	return vd ? 0 : -EINVAL;
}

/* Everything is copied in before anything is done. An empty array asks whether the type is known.
 */
static int mock_viommu_invalidate(struct viommu *v, const struct user_array *a, uint32_t *done)
{
	struct iommu_viommu_invalidate_selftest *all;
	int rc;

	if (!a->entry_num && a->type == IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST)
		return 0;
	all = ioas_calloc(a->entry_num + 1ull, sizeof(*all));
	if (!all)
		return -ENOMEM;
	rc = user_get_all(a, IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST, all, sizeof(*all));
	for (uint32_t k = 0; k < a->entry_num && !rc; k++) {
		rc = invalidate_one(v, &all[k]);
		*done += !rc;
	}
	ioas_free(all);
	return rc;
}

/* Queues. */

static size_t mock_queue_size(const struct viommu *v, uint32_t type)
{
	return type == IOMMU_HW_QUEUE_TYPE_SELFTEST ? sizeof(struct mock_queue) : 0;
}

/* Does the parent lead to where the queue says it lies? Its pages are pinned: nobody takes them
 * out. */
static bool is_where_it_says(const struct hw_queue *q)
{
	struct pt_leaf leaf;

	return !pt_translate(q->viommu->parent->pt, q->iova, &leaf) && leaf.pa == q->pa;
}

static int place_queue(struct mock_viommu *m, struct mock_queue *q)
{
	uint32_t index = q->queue.index;
	int rc = 0;

	if (m->queues[index])
		return -EEXIST;
	q->before = index ? m->queues[index - 1] : NULL;
	if (index && !q->before)
		return -EIO;
	if (!is_where_it_says(&q->queue))
		return -EFAULT;
	if (q->before)
		rc = m->viommu.up->queue_hold(&q->before->queue);
	if (!rc)
		m->queues[index] = q;
	return rc;
}

static int mock_queue_init(struct hw_queue *queue)
{
	struct mock_queue *q = container_of(queue, struct mock_queue, queue);
	struct mock_viommu *m = mock_of(queue->viommu);
	int rc;

	if (queue->index >= IOMMU_TEST_HW_QUEUE_MAX)
		return -EINVAL;
	pthread_mutex_lock(&m->lock);
	rc = place_queue(m, q);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static void mock_queue_fini(struct hw_queue *queue)
{
	struct mock_queue *q = container_of(queue, struct mock_queue, queue);
	struct mock_viommu *m = mock_of(queue->viommu);

	pthread_mutex_lock(&m->lock);
	m->queues[queue->index] = NULL;
	if (q->before)
		m->viommu.up->queue_release(&q->before->queue);
	pthread_mutex_unlock(&m->lock);
}

static const struct viommu_ops mock_viommu_ops = {
	.size = sizeof(struct mock_viommu),
	.init = mock_viommu_init,
	.fini = mock_viommu_fini,
	.domain_alloc = mock_viommu_domain_alloc,
	.invalidate = mock_viommu_invalidate,
	.hw_queue_size = mock_queue_size,
	.hw_queue_init = mock_queue_init,
	.hw_queue_fini = mock_queue_fini,
};

const struct viommu_ops *mock_viommu_type(struct requester *r, uint32_t type)
{
	return type == IOMMU_VIOMMU_TYPE_SELFTEST ? &mock_viommu_ops : NULL;
}
