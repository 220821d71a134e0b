/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of a VFIO device: GET_IRQ_INFO and SET_IRQS (13.6).
 *
 * INTx, MSI and MSI-X exclude each other. A vector is an eventfd of the program, or none. INTx masks itself when it fires
 * and fires again when it is unmasked while the pin is still up.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "abi/vfio_device.h"
#include "base/alloc.h"
#include "base/observe.h"

#define NONE (-1)

static void put_eventfd(struct abi_eventfd *e)
{
	if (e)
		e->ops->put(e);
}

/* irqs->lock held. */
static void signal_vector(struct vfio_device *d, unsigned int index, unsigned int vector)
{
	struct abi_eventfd *e = d->irqs.vectors[vector];

	if (!e)
		return;
	OBSERVE(device_sink(d), interrupt, d->hdev, index, vector, d->hdev->name);
	e->ops->signal(e);
}

/* Called by the model's worker; irqs.lock keeps the eventfd alive. */
static void raise_vector(void *arg, enum pci_irq kind, unsigned int vector)
{
	struct vfio_device *d = arg;
	struct vfio_irqs *irqs = &d->irqs;

	pthread_mutex_lock(&irqs->lock);
	if (irqs->kind == (int)kind && vector < irqs->nr_vectors && !(kind == PCI_INTX && irqs->intx_masked)) {
		if (kind == PCI_INTX)
			irqs->intx_masked = true;
		signal_vector(d, kind, vector);
	}
	pthread_mutex_unlock(&irqs->lock);
}

static void lower_intx(void *arg)
{
}

static const struct pci_irq_ops vfio_irq_ops = {
	.raise = raise_vector,
	.lower = lower_intx,
};

int vfio_irqs_init(struct vfio_device *d)
{
	d->irqs.kind = NONE;
	pthread_mutex_init(&d->irqs.lock, NULL);
	pci_set_irq_ops(d->pci, &vfio_irq_ops, d);
	return 0;
}

/* Replaces the set of vectors by nothing. d->lock held, or the last close. */
static void disable(struct vfio_device *d)
{
	struct vfio_irqs *irqs = &d->irqs;
	struct abi_eventfd **vectors, *unmask;
	unsigned int n;
	int kind;

	pthread_mutex_lock(&irqs->lock);
	kind = irqs->kind;
	vectors = irqs->vectors;
	n = irqs->nr_vectors;
	unmask = irqs->unmask;
	irqs->kind = NONE;
	irqs->vectors = NULL;
	irqs->nr_vectors = 0;
	irqs->unmask = NULL;
	irqs->intx_masked = false;
	pthread_mutex_unlock(&irqs->lock);
	if (kind != NONE)
		pci_irq_enable(d->pci, kind, false);
	for (unsigned int i = 0; i < n; i++)
		put_eventfd(vectors[i]);
	ioas_free(vectors);
	put_eventfd(unmask);
}

void vfio_irqs_close(struct vfio_device *d)
{
	pci_set_irq_ops(d->pci, NULL, NULL);
	disable(d);
	put_eventfd(d->irqs.err);
	put_eventfd(d->irqs.req);
	pthread_mutex_destroy(&d->irqs.lock);
}

static int enable(struct vfio_device *d, enum pci_irq kind, unsigned int n)
{
	struct vfio_irqs *irqs = &d->irqs;
	struct abi_eventfd **vectors = ioas_calloc(n, sizeof(*vectors));

	if (!vectors)
		return -ENOMEM;
	pthread_mutex_lock(&irqs->lock);
	irqs->vectors = vectors;
	irqs->nr_vectors = n;
	irqs->kind = kind;
	irqs->intx_masked = false;
	pthread_mutex_unlock(&irqs->lock);
	return 0;
}

/* What SET_IRQS brought: @data holds @count bytes or fds, or nothing. */
struct set_irqs {
	struct vfio_device *d;
	struct caller *caller;
	unsigned int index, start, count;
	uint32_t type; /* VFIO_IRQ_SET_DATA_ */
	uint8_t *data;
};

static int32_t fd_of(const struct set_irqs *s, unsigned int i)
{
	int32_t fd;

	memcpy(&fd, s->data + i * sizeof(fd), sizeof(fd));
	return fd;
}

static int get_eventfd(const struct set_irqs *s, int32_t fd, struct abi_eventfd **out)
{
	int rc;

	*out = NULL;
	if (fd < 0)
		return 0;
	rc = s->caller->ops->eventfd_get(s->caller, fd, out);
	return rc ? refuse(device_sink(s->d), -rc, "IRQ.FD", "data", (uint64_t)fd, "an eventfd, or -1") : 0;
}

static int put_vector(const struct set_irqs *s, unsigned int vector, int32_t fd)
{
	struct vfio_irqs *irqs = &s->d->irqs;
	struct abi_eventfd *e, **vectors, *old;
	int rc;

	rc = get_eventfd(s, fd, &e);
	if (rc)
		return rc;
	pthread_mutex_lock(&irqs->lock);
	if (vector >= irqs->nr_vectors) {
		vectors = ioas_realloc(irqs->vectors, (vector + 1) * sizeof(*vectors));
		if (!vectors) {
			pthread_mutex_unlock(&irqs->lock);
			put_eventfd(e);
			return -ENOMEM;
		}
		memset(vectors + irqs->nr_vectors, 0, (vector + 1 - irqs->nr_vectors) * sizeof(*vectors));
		irqs->vectors = vectors;
		irqs->nr_vectors = vector + 1;
	}
	old = irqs->vectors[vector];
	irqs->vectors[vector] = e;
	pthread_mutex_unlock(&irqs->lock);
	put_eventfd(old);
	return 0;
}

static bool asks_disable(const struct set_irqs *s)
{
	return !s->count && s->type == VFIO_IRQ_SET_DATA_NONE;
}

static int is_off(const struct set_irqs *s)
{
	return refuse(device_sink(s->d), EINVAL, "IRQ.OFF", "index", s->index, "an interrupt that is on");
}

static int is_other(const struct set_irqs *s)
{
	return refuse(device_sink(s->d), EINVAL, "IRQ.OTHER", "index", s->index,
		      "one kind of interrupt at a time; for INTx start 0 and count 1");
}

static void unmask_intx(struct vfio_device *d)
{
	pthread_mutex_lock(&d->irqs.lock);
	d->irqs.intx_masked = false;
	pthread_mutex_unlock(&d->irqs.lock);
	if (pci_intx_asserted(d->pci))
		raise_vector(d, PCI_INTX, 0);
}

static bool intx_named(const struct set_irqs *s)
{
	return s->d->irqs.kind == PCI_INTX && s->start == 0 && s->count == 1;
}

static int intx_mask(const struct set_irqs *s)
{
	if (!intx_named(s))
		return is_off(s);
	if (s->type == VFIO_IRQ_SET_DATA_EVENTFD)
		return refuse(device_sink(s->d), ENOTTY, "IRQ.MASK", "flags", s->type, "DATA_NONE or DATA_BOOL");
	if (s->type == VFIO_IRQ_SET_DATA_BOOL && !s->data[0])
		return 0;
	pthread_mutex_lock(&s->d->irqs.lock);
	s->d->irqs.intx_masked = true;
	pthread_mutex_unlock(&s->d->irqs.lock);
	return 0;
}

static void unmask_signalled(void *arg)
{
	unmask_intx(arg);
}

/* An eventfd that unmasks: the door watches it. */
static int intx_unmask_by(const struct set_irqs *s)
{
	struct abi_eventfd *e, *old;
	int rc;

	rc = get_eventfd(s, fd_of(s, 0), &e);
	if (!rc && e)
		rc = e->ops->watch(e, unmask_signalled, s->d);
	if (rc) {
		put_eventfd(e);
		return rc;
	}
	old = s->d->irqs.unmask;
	s->d->irqs.unmask = e;
	put_eventfd(old);
	return 0;
}

static int intx_unmask(const struct set_irqs *s)
{
	if (!intx_named(s))
		return is_off(s);
	if (s->type == VFIO_IRQ_SET_DATA_EVENTFD)
		return intx_unmask_by(s);
	if (s->type == VFIO_IRQ_SET_DATA_NONE || s->data[0])
		unmask_intx(s->d);
	return 0;
}

/* By the program's wish: neither does the mask keep it back nor does it mask, as it would if the pin rose. */
static void signal_intx(struct vfio_device *d)
{
	struct vfio_irqs *irqs = &d->irqs;
	uint16_t command;

	pci_config_read(d->pci, PCI_COMMAND, sizeof(command), &command);
	pthread_mutex_lock(&irqs->lock);
	if (!(command & PCI_COMMAND_INTX_DISABLE))
		signal_vector(d, PCI_INTX, 0);
	pthread_mutex_unlock(&irqs->lock);
}

static int intx_trigger(const struct set_irqs *s)
{
	bool on = s->d->irqs.kind == PCI_INTX;
	int rc = 0;

	if (on && asks_disable(s)) {
		disable(s->d);
		return 0;
	}
	if ((!on && s->d->irqs.kind != NONE) || s->start || s->count != 1)
		return is_other(s);
	if (s->type == VFIO_IRQ_SET_DATA_EVENTFD) {
		if (!on)
			rc = enable(s->d, PCI_INTX, 1);
		if (!rc)
			rc = put_vector(s, 0, fd_of(s, 0));
		if (rc && !on)
			disable(s->d);
		if (!rc && !on) {
			pci_irq_enable(s->d->pci, PCI_INTX, true);
			unmask_intx(s->d);
		}
		return rc;
	}
	if (!on)
		return is_off(s);
	if (s->type == VFIO_IRQ_SET_DATA_NONE || s->data[0])
		signal_intx(s->d);
	return 0;
}

static int set_block(const struct set_irqs *s)
{
	int rc = 0;
	unsigned int i;

	for (i = 0; i < s->count && !rc; i++)
		rc = put_vector(s, s->start + i, fd_of(s, i));
	/* As the kernel does: those of this call are taken back. */
	for (unsigned int j = 0; rc && j < i; j++)
		put_vector(s, s->start + j, -1);
	return rc;
}

static int msi_trigger(const struct set_irqs *s)
{
	enum pci_irq kind = s->index == VFIO_PCI_MSI_IRQ_INDEX ? PCI_MSI : PCI_MSIX;
	bool on = s->d->irqs.kind == (int)kind;
	int rc = 0;

	if (on && asks_disable(s)) {
		disable(s->d);
		return 0;
	}
	if (!on && s->d->irqs.kind != NONE)
		return is_other(s);
	if (s->type == VFIO_IRQ_SET_DATA_EVENTFD) {
		if (on)
			return set_block(s);
		if (!(s->start + s->count))
			return refuse(device_sink(s->d), ERANGE, "IRQ.COUNT", "count", 0, "at least one vector");
		rc = enable(s->d, kind, s->start + s->count);
		if (!rc)
			rc = set_block(s);
		if (rc)
			disable(s->d);
		else
			pci_irq_enable(s->d->pci, kind, true);
		return rc;
	}
	if (!on)
		return is_off(s);
	for (unsigned int i = 0; i < s->count; i++)
		if (s->type == VFIO_IRQ_SET_DATA_NONE || s->data[i])
			raise_vector(s->d, kind, s->start + i);
	return 0;
}

/* ERR and REQ: one eventfd each, beside whatever else is on. */
static int single_trigger(const struct set_irqs *s)
{
	struct vfio_irqs *irqs = &s->d->irqs;
	struct abi_eventfd **slot = s->index == VFIO_PCI_ERR_IRQ_INDEX ? &irqs->err : &irqs->req;
	struct abi_eventfd *e, *old;
	int rc;

	if (s->start || s->count > 1)
		return is_other(s);
	if (s->type == VFIO_IRQ_SET_DATA_NONE) {
		if (!*slot)
			return is_off(s);
		if (s->count) {
			(*slot)->ops->signal(*slot);
		} else {
			put_eventfd(*slot);
			*slot = NULL;
		}
		return 0;
	}
	if (!s->count)
		return is_other(s);
	if (s->type == VFIO_IRQ_SET_DATA_BOOL) {
		if (s->data[0] && *slot)
			(*slot)->ops->signal(*slot);
		return 0;
	}
	rc = get_eventfd(s, fd_of(s, 0), &e);
	if (rc)
		return rc;
	old = *slot;
	*slot = e;
	put_eventfd(old);
	return 0;
}

void vfio_irqs_request(struct vfio_device *d)
{
	pthread_mutex_lock(&d->lock);
	if (d->irqs.req)
		d->irqs.req->ops->signal(d->irqs.req);
	pthread_mutex_unlock(&d->lock);
}

static int act(const struct set_irqs *s, uint32_t action)
{
	switch (s->index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_MASK)
			return intx_mask(s);
		if (action == VFIO_IRQ_SET_ACTION_UNMASK)
			return intx_unmask(s);
		if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
			return intx_trigger(s);
		break;
	case VFIO_PCI_MSI_IRQ_INDEX:
	case VFIO_PCI_MSIX_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
			return msi_trigger(s);
		break;
	case VFIO_PCI_ERR_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_TRIGGER && s->d->pci->pcie_cap)
			return single_trigger(s);
		break;
	case VFIO_PCI_REQ_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
			return single_trigger(s);
		break;
	}
	return refuse(device_sink(s->d), ENOTTY, "IRQ.ACTION", "flags", action, "one action that this index has");
}

static unsigned int available(struct vfio_device *d, unsigned int index)
{
	return pci_irq_count(d->pci, (enum pci_irq)index);
}

static unsigned int data_size(uint32_t type)
{
	switch (type) {
	case VFIO_IRQ_SET_DATA_NONE:
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		return 1;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return sizeof(int32_t);
	default:
		return UINT32_MAX;
	}
}

#define SET_MIN offsetof(struct vfio_irq_set, data)

static int check_set(struct vfio_device *d, const struct vfio_irq_set *h, size_t *len)
{
	const uint32_t known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	const struct sink *sink = device_sink(d);
	unsigned int max, each;

	if (h->index >= VFIO_PCI_NUM_IRQS)
		return refuse(sink, EINVAL, "IRQ.1", "index", h->index, "0 to 4");
	if (h->count >= UINT32_MAX - h->start)
		return refuse(sink, EINVAL, "IRQ.1", "count", h->count, "start + count below 2^32-1");
	if (h->flags & ~known)
		return refuse(sink, EINVAL, "IRQ.1", "flags", h->flags, "one DATA_ and one ACTION_ flag");
	max = available(d, h->index);
	if (h->start >= max || h->start + h->count > max)
		return refuse(sink, EINVAL, "IRQ.1", "start", h->start, "vectors 0 to %u; count is %u", max, h->count);
	each = data_size(h->flags & VFIO_IRQ_SET_DATA_TYPE_MASK);
	if (each == UINT32_MAX)
		return refuse(sink, EINVAL, "IRQ.1", "flags", h->flags, "exactly one DATA_ flag");
	*len = (size_t)each * h->count;
	if (h->argsz - SET_MIN < *len)
		return refuse(sink, EINVAL, "IRQ.2", "argsz", h->argsz, "%zu", SET_MIN + *len);
	return 0;
}

long vfio_set_irqs(struct vfio_device *d, uint64_t arg, struct caller *c)
{
	struct set_irqs s = {.d = d, .caller = c};
	struct vfio_irq_set h;
	size_t len = 0;
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "IRQ.1", arg, &h, SET_MIN);
	if (!rc)
		rc = check_set(d, &h, &len);
	if (rc)
		return rc;
	s.index = h.index;
	s.start = h.start;
	s.count = h.count;
	s.type = h.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	s.data = ioas_malloc(len + 1);
	if (!s.data)
		return -ENOMEM;
	if (copy_in(c, s.data, arg + SET_MIN, len)) {
		rc = refuse(device_sink(d), EFAULT, "IRQ.2", "data", arg, "%zu readable bytes", len);
	} else {
		pthread_mutex_lock(&d->lock);
		rc = act(&s, h.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK);
		pthread_mutex_unlock(&d->lock);
	}
	ioas_free(s.data);
	return rc;
}

long vfio_irq_info(struct vfio_device *d, uint64_t arg, struct caller *c)
{
	struct vfio_irq_info info;
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "IINFO.1", arg, &info, sizeof(info));
	if (rc)
		return rc;
	if (info.index >= VFIO_PCI_NUM_IRQS ||
	    (info.index == VFIO_PCI_ERR_IRQ_INDEX && !d->pci->pcie_cap))
		return refuse(device_sink(d), EINVAL, "IINFO.2", "index", info.index,
			      "0 to 4; 3 (ERR) on PCI Express only");
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = available(d, info.index);
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info.index != VFIO_PCI_MSIX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	return vfio_copy_out(c, device_sink(d), "IINFO.1", arg, &info, sizeof(info));
}
