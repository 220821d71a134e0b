/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: a device of the embedder's own, as the IOMMU sees it. Its DMA is safe against a hostile
 * guest: every access is translated and checked.
 */
#ifndef IOAS_PORT_H
#define IOAS_PORT_H

#include <ioas/types.h>

IOAS_BEGIN

/**
 * ioas_port_create() - add a device to the host
 * @requester_id: unique within the host; the device gets a group of its own
 *
 * -EEXIST. One thread at a time adds to a host or takes from it.
 */
IOAS_API int ioas_port_create(struct ioas_host *h, uint32_t requester_id, struct ioas_port **out);
/*
 * Unbinds it first, and is over when no DMA of it is under way. Outside of a stretch
 * (ioas_port_begin()); its group is not open. ioas_host_destroy() does it for all.
 */
IOAS_API void ioas_port_destroy(struct ioas_port *p);

/**
 * ioas_port_set_pasid_bits() - the port can put PASIDs on the bus
 * @bits: of them, at most 20; 0, as at first: none. The IOMMU may have fewer: see
 * ioas_get_hw_info()
 *
 * -EINVAL; -EBUSY: it is bound.
 */
IOAS_API int ioas_port_set_pasid_bits(struct ioas_port *p, unsigned int bits);

/**
 * ioas_port_bind() - as VFIO_DEVICE_BIND_IOMMUFD
 * @fd: a file number of /dev/iommu: ioas_open()'s, or ioas_context_file()'s
 * @dev_id: receives the id of the DEVICE object there; may be NULL
 *
 * -EINVAL: it is bound; -EBADF, -EBADFD: no such file. One thread at a time binds and attaches a
 * port.
 */
IOAS_API int ioas_port_bind(struct ioas_port *p, int fd, uint32_t *dev_id);
/* Also detaches. No DMA is under way afterwards. */
IOAS_API void ioas_port_unbind(struct ioas_port *p);

/**
 * ioas_port_attach() - as VFIO_DEVICE_ATTACH_IOMMUFD_PT
 * @pt_id: an IOAS or HWPT; receives the HWPT that it came to
 *
 * Attached already, it is moved in one step. -EINVAL: not bound, or what cannot be attached;
 * -ENOENT; -EADDRINUSE: an area lies where this IOMMU has none.
 */
IOAS_API int ioas_port_attach(struct ioas_port *p, uint32_t *pt_id);
/* No DMA is under way afterwards. */
IOAS_API void ioas_port_detach(struct ioas_port *p);
/* The same for one PASID. -EOPNOTSUPP: the IOMMU has none; -EINVAL: 0, too wide, no HWPT for
 * PASIDs. */
IOAS_API int ioas_port_attach_pasid(struct ioas_port *p, uint32_t pasid, uint32_t *pt_id);
IOAS_API void ioas_port_detach_pasid(struct ioas_port *p, uint32_t pasid);

/**
 * ioas_port_begin(), ioas_port_end() - bracket a stretch of DMA
 *
 * One thread at a time uses a port. Outside of a stretch the port costs nobody who changes mappings
 * anything; inside, who unmaps waits for its next access, so do not wait for others there.
 */
IOAS_API void ioas_port_begin(struct ioas_port *p);
IOAS_API void ioas_port_end(struct ioas_port *p);

/**
 * ioas_port_read(), ioas_port_write() - DMA, within a stretch
 * @len: bytes; naturally aligned accesses of 1, 2, 4 and 8 bytes are single-copy atomic in memory
 * that is registered or has a pointer (memory.h)
 *
 * -EFAULT: refused, or the memory has gone, and reported to the host's fault callback; some bytes
 * may have been moved.
 */
IOAS_API int ioas_port_read(struct ioas_port *p, uint64_t iova, void *dst, size_t len);
IOAS_API int ioas_port_write(struct ioas_port *p, uint64_t iova, const void *src, size_t len);
/* The same with a PASID, attached or not; 0: without. */
IOAS_API int ioas_port_read_pasid(struct ioas_port *p, uint32_t pasid, uint64_t iova, void *dst,
				  size_t len);
IOAS_API int ioas_port_write_pasid(struct ioas_port *p, uint32_t pasid, uint64_t iova,
				   const void *src, size_t len);

IOAS_END
#endif
