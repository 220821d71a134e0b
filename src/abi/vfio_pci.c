/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of vfio-pci on regions, and the dispatcher: semantics 13.6.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "abi/chain.h"
#include "abi/vfio_device.h"

static long get_info(struct vfio_device *d, uint64_t arg, struct caller *c)
{
	const size_t min = offsetof(struct vfio_device_info, cap_offset);
	struct vfio_device_info info = {0};
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "DINFO.1", arg, &info, min);
	if (rc)
		return rc;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return vfio_copy_out(c, device_sink(d), "DINFO.1", arg, &info,
			     min_u64(info.argsz, sizeof(info)));
}

static bool is_mappable(struct vfio_device *d, unsigned int index)
{
	const struct pci_bar *bar;

	if (index >= PCI_NUM_BARS || __atomic_load_n(&d->hdev->group->host->no_mmap, __ATOMIC_RELAXED))
		return false;
	bar = &d->pci->bars[index];
	return bar->size >= PAGE_SIZE && !bar->is_io;
}

static int put_region(struct vfio_device *d, struct vfio_region_info *info, uint64_t arg, struct caller *c)
{
	uint32_t user = info->argsz;
	struct chain chain;
	int rc = 0;

	chain_init(&chain, sizeof(*info));
	info->cap_offset = 0;
	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) && d->pci->msix_cap && info->index == d->pci->msix_bar) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		rc = chain_add(&chain, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1, "", 0);
		if (!rc && user < chain_total(&chain)) {
			info->argsz = chain_total(&chain);
		} else if (!rc) {
			info->cap_offset = chain.base;
			rc = vfio_copy_out(c, device_sink(d), "RINFO.1", arg + chain.base,
					   chain.buf, chain.len);
		}
	}
	chain_free(&chain);
	return rc ? rc : vfio_copy_out(c, device_sink(d), "RINFO.1", arg, info, sizeof(*info));
}

static long get_region_info(struct vfio_device *d, uint64_t arg, struct caller *c)
{
	struct vfio_region_info info;
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "RINFO.1", arg, &info, sizeof(info));
	if (rc)
		return rc;
	if (info.index >= VFIO_PCI_VGA_REGION_INDEX)
		return refuse(device_sink(d), EINVAL, "RINFO.2", "index", info.index,
			      "0 to 7: this device has no VGA ranges");
	info.offset = vfio_region_offset(info.index);
	info.size = vfio_region_size(d, info.index);
	info.flags = 0;
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (info.size && is_mappable(d, info.index))
		info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return put_region(d, &info, arg, c);
}

int vfio_pci_mmap(struct vfio_device *d, uint64_t len, int prot, int flags, uint64_t pos,
		  struct abi_mapping *out)
{
	uint64_t index = pos >> VFIO_PCI_OFFSET_SHIFT, off = pos & MASK(VFIO_PCI_OFFSET_SHIFT);
	const struct pci_bar *bar;
	uint64_t size;

	if (index >= VFIO_PCI_ROM_REGION_INDEX || !is_mappable(d, index))
		return refuse(device_sink(d), EINVAL, "MMAP.1", "offset", pos, "a region with the MMAP flag");
	if (!(flags & MAP_SHARED))
		return refuse(device_sink(d), EINVAL, "MMAP.2", "flags", flags, "MAP_SHARED");
	bar = &d->pci->bars[index];
	size = align_up(bar->size, PAGE_SIZE);
	if (off >= size || len > size - off)
		return refuse(device_sink(d), EINVAL, "MMAP.3", "length", len, "within the BAR's %#llx bytes",
			      (unsigned long long)size);
	*out = (struct abi_mapping){
		.mem = bar->mem + off,
		.pages = bar->pages + off / PAGE_SIZE,
		.dev = d->pci,
		.bar = index,
		.offset = off,
	};
	return 0;
}

long vfio_pci_ioctl(struct vfio_device *d, bool cdev, unsigned int cmd, uint64_t arg, struct caller *c)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return get_info(d, arg, c);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(d, arg, c);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return vfio_irq_info(d, arg, c);
	case VFIO_DEVICE_SET_IRQS:
		return vfio_set_irqs(d, arg, c);
	case VFIO_DEVICE_RESET:
		pci_reset(d->pci);
		return 0;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return vfio_hot_reset_info(d, cdev, arg, c);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return vfio_hot_reset(d, cdev, arg, c);
	case VFIO_DEVICE_IOEVENTFD:
		return vfio_ioeventfd(d, arg, c);
	default:
		return refuse(device_sink(d), ENOTTY, "DEV.0", "command", cmd, "a command of vfio-pci");
	}
}
