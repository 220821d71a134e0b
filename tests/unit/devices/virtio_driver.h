/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small virtio-net driver for tests: split rings in the arena, registers by their offsets in
 * virtio 1.3 section 4.1.4.3.
 */
#ifndef TESTS_UNIT_DEVICES_VIRTIO_DRIVER_H
#define TESTS_UNIT_DEVICES_VIRTIO_DRIVER_H

#include "rig.h"

#define VIO_BAR	   4
#define VIO_ISR	   0x1000
#define VIO_DEVICE 0x2000
#define VIO_NOTIFY 0x3000

#define VIO_DEVICE_FEATURE_SELECT 0x00
#define VIO_DEVICE_FEATURE	  0x04
#define VIO_DRIVER_FEATURE_SELECT 0x08
#define VIO_DRIVER_FEATURE	  0x0c
#define VIO_CONFIG_VECTOR	  0x10
#define VIO_NUM_QUEUES		  0x12
#define VIO_STATUS		  0x14
#define VIO_QUEUE_SELECT	  0x16
#define VIO_QUEUE_SIZE		  0x18
#define VIO_QUEUE_VECTOR	  0x1a
#define VIO_QUEUE_ENABLE	  0x1c
#define VIO_QUEUE_NOTIFY_OFF	  0x1e
#define VIO_QUEUE_DESC		  0x20
#define VIO_QUEUE_DRIVER	  0x28
#define VIO_QUEUE_DEVICE	  0x30

#define ACKNOWLEDGE 1u
#define DRIVER	    2u
#define DRIVER_OK   4u
#define FEATURES_OK 8u
#define NEEDS_RESET 64u

#define F_INDIRECT  BIT(28)
#define F_EVENT_IDX BIT(29)
#define F_VERSION_1 BIT(32)
#define F_MRG_RXBUF BIT(15)
#define F_CTRL_VQ   BIT(17)
#define F_CTRL_RX   BIT(18)

enum { VRX, VTX, VCTRL, VQUEUES };

#define VDESC_NEXT     1
#define VDESC_WRITE    2
#define VDESC_INDIRECT 4

struct vdesc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vq {
	uint16_t size, index;
	struct vdesc *desc;
	uint16_t *avail; /* flags, idx, ring[size], used_event */
	uint16_t *used;	 /* flags, idx, {id32, len32}[size], avail_event */
	uint16_t next_desc, avail_idx, used_idx;
};

struct vnet {
	struct func *f;
	struct rig *rig;
	uint64_t features;
	struct vq q[VQUEUES];
};

/* A piece of a chain. */
struct vseg {
	void *p;
	uint32_t len;
	bool write;
};

uint64_t vio_get(struct vnet *v, uint64_t off, unsigned int size);
void vio_set(struct vnet *v, uint64_t off, unsigned int size, uint64_t val);
uint64_t vio_offered(struct vnet *v);
void vio_accept(struct vnet *v, uint64_t features);

/* From reset to FEATURES_OK, asserted. */
void vnet_negotiate(struct vnet *v, struct func *f, uint64_t features);
void vnet_add_queue(struct vnet *v, unsigned int index, uint16_t size, uint16_t vector);
/* All of it, queues of 64 with vectors 0, 1 and 2, and DRIVER_OK. */
void vnet_start(struct vnet *v, struct func *f, uint64_t features);
static inline uint8_t vio_status(struct vnet *v)
{
	return (uint8_t)vio_get(v, VIO_STATUS, 1);
}

/* Adds a chain and makes it available; its head. The driver keeps no account of free descriptors:
 * the ring goes round. */
uint16_t vq_add(struct vnet *v, unsigned int index, const struct vseg *seg, unsigned int n);
uint16_t vq_add_indirect(struct vnet *v, unsigned int index, const struct vseg *seg,
			 unsigned int n);
/* Makes descriptor @head available, whatever it is. */
void vq_offer(struct vnet *v, unsigned int index, uint16_t head);
void vq_kick(struct vnet *v, unsigned int index);
/* The next used element, if there is one. */
bool vq_take(struct vnet *v, unsigned int index, uint32_t *id, uint32_t *len);

/* One buffer of @len for reception, and one frame (its 12 bytes of header first) for transmission.
 */
void vnet_post(struct vnet *v, void *p, uint32_t len);
void vnet_send(struct vnet *v, void *p, uint32_t len);
#define VNET_HDR 12u

#endif
