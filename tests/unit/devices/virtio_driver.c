/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio_driver.h"

#include <string.h>

uint64_t vio_get(struct vnet *v, uint64_t off, unsigned int size)
{
	return reg_read(v->f, VIO_BAR, off, size);
}

void vio_set(struct vnet *v, uint64_t off, unsigned int size, uint64_t val)
{
	reg_write(v->f, VIO_BAR, off, size, val);
}

uint64_t vio_offered(struct vnet *v)
{
	uint64_t features = 0;

	for (unsigned int i = 0; i < 2; i++) {
		vio_set(v, VIO_DEVICE_FEATURE_SELECT, 4, i);
		features |= vio_get(v, VIO_DEVICE_FEATURE, 4) << 32 * i;
	}
	return features;
}

void vio_accept(struct vnet *v, uint64_t features)
{
	for (unsigned int i = 0; i < 2; i++) {
		vio_set(v, VIO_DRIVER_FEATURE_SELECT, 4, i);
		vio_set(v, VIO_DRIVER_FEATURE, 4, (uint32_t)(features >> 32 * i));
	}
}

void vnet_negotiate(struct vnet *v, struct func *f, uint64_t features)
{
	*v = (struct vnet){.f = f, .rig = f->rig, .features = features | F_VERSION_1};
	vio_set(v, VIO_STATUS, 1, 0);
	assert_int_equal(vio_status(v), 0);
	vio_set(v, VIO_STATUS, 1, ACKNOWLEDGE);
	vio_set(v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER);
	vio_accept(v, v->features);
	vio_set(v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(vio_status(v), ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

void vnet_add_queue(struct vnet *v, unsigned int index, uint16_t size, uint16_t vector)
{
	struct vq *q = &v->q[index];

	*q = (struct vq){
		.size = size,
		.index = (uint16_t)index,
		.desc = arena_alloc(v->rig, size * sizeof(struct vdesc), 16),
		.avail = arena_alloc(v->rig, 6 + 2 * size, 2),
		.used = arena_alloc(v->rig, 6 + 8 * size, 4),
	};
	vio_set(v, VIO_QUEUE_SELECT, 2, index);
	vio_set(v, VIO_QUEUE_SIZE, 2, size);
	assert_int_equal(vio_get(v, VIO_QUEUE_SIZE, 2), size);
	vio_set(v, VIO_QUEUE_VECTOR, 2, vector);
	assert_int_equal(vio_get(v, VIO_QUEUE_VECTOR, 2), vector);
	vio_set(v, VIO_QUEUE_DESC, 4, (uint32_t)iova_of(v->rig, q->desc));
	vio_set(v, VIO_QUEUE_DESC + 4, 4, iova_of(v->rig, q->desc) >> 32);
	vio_set(v, VIO_QUEUE_DRIVER, 8, iova_of(v->rig, q->avail));
	vio_set(v, VIO_QUEUE_DEVICE, 8, iova_of(v->rig, q->used));
	vio_set(v, VIO_QUEUE_ENABLE, 2, 1);
	assert_int_equal(vio_get(v, VIO_QUEUE_ENABLE, 2), 1);
}

void vnet_start(struct vnet *v, struct func *f, uint64_t features)
{
	vnet_negotiate(v, f, features);
	for (unsigned int i = 0; i < VQUEUES; i++)
		vnet_add_queue(v, i, 64, (uint16_t)i);
	vio_set(v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

void vq_offer(struct vnet *v, unsigned int index, uint16_t head)
{
	struct vq *q = &v->q[index];

	__atomic_store_n(&q->avail[2 + q->avail_idx % q->size], head, __ATOMIC_RELAXED);
	q->avail_idx++;
	__atomic_store_n(&q->avail[1], q->avail_idx, __ATOMIC_RELEASE);
}

static uint16_t flags_of(const struct vseg *s, bool last)
{
	return (s->write ? VDESC_WRITE : 0) | (last ? 0 : VDESC_NEXT);
}

uint16_t vq_add(struct vnet *v, unsigned int index, const struct vseg *seg, unsigned int n)
{
	struct vq *q = &v->q[index];
	uint16_t head = q->next_desc;

	for (unsigned int i = 0; i < n; i++) {
		uint16_t next = (uint16_t)((q->next_desc + 1) % q->size);

		q->desc[q->next_desc] = (struct vdesc){
			.addr = iova_of(v->rig, seg[i].p),
			.len = seg[i].len,
			.flags = flags_of(&seg[i], i == n - 1),
			.next = next,
		};
		q->next_desc = next;
	}
	vq_offer(v, index, head);
	return head;
}

uint16_t vq_add_indirect(struct vnet *v, unsigned int index, const struct vseg *seg, unsigned int n)
{
	struct vdesc *table = arena_alloc(v->rig, n * sizeof(*table), 16);
	struct vq *q = &v->q[index];
	uint16_t head = q->next_desc;

	/* From the last to the first, so that nobody gets away with counting. */
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = i ? n - i : 0;

		table[at] = (struct vdesc){
			.addr = iova_of(v->rig, seg[i].p),
			.len = seg[i].len,
			.flags = flags_of(&seg[i], i == n - 1),
			.next = (uint16_t)(n - i - 1),
		};
	}
	q->desc[head] = (struct vdesc){
		.addr = iova_of(v->rig, table),
		.len = (uint32_t)(n * sizeof(*table)),
		.flags = VDESC_INDIRECT,
	};
	q->next_desc = (uint16_t)((head + 1) % q->size);
	vq_offer(v, index, head);
	return head;
}

void vq_kick(struct vnet *v, unsigned int index)
{
	vio_set(v, VIO_NOTIFY + 4 * index, 2, index);
}

bool vq_take(struct vnet *v, unsigned int index, uint32_t *id, uint32_t *len)
{
	struct vq *q = &v->q[index];
	uint32_t elem[2];

	if (__atomic_load_n(&q->used[1], __ATOMIC_ACQUIRE) == q->used_idx)
		return false;
	memcpy(elem, (char *)q->used + 4 + 8 * (q->used_idx % q->size), sizeof(elem));
	q->used_idx++;
	*id = elem[0];
	*len = elem[1];
	return true;
}

void vnet_post(struct vnet *v, void *p, uint32_t len)
{
	vq_add(v, VRX, &(struct vseg){p, len, true}, 1);
	vq_kick(v, VRX);
}

void vnet_send(struct vnet *v, void *p, uint32_t len)
{
	vq_add(v, VTX, &(struct vseg){p, len, false}, 1);
	vq_kick(v, VTX);
}
