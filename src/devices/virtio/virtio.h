/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtio over PCI, modern only: virtio 1.3 sections 2.7 (split virtqueues) and 4.1 (PCI transport).
 *
 * A device type embeds struct virtio_dev and supplies virtio_type. Registers are under the device's
 * lock; the worker uses a copy of the set-up of each queue and of the features, which it takes once
 * the driver has said DRIVER_OK and enabled the queue. A reset by DEVICE_STATUS 0 is over when the
 * write returns, since drivers of firmware do not wait for the 0 to be read.
 */
#ifndef IOAS_DEVICES_VIRTIO_VIRTIO_H
#define IOAS_DEVICES_VIRTIO_VIRTIO_H

#include "devices/pci.h"

#define VIRTIO_MAX_QUEUES 8
#define VIRTIO_QUEUE_SIZE 256
#define VIRTIO_MAX_CONFIG 64

#define VIRTIO_F_INDIRECT_DESC	 BIT(28)
#define VIRTIO_F_EVENT_IDX	 BIT(29)
#define VIRTIO_F_VERSION_1	 BIT(32)
#define VIRTIO_F_ACCESS_PLATFORM BIT(33)

struct virtio_dev;

/* As the driver set it up in the registers. */
struct virtio_setup {
	uint16_t size;
	uint16_t vector; /* read atomically by the worker */
	bool enabled;
	uint64_t desc, avail, used;
};

/* The worker's. */
struct virtio_queue {
	struct virtio_setup s;
	uint16_t last_avail; /* chains taken */
	uint16_t avail_idx;  /* the driver's index when it was last read */
	uint16_t used_idx;
	uint16_t event; /* what the driver was last asked to notify of */
	bool event_valid;
};

/* A descriptor as it lies in memory. */
struct virtio_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct virtio_type {
	uint16_t id; /* virtio device ID */
	uint32_t class_code;
	uint64_t features;
	unsigned int nr_queues, config_len;
	/* Serve the queues; true: there is more. On the worker, DRIVER_OK set. */
	bool (*work)(struct virtio_dev *v);
	/* The driver has said DRIVER_OK. Lock held. May be NULL. */
	void (*started)(struct virtio_dev *v);
	/* The device is being reset: worker outside work(), lock held. May be NULL. */
	void (*reset)(struct virtio_dev *v);
};

#define VIRTIO_MAX_CHAIN 256 /* descriptors of one chain; no queue is longer */

struct virtio_dev {
	struct pci_dev *pci;
	const struct virtio_type *type;
	uint64_t driver_features;
	uint32_t feature_select, driver_feature_select;
	uint16_t queue_select, config_vector;
	uint8_t status;
	bool reset_wanted;
	uint8_t isr;
	unsigned int cfg_cap; /* offset of the capability that reaches the BAR through configuration
				 space */
	bool changed;	      /* the worker is to copy set-ups */
	struct virtio_setup setups[VIRTIO_MAX_QUEUES];
	uint8_t config[VIRTIO_MAX_CONFIG]; /* device-specific configuration, filled by the type
					      before virtio_setup() */
	/* The worker's. */
	uint64_t features;
	struct virtio_queue queues[VIRTIO_MAX_QUEUES];
	struct virtio_desc table[VIRTIO_MAX_CHAIN]; /* an indirect one */
};

/* For pci_model: the rest of a virtio function's set-up, and its entry points; pci_model_data()
 * must be the struct virtio_dev. */
int virtio_setup(struct pci_dev *dev, struct virtio_dev *v, const struct virtio_type *type);
void virtio_reset(struct pci_dev *dev);
uint64_t virtio_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size);
void virtio_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
		      uint64_t val);
void virtio_quiet(struct pci_dev *dev);
void virtio_config_read(struct pci_dev *dev, unsigned int off, unsigned int len);
void virtio_config_written(struct pci_dev *dev, unsigned int off, unsigned int len);
bool virtio_work(struct pci_dev *dev);

/* virtqueue.c, on the worker. */

struct virtio_seg {
	uint64_t addr;
	uint32_t len;
};

/* A chain taken from the available ring: what the device reads, then what it writes. */
struct virtio_chain {
	uint16_t head;
	unsigned int nr_out, nr_in;
	struct virtio_seg seg[VIRTIO_MAX_CHAIN];
};

/* 1: *c is the next chain; 0: none; -EFAULT or -EINVAL: the driver's ring is broken
 * (DEVICE_NEEDS_RESET was set). */
int virtq_pop(struct virtio_dev *v, struct virtio_queue *q, struct virtio_chain *c);
/* Back to the queue, as if it had not been popped: only for the chain popped last. */
void virtq_unpop(struct virtio_queue *q);
/* Put a chain into the used ring at position @ahead behind the published index; virtq_publish()
 * makes them visible. */
int virtq_put(struct virtio_dev *v, struct virtio_queue *q, const struct virtio_chain *c,
	      uint32_t len, uint16_t ahead);
/* Publish @n used entries, and interrupt if the driver wants it. */
int virtq_publish(struct virtio_dev *v, struct virtio_queue *q, uint16_t n);
/* Ask the driver to notify (EVENT_IDX) of more than was seen; true when more became available
 * meanwhile. */
bool virtq_rearm(struct virtio_dev *v, struct virtio_queue *q);
/* Copy between the chain's readable (writable) bytes from @off on and @buf; returns bytes moved, or
 * -EFAULT. */
int64_t virtq_read(struct virtio_dev *v, const struct virtio_chain *c, uint32_t off, void *buf,
		   uint32_t len);
int64_t virtq_write(struct virtio_dev *v, const struct virtio_chain *c, uint32_t off,
		    const void *buf, uint32_t len);
uint64_t virtq_readable(const struct virtio_chain *c);
uint64_t virtq_writable(const struct virtio_chain *c);

/* The driver is at fault: nothing more is done until it resets the device. On the worker. */
void virtio_broken(struct virtio_dev *v);
/* Queue @index has used buffers. On the worker. */
void virtio_interrupt(struct virtio_dev *v, unsigned int index);
static inline bool virtio_has(const struct virtio_dev *v, uint64_t feature)
{
	return v->features & feature;
}

#endif
