/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_IOEVENTFD: a write to a BAR whenever the program signals an eventfd.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/vfio_device.h"
#include "base/alloc.h"

#define MAX_IOEVENTFDS 1000

struct ioeventfd {
	struct list link;
	struct vfio_device *d;
	struct abi_eventfd *eventfd;
	unsigned int bar, size;
	uint64_t pos, offset, data; /* pos: as the caller gave it */
};

static void signalled(void *arg)
{
	struct ioeventfd *io = arg;

	if (pci_memory_enabled(io->d->pci))
		pci_bar_write(io->d->pci, io->bar, io->offset, io->size, &io->data);
}

static void remove_ioeventfd(struct ioeventfd *io)
{
	io->eventfd->ops->put(io->eventfd);
	list_del(&io->link);
	io->d->nr_ioeventfds--;
	ioas_free(io);
}

void vfio_ioeventfds_close(struct vfio_device *d)
{
	struct list *pos, *tmp;

	list_for_each(pos, tmp, &d->ioeventfds)
		remove_ioeventfd(list_entry(pos, struct ioeventfd, link));
}

static struct ioeventfd *find(struct vfio_device *d, const struct vfio_device_ioeventfd *cmd, unsigned int size)
{
	struct list *pos, *tmp;

	list_for_each(pos, tmp, &d->ioeventfds) {
		struct ioeventfd *io = list_entry(pos, struct ioeventfd, link);

		if (io->pos == cmd->offset && io->data == cmd->data && io->size == size)
			return io;
	}
	return NULL;
}

static int add(struct vfio_device *d, const struct vfio_device_ioeventfd *cmd, unsigned int size, struct caller *c)
{
	struct ioeventfd *io;
	int rc;

	if (cmd->fd < 0)
		return refuse(device_sink(d), ENODEV, "IOE.4", "fd", (uint64_t)cmd->fd, "one that is there");
	if (d->nr_ioeventfds >= MAX_IOEVENTFDS)
		return refuse(device_sink(d), ENOSPC, "IOE.5", "fd", (uint64_t)cmd->fd, "at most %d", MAX_IOEVENTFDS);
	io = ioas_calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;
	*io = (struct ioeventfd){
		.d = d,
		.bar = cmd->offset >> VFIO_PCI_OFFSET_SHIFT,
		.offset = cmd->offset & MASK(VFIO_PCI_OFFSET_SHIFT),
		.pos = cmd->offset,
		.data = cmd->data,
		.size = size,
	};
	rc = c->ops->eventfd_get(c, cmd->fd, &io->eventfd);
	if (rc) {
		ioas_free(io);
		return refuse(device_sink(d), -rc, "IOE.5", "fd", (uint64_t)cmd->fd, "an eventfd");
	}
	list_add_tail(&d->ioeventfds, &io->link);
	d->nr_ioeventfds++;
	rc = io->eventfd->ops->watch(io->eventfd, signalled, io);
	if (rc)
		remove_ioeventfd(io);
	return rc;
}

static int check(struct vfio_device *d, const struct vfio_device_ioeventfd *cmd, unsigned int size)
{
	uint64_t index = cmd->offset >> VFIO_PCI_OFFSET_SHIFT;
	uint64_t off = cmd->offset & MASK(VFIO_PCI_OFFSET_SHIFT);
	struct pci_dev *pci = d->pci;
	uint64_t end;

	if (index >= PCI_NUM_BARS)
		return refuse(device_sink(d), EINVAL, "IOE.2", "offset", cmd->offset, "an offset in a BAR");
	if (off >= pci->bars[index].size || size > pci->bars[index].size - off)
		return refuse(device_sink(d), EINVAL, "IOE.2", "offset", cmd->offset, "within the BAR's %#llx bytes",
			      (unsigned long long)pci->bars[index].size);
	end = pci->msix_table + (uint64_t)pci->msix_vectors * 16;
	if (pci->msix_cap && index == pci->msix_bar && off < end && off + size > pci->msix_table)
		return refuse(device_sink(d), EINVAL, "IOE.2", "offset", cmd->offset, "outside the MSI-X table");
	return 0;
}

long vfio_ioeventfd(struct vfio_device *d, uint64_t arg, struct caller *c)
{
	const size_t min = offsetof(struct vfio_device_ioeventfd, reserved);
	struct vfio_device_ioeventfd cmd;
	struct ioeventfd *old;
	unsigned int size;
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "IOE.1", arg, &cmd, min);
	if (rc)
		return rc;
	if (cmd.flags & ~(uint32_t)VFIO_DEVICE_IOEVENTFD_SIZE_MASK || !is_pow2(cmd.flags))
		return refuse(device_sink(d), EINVAL, "IOE.1", "flags", cmd.flags, "one of 8 1, 16 2, 32 4, 64 8");
	if (cmd.fd < -1)
		return refuse(device_sink(d), EINVAL, "IOE.1", "fd", (uint64_t)cmd.fd, "an eventfd, or -1");
	size = cmd.flags; /* the flag of 8 << n bits is 1 << n, which is its bytes */
	rc = check(d, &cmd, size);
	if (rc)
		return rc;
	pthread_mutex_lock(&d->lock);
	old = find(d, &cmd, size);
	if (!old)
		rc = add(d, &cmd, size, c);
	else if (cmd.fd < 0)
		remove_ioeventfd(old);
	else
		rc = refuse(device_sink(d), EEXIST, "IOE.3", "offset", cmd.offset, "another offset, data or size");
	pthread_mutex_unlock(&d->lock);
	return rc;
}
