/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HW queue (5.4): a queue in guest memory that the IOMMU consumes by physical address.
 *
 * An internal access pins it, which locks the areas that it lies in: UNMAP of them answers EBUSY as
 * long as it lives.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "object/access.h"
#include "object/private.h"
#include "object/viommu.h"

/* The pages that a queue meets. */
struct span {
	uint64_t start, len;
	size_t pages;
};

/* HWQ.6. */
static int find_span(const struct sink *sink, const struct hw_queue_params *p,
		     struct span *s)
{
	uint64_t offset = p->iova & PAGE_MASK, len;

	if (__builtin_add_overflow(offset, p->length, &len) ||
	    __builtin_add_overflow(len, PAGE_MASK, &len))
		return refuse(sink, ERANGE, "HWQ.6", "length", p->length,
			      "a size in pages within 64 bits");
	s->start = p->iova - offset;
	s->pages = len / PAGE_SIZE;
	s->len = s->pages * PAGE_SIZE;
	return 0;
}

/* HWQ.10. */
static int check_contiguous(const struct sink *sink, const struct span *s,
			    const uint64_t *pas)
{
	for (size_t n = 1; n < s->pages; n++)
		if (pas[n] != pas[n - 1] + PAGE_SIZE)
			return refuse(sink, EFAULT, "HWQ.10", "nesting_parent_iova",
				      s->start + n * PAGE_SIZE, "physically contiguous memory");
	return 0;
}

/* Linux's kvzalloc() gives no more at once. */
#define MAX_PAGES (INT_MAX / sizeof(uint64_t))

static int pin(struct access *a, const struct span *s, const struct sink *sink, uint64_t *pa)
{
	uint64_t *pas = s->pages <= MAX_PAGES ? ioas_calloc(s->pages, sizeof(*pas)) : NULL;
	int rc;

	if (!pas)
		return -ENOMEM;
	rc = access_pin(a, s->start, s->len, pas, false);
	if (rc)
		goto out_free;
	rc = check_contiguous(sink, s, pas);
	if (rc)
		access_unpin(a, s->start, s->len);
	*pa = pas[0];
out_free:
	ioas_free(pas);
	return rc;
}

/* HWQ.6 to HWQ.10. */
static int pin_queue(struct hw_queue_object *qo, const struct hw_queue_params *p)
{
	struct iommufd *ctx = qo->viommu->ctx;
	const struct sink *sink = &ctx->host->sink;
	struct span s;
	uint64_t pa;
	int rc;

	rc = find_span(sink, p, &s);
	if (rc)
		return rc;
	rc = access_create_internal(ctx, qo->viommu->parent->ioas, "HWQ.9", &qo->access);
	if (rc)
		return rc;
	rc = pin(qo->access, &s, sink, &pa);
	if (rc) {
		access_destroy(qo->access);
		return rc;
	}
	qo->pinned = s.start;
	qo->pinned_len = s.len;
	qo->queue->pa = pa + (p->iova & PAGE_MASK);
	return 0;
}

static void unpin_queue(struct hw_queue_object *qo)
{
	access_unpin(qo->access, qo->pinned, qo->pinned_len);
	access_destroy(qo->access);
}

/* HWQ.5. */
static size_t queue_size(const struct viommu *v, uint32_t type)
{
	return v->ops->hw_queue_size && v->ops->hw_queue_init ? v->ops->hw_queue_size(v, type) : 0;
}

static int init_part(struct hw_queue_object *qo, const struct hw_queue_params *p)
{
	struct viommu *v = qo->viommu->viommu;
	int rc;

	qo->queue->viommu = v;
	qo->queue->owner = qo;
	qo->queue->type = p->type;
	qo->queue->index = p->index;
	qo->queue->iova = p->iova;
	qo->queue->len = p->length;
	rc = pin_queue(qo, p);
	if (rc)
		return rc;
	rc = v->ops->hw_queue_init(qo->queue);
	if (rc) {
		unpin_queue(qo);
		return refuse(&qo->viommu->ctx->host->sink, -rc, "HWQ.11", "index", p->index,
			      "a queue that this vIOMMU can have");
	}
	return 0;
}

int hw_queue_alloc(struct viommu_object *v, const struct hw_queue_params *p,
		   struct hw_queue_object **out)
{
	size_t size = queue_size(v->viommu, p->type);
	struct hw_queue_object *qo;
	int rc = -ENOMEM;

	if (!size)
		return refuse(&v->ctx->host->sink, EOPNOTSUPP, "HWQ.5", "type", p->type,
			      "a type of queue that this vIOMMU has");
	qo = ioas_calloc(1, sizeof(*qo));
	if (!qo)
		return rc;
	qo->viommu = v;
	qo->queue = ioas_calloc(1, size);
	if (!qo->queue)
		goto out_free;
	rc = object_reserve(v->ctx, &qo->obj, OBJECT_HW_QUEUE);
	if (rc)
		goto out_queue;
	rc = init_part(qo, p);
	if (rc)
		goto out_id;
	object_hold(v->ctx, &v->obj);
	*out = qo;
	return 0;

out_id:
	object_abort(v->ctx, &qo->obj);
out_queue:
	ioas_free(qo->queue);
out_free:
	ioas_free(qo);
	return rc;
}

static void hw_queue_destroy(struct iommufd *ctx, struct object *obj)
{
	struct hw_queue_object *qo = container_of(obj, struct hw_queue_object, obj);
	const struct viommu_ops *ops = qo->viommu->viommu->ops;

	if (ops->hw_queue_fini)
		ops->hw_queue_fini(qo->queue);
	unpin_queue(qo);
	object_release(ctx, &qo->viommu->obj);
	ioas_free(qo->queue);
	ioas_free(qo);
}

const struct object_type_ops hw_queue_type_ops = {
	.destroy = hw_queue_destroy,
};
