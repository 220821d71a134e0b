/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO devices, opened through their cdev and bound to a context: a model of the host's, or real
 * hardware on the kernel.
 *
 * Numbers of regions and interrupts are VFIO's (<ioas/abi/vfio.h>: VFIO_PCI_BAR0_REGION_INDEX,
 * ...).
 */
#ifndef IOAS_DEVICE_H
#define IOAS_DEVICE_H

#include <ioas/types.h>

IOAS_BEGIN

/**
 * ioas_device_open() - open and bind a device
 * @name: "vfio3", or the whole path "/dev/vfio/devices/vfio3"
 * @token: 16 bytes that a virtual function, or one that has some, may want; else NULL
 *
 * -ENOENT: no such device; -EBUSY, -EPERM: another owns its group; -EACCES: the token.
 */
IOAS_API int ioas_device_open(struct ioas_context *c, const char *name, const uint8_t *token,
			      struct ioas_device **out);
/* Detaches and closes. No DMA of it is under way afterwards. */
IOAS_API void ioas_device_close(struct ioas_device *d);

/* Its id as an object of the context. */
IOAS_API uint32_t ioas_device_id(const struct ioas_device *d);
/* Its file: for commands that have no call here, with ioas_context_ioctl(). */
IOAS_API int ioas_device_file(const struct ioas_device *d);

/**
 * ioas_device_attach() - attach to an IOAS or HWPT
 * @pt_id: receives the HWPT that it came to
 *
 * Attached already, it is moved in one step. -ENOENT; -EINVAL: this cannot be attached;
 * -EADDRINUSE: an area lies where its IOMMU has none; -EBUSY: another device of the group is
 * elsewhere.
 */
IOAS_API int ioas_device_attach(struct ioas_device *d, uint32_t *pt_id);
/* No DMA is under way afterwards; 0 also when it was not attached. */
IOAS_API int ioas_device_detach(struct ioas_device *d);
/* The same for one PASID. -EOPNOTSUPP: the IOMMU has none; -EINVAL: 0, or no HWPT for PASIDs. */
IOAS_API int ioas_device_attach_pasid(struct ioas_device *d, uint32_t pasid, uint32_t *pt_id);
IOAS_API int ioas_device_detach_pasid(struct ioas_device *d, uint32_t pasid);

/* -ENOTTY, -EINVAL: it cannot be reset. No DMA of it is under way afterwards. */
IOAS_API int ioas_device_reset(struct ioas_device *d);

struct ioas_device_info {
	uint32_t flags; /* VFIO_DEVICE_FLAGS_ */
	uint32_t num_regions, num_irqs;
};
IOAS_API int ioas_device_get_info(struct ioas_device *d, struct ioas_device_info *info);

struct ioas_region {
	uint32_t flags;	 /* VFIO_REGION_INFO_FLAG_ */
	uint64_t size;	 /* bytes; 0: there is none */
	uint64_t offset; /* in the device's file */
};
/* -EINVAL: @index. */
IOAS_API int ioas_device_get_region(struct ioas_device *d, uint32_t index, struct ioas_region *r);

/**
 * ioas_device_read(), ioas_device_write() - registers, and configuration space
 * @region: index
 * @at, @len: bytes in it; naturally aligned 1, 2, 4 and (BARs) 8 bytes are one access
 *
 * The bytes that were moved. -EINVAL: beyond the region; -EIO: memory space is off.
 */
IOAS_API ssize_t ioas_device_read(struct ioas_device *d, uint32_t region, uint64_t at, void *buf,
				  size_t len);
IOAS_API ssize_t ioas_device_write(struct ioas_device *d, uint32_t region, uint64_t at,
				   const void *buf, size_t len);

/**
 * ioas_device_map() - map whole pages of a region into the process
 *
 * Where the region has VFIO_REGION_INFO_FLAG_MMAP: on the kernel only, since a host's models see
 * what is read and written through calls. -EINVAL: this region, or these pages, not. munmap(2) ends
 * it.
 */
IOAS_API int ioas_device_map(struct ioas_device *d, uint32_t region, uint64_t at, size_t len,
			     void **out);

struct ioas_irq {
	uint32_t flags; /* VFIO_IRQ_INFO_ */
	uint32_t count; /* vectors */
};
/* -EINVAL: @index. */
IOAS_API int ioas_device_get_irq(struct ioas_device *d, uint32_t index, struct ioas_irq *irq);

/**
 * ioas_device_set_irqs() - signal eventfds of the process for vectors [start, start + n)
 * @fds: one for each vector, -1: none; duplicated. @n 0 with NULL: none for any vector, the
 * interrupt is off
 *
 * -EINVAL: no such vectors; -EBADF.
 */
IOAS_API int ioas_device_set_irqs(struct ioas_device *d, uint32_t index, uint32_t start, uint32_t n,
				  const int *fds);

enum ioas_irq_action { IOAS_IRQ_MASK, IOAS_IRQ_UNMASK, IOAS_IRQ_TRIGGER };

/* Masks, unmasks, or triggers as the device would, vectors [start, start + n). -EINVAL, -ENOTTY. */
IOAS_API int ioas_device_irq(struct ioas_device *d, uint32_t index, enum ioas_irq_action action,
			     uint32_t start, uint32_t n);

/**
 * ioas_device_feature() - VFIO_DEVICE_FEATURE
 * @flags: VFIO_DEVICE_FEATURE_ number and GET, SET or PROBE
 * @data, @len: the feature's structure in and out, in bytes
 *
 * -ENOTTY: it has no such feature; -EINVAL.
 */
IOAS_API int ioas_device_feature(struct ioas_device *d, uint32_t flags, void *data, size_t len);

IOAS_END
#endif
