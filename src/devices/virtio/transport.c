/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI transport: capabilities, common configuration, notification, ISR (virtio 1.3
 * section 4.1.4).
 */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "devices/virtio/virtio.h"

#define BAR	      4
#define BAR_SIZE      0x8000
#define COMMON	      0x0000
#define ISR	      0x1000
#define DEVICE	      0x2000
#define NOTIFY	      0x3000
#define MSIX_TABLE    0x4000
#define MSIX_PBA      0x5000
#define NOTIFY_STRIDE 4

/* Common configuration, 4.1.4.3. */
#define DEVICE_FEATURE_SELECT 0x00
#define DEVICE_FEATURE	      0x04
#define DRIVER_FEATURE_SELECT 0x08
#define DRIVER_FEATURE	      0x0c
#define CONFIG_MSIX_VECTOR    0x10
#define NUM_QUEUES	      0x12
#define DEVICE_STATUS	      0x14
#define CONFIG_GENERATION     0x15
#define QUEUE_SELECT	      0x16
#define QUEUE_SIZE	      0x18
#define QUEUE_MSIX_VECTOR     0x1a
#define QUEUE_ENABLE	      0x1c
#define QUEUE_NOTIFY_OFF      0x1e
#define QUEUE_DESC	      0x20
#define QUEUE_DRIVER	      0x28
#define QUEUE_DEVICE	      0x30
#define COMMON_LEN	      0x38

#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 64

#define NO_VECTOR 0xffff

#define ISR_QUEUE  1
#define ISR_CONFIG 2

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_CFG = 5 };
/* Within the capability of type CAP_CFG. */
#define CFG_BAR	   4
#define CFG_OFFSET 8
#define CFG_LENGTH 12
#define CFG_DATA   16
#define CFG_LEN	   20

static void put16(struct pci_dev *dev, uint64_t off, uint16_t v)
{
	v = htole16(v);
	__atomic_store_n((uint16_t *)(dev->bars[BAR].mem + off), v, __ATOMIC_RELEASE);
}

static const struct virtio_setup *selected(const struct virtio_dev *v)
{
	return v->queue_select < v->type->nr_queues ? &v->setups[v->queue_select] : NULL;
}

/* What the program reads follows the state. Lock held. */
static void show(struct virtio_dev *v)
{
	static const struct virtio_setup none = {.vector = NO_VECTOR};
	const struct virtio_setup *q = selected(v) ? selected(v) : &none;
	struct pci_dev *dev = v->pci;
	uint64_t offered =
		v->feature_select < 2 ? v->type->features >> (32 * v->feature_select) : 0;
	uint64_t taken = v->driver_feature_select < 2
				 ? v->driver_features >> (32 * v->driver_feature_select)
				 : 0;

	pci_bar_store32(dev, BAR, COMMON + DEVICE_FEATURE_SELECT, v->feature_select);
	pci_bar_store32(dev, BAR, COMMON + DEVICE_FEATURE, (uint32_t)offered);
	pci_bar_store32(dev, BAR, COMMON + DRIVER_FEATURE_SELECT, v->driver_feature_select);
	pci_bar_store32(dev, BAR, COMMON + DRIVER_FEATURE, (uint32_t)taken);
	put16(dev, COMMON + CONFIG_MSIX_VECTOR, v->config_vector);
	put16(dev, COMMON + NUM_QUEUES, v->type->nr_queues);
	put16(dev, COMMON + DEVICE_STATUS, v->status); /* generation 0 in the upper byte */
	put16(dev, COMMON + QUEUE_SELECT, v->queue_select);
	put16(dev, COMMON + QUEUE_SIZE, q->size);
	put16(dev, COMMON + QUEUE_MSIX_VECTOR, q->vector);
	put16(dev, COMMON + QUEUE_ENABLE, q->enabled);
	put16(dev, COMMON + QUEUE_NOTIFY_OFF, selected(v) ? v->queue_select : 0);
	pci_bar_store64(dev, BAR, COMMON + QUEUE_DESC, q->desc);
	pci_bar_store64(dev, BAR, COMMON + QUEUE_DRIVER, q->avail);
	pci_bar_store64(dev, BAR, COMMON + QUEUE_DEVICE, q->used);
}

/* Lock held, worker outside the queues. */
static void reset_state(struct virtio_dev *v)
{
	v->driver_features = 0;
	v->feature_select = v->driver_feature_select = 0;
	v->queue_select = 0;
	v->config_vector = NO_VECTOR;
	v->status = 0;
	v->isr = 0;
	v->reset_wanted = v->changed = false;
	v->features = 0;
	memset(v->queues, 0, sizeof(v->queues));
	memset(v->setups, 0, sizeof(v->setups));
	for (unsigned int i = 0; i < v->type->nr_queues; i++) {
		v->setups[i].size = VIRTIO_QUEUE_SIZE;
		v->setups[i].vector = NO_VECTOR;
	}
	pci_set_intx(v->pci, false);
	if (v->type->reset)
		v->type->reset(v);
	memcpy(v->pci->bars[BAR].mem + DEVICE, v->config, v->type->config_len);
	show(v);
}

void virtio_reset(struct pci_dev *dev)
{
	reset_state(pci_model_data(dev));
}

void virtio_quiet(struct pci_dev *dev)
{
	struct virtio_dev *v = pci_model_data(dev);

	if (v->reset_wanted)
		reset_state(v);
}

static int add_cap(struct pci_dev *dev, uint8_t type, uint32_t off, uint32_t len)
{
	uint8_t body[20] = {0};
	uint32_t multiplier = htole32(NOTIFY_STRIDE);
	unsigned int size = type == CAP_NOTIFY ? 20 : 16;

	body[2] = (uint8_t)size;
	body[3] = type;
	body[4] = BAR;
	off = htole32(off);
	len = htole32(len);
	memcpy(body + 8, &off, 4);
	memcpy(body + 12, &len, 4);
	if (type == CAP_NOTIFY)
		memcpy(body + 16, &multiplier, 4);
	return pci_add_cap(dev, PCI_CAP_ID_VNDR, body, NULL, size) ? 0 : -ENOSPC;
}

/* 4.1.4.9: the way to the BAR for firmware that cannot map it. */
static int add_cfg_cap(struct virtio_dev *v)
{
	uint8_t body[CFG_LEN] = {[2] = CFG_LEN, [3] = CAP_CFG, [CFG_BAR] = BAR},
		wmask[CFG_LEN] = {0};

	wmask[CFG_BAR] = 0xff;
	memset(wmask + CFG_OFFSET, 0xff, CFG_LEN - CFG_OFFSET);
	v->cfg_cap = pci_add_cap(v->pci, PCI_CAP_ID_VNDR, body, wmask, sizeof(body));
	return v->cfg_cap ? 0 : -ENOSPC;
}

/* What the capability points at: 1, 2 or 4 naturally aligned bytes of our BAR. 0: nothing that can
 * be reached. */
static uint32_t cfg_target(const struct virtio_dev *v, uint32_t *off)
{
	const uint8_t *cap = v->pci->config + v->cfg_cap;
	uint32_t len;

	memcpy(off, cap + CFG_OFFSET, sizeof(*off));
	memcpy(&len, cap + CFG_LENGTH, sizeof(len));
	*off = le32toh(*off);
	len = le32toh(len);
	if (cap[CFG_BAR] != BAR || !is_pow2(len) || len > 4 || *off % len || *off >= BAR_SIZE)
		return 0;
	return len;
}

static bool meets_cfg_data(const struct virtio_dev *v, unsigned int off, unsigned int len,
			   unsigned int from)
{
	unsigned int data = v->cfg_cap + CFG_DATA;

	return off < data + 4 && data + from < off + len;
}

void virtio_config_read(struct pci_dev *dev, unsigned int off, unsigned int len)
{
	struct virtio_dev *v = pci_model_data(dev);
	uint32_t at, n = cfg_target(v, &at);

	if (n && meets_cfg_data(v, off, len, 0))
		pci_bar_read_locked(dev, BAR, at, n, dev->config + v->cfg_cap + CFG_DATA);
}

/* The write of the last byte is the one that counts, so that a write may come in pieces. */
void virtio_config_written(struct pci_dev *dev, unsigned int off, unsigned int len)
{
	struct virtio_dev *v = pci_model_data(dev);
	uint8_t data[4];
	uint32_t at, n = cfg_target(v, &at);

	if (!n || !meets_cfg_data(v, off, len, n - 1) || off >= v->cfg_cap + CFG_DATA + n)
		return;
	memcpy(data, dev->config + v->cfg_cap + CFG_DATA, sizeof(data));
	pci_bar_write_locked(dev, BAR, at, n, data);
}

int virtio_setup(struct pci_dev *dev, struct virtio_dev *v, const struct virtio_type *type)
{
	struct pci_ids ids = {
		.vendor = 0x1af4,
		.device = 0x1040 + type->id,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = type->class_code,
		.revision = 1,
		.pcie = true,
	};
	int rc;

	v->pci = dev;
	v->type = type;
	pci_set_ids(dev, &ids);
	rc = pci_add_bar(dev, BAR, BAR_SIZE, true, true);
	if (!rc)
		rc = pci_add_msix(dev, BAR, type->nr_queues + 1, MSIX_TABLE, MSIX_PBA);
	if (!rc)
		rc = add_cap(dev, CAP_COMMON, COMMON, COMMON_LEN);
	if (!rc)
		rc = add_cap(dev, CAP_ISR, ISR, 1);
	if (!rc)
		rc = add_cap(dev, CAP_DEVICE, DEVICE, type->config_len);
	if (!rc)
		rc = add_cap(dev, CAP_NOTIFY, NOTIFY, type->nr_queues * NOTIFY_STRIDE);
	if (!rc)
		rc = add_cfg_cap(v);
	if (rc)
		return rc;
	pci_set_intx_pin(dev, 1);
	/* Reading ISR clears it (4.1.4.5). */
	pci_set_page_flags(dev, BAR, ISR, PAGE_SIZE, PCI_PAGE_TRAP_READS);
	pci_set_model_data(dev, v);
	return 0;
}

uint64_t virtio_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size)
{
	struct virtio_dev *v = pci_model_data(dev);
	uint64_t val = 0;

	if (off == ISR) {
		val = v->isr;
		v->isr = 0;
		pci_set_intx(dev, false);
		return val;
	}
	memcpy(&val, dev->bars[bar].mem + off, size);
	return val;
}

/* 3.1.1: features that were not offered are not accepted, and without VERSION_1 nothing is. */
static bool features_ok(const struct virtio_dev *v)
{
	return !(v->driver_features & ~v->type->features) &&
	       (v->driver_features & VIRTIO_F_VERSION_1);
}

static bool is_running(const struct virtio_dev *v)
{
	return (v->status & (STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_NEEDS_RESET)) ==
	       (STATUS_DRIVER_OK | STATUS_FEATURES_OK);
}

static void write_status(struct virtio_dev *v, uint8_t val)
{
	if (!val) {
		v->reset_wanted = true;
		pci_when_quiet(v->pci);
		return;
	}
	if ((val & STATUS_FEATURES_OK) && !(v->status & STATUS_FEATURES_OK) && !features_ok(v))
		val &= ~STATUS_FEATURES_OK;
	/* The driver takes no bit back but by a reset (2.1.1). */
	v->status |= val & ~STATUS_NEEDS_RESET;
	if (is_running(v)) {
		v->changed = true;
		if (v->type->started)
			v->type->started(v);
		pci_kick(v->pci);
	}
}

static void write_features(struct virtio_dev *v, uint32_t val)
{
	unsigned int shift = 32 * v->driver_feature_select;

	if (v->driver_feature_select > 1 || (v->status & STATUS_FEATURES_OK))
		return;
	v->driver_features =
		(v->driver_features & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)val << shift;
}

static uint64_t merge(uint64_t old, uint64_t at, unsigned int size, uint64_t val)
{
	uint64_t mask = MASK(size * 8) << (at * 8);

	return (old & ~mask) | (val << (at * 8) & mask);
}

static void write_queue(struct virtio_dev *v, uint64_t off, unsigned int size, uint64_t val)
{
	struct virtio_setup *q;

	if (!selected(v))
		return;
	q = &v->setups[v->queue_select];
	if (off == QUEUE_MSIX_VECTOR) {
		__atomic_store_n(&q->vector, val <= v->type->nr_queues ? val : NO_VECTOR,
				 __ATOMIC_RELAXED);
		return;
	}
	if (q->enabled)
		return;
	if (off == QUEUE_SIZE && is_pow2(val) && val <= VIRTIO_QUEUE_SIZE)
		q->size = (uint16_t)val;
	else if (off == QUEUE_ENABLE && val == 1)
		q->enabled = v->changed = true;
	else if (off >= QUEUE_DESC && off < QUEUE_DRIVER)
		q->desc = merge(q->desc, off - QUEUE_DESC, size, val);
	else if (off >= QUEUE_DRIVER && off < QUEUE_DEVICE)
		q->avail = merge(q->avail, off - QUEUE_DRIVER, size, val);
	else if (off >= QUEUE_DEVICE && off < COMMON_LEN)
		q->used = merge(q->used, off - QUEUE_DEVICE, size, val);
}

static void write_common(struct virtio_dev *v, uint64_t off, unsigned int size, uint64_t val)
{
	switch (off) {
	case DEVICE_FEATURE_SELECT:
		v->feature_select = (uint32_t)val;
		break;
	case DRIVER_FEATURE_SELECT:
		v->driver_feature_select = (uint32_t)val;
		break;
	case DRIVER_FEATURE:
		write_features(v, (uint32_t)val);
		break;
	case CONFIG_MSIX_VECTOR:
		v->config_vector = val <= v->type->nr_queues ? (uint16_t)val : NO_VECTOR;
		break;
	case DEVICE_STATUS:
		write_status(v, (uint8_t)val);
		break;
	case QUEUE_SELECT:
		v->queue_select = (uint16_t)val;
		break;
	default:
		write_queue(v, off, size, val);
	}
	show(v);
}

void virtio_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
		      uint64_t val)
{
	struct virtio_dev *v = pci_model_data(dev);

	if (off < COMMON + COMMON_LEN)
		write_common(v, off, size, val);
	else if (off >= NOTIFY && off < NOTIFY + v->type->nr_queues * NOTIFY_STRIDE)
		pci_kick(dev);
}

/* With MSI-X a message, if the driver gave it a vector; else the pin, and ISR says why (4.1.4.5).
 */
static void interrupt(struct virtio_dev *v, uint16_t vector, uint8_t isr)
{
	struct pci_dev *dev = v->pci;

	if (pci_msix_enabled(dev)) {
		if (vector != NO_VECTOR)
			pci_raise(dev, vector);
		return;
	}
	pci_lock(dev);
	v->isr |= isr;
	pci_set_intx(dev, true);
	pci_unlock(dev);
}

void virtio_interrupt(struct virtio_dev *v, unsigned int index)
{
	interrupt(v, __atomic_load_n(&v->setups[index].vector, __ATOMIC_RELAXED), ISR_QUEUE);
}

void virtio_broken(struct virtio_dev *v)
{
	uint16_t vector;
	bool was;

	pci_lock(v->pci);
	was = v->status & STATUS_NEEDS_RESET;
	v->status |= STATUS_NEEDS_RESET;
	vector = v->config_vector;
	show(v);
	pci_unlock(v->pci);
	if (!was)
		interrupt(v, vector, ISR_CONFIG); /* 2.1.2 */
}

/* Lock held. */
static void copy_setups(struct virtio_dev *v)
{
	v->changed = false;
	v->features = v->driver_features;
	for (unsigned int i = 0; i < v->type->nr_queues; i++)
		if (v->setups[i].enabled && !v->queues[i].s.enabled)
			v->queues[i] = (struct virtio_queue){.s = v->setups[i]};
}

bool virtio_work(struct pci_dev *dev)
{
	struct virtio_dev *v = pci_model_data(dev);
	bool run;

	pci_lock(dev);
	run = is_running(v);
	if (run && v->changed)
		copy_setups(v);
	pci_unlock(dev);
	return run && v->type->work(v);
}
