/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine asks about the program's memory when it pins some, written down.
 */
#include "dma/dma.h"
#include "devices/pci.h"
#include "object/host.h"
#include "observe/record_private.h"

static int record_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	struct recorder *rec = arg;
	int rc = rec->cfg.memory_ops->probe(rec->cfg.memory_arg, va, len, how);

	RECORD_PART(rec, probe, .va = va, .len = len, .how = how, .rc = rc);
	return rc;
}

static uint64_t device_of(const struct memory_vma *v)
{
	const struct pci_dev *dev;
	const struct host_device *d;

	if (v->kind != VMA_BAR)
		return LOG_NO_DEVICE;
	dev = container_of(v->bar.device, struct pci_dev, peer);
	d = requester_owner(dev->cfg.requester);
	return d ? d->cdev : LOG_NO_DEVICE;
}

static int record_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	struct recorder *rec = arg;
	int rc = rec->cfg.memory_ops->vma(rec->cfg.memory_arg, va, out);

	if (rc)
		RECORD_PART(rec, vma, .va = va, .rc = rc);
	else
		RECORD_PART(rec, vma, .va = va, .start = out->start, .last = out->last,
			    .kind = out->kind,
			    .access = (out->read ? 1u : 0) | (out->write ? 2u : 0), .dev = out->dev,
			    .ino = out->ino, .offset = out->offset, .device = device_of(out),
			    .bar = out->bar.region, .bar_offset = out->bar.offset);
	return rc;
}

static int record_copy(void *arg, void *dst, const void *src, size_t len)
{
	const struct recorder *rec = arg;

	return rec->cfg.memory_ops->copy(rec->cfg.memory_arg, dst, src, len);
}

static int record_exchange(void *arg, uint64_t *at, uint64_t *is, uint64_t to)
{
	const struct recorder *rec = arg;

	return rec->cfg.memory_ops->exchange(rec->cfg.memory_arg, at, is, to);
}

const struct memory_ops recorder_memory_ops = {
	.probe = record_probe,
	.vma = record_vma,
	.copy = record_copy,
	.exchange = record_exchange,
};
