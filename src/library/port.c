/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: devices of the embedder's own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "dma/dma.h"
#include "library/private.h"

struct ioas_port {
	struct ioas_host *host;
	struct host_device *slot;
	struct idevice *idev;
	struct dma_port dma;
	struct ioas_port *next;
};

int ioas_port_create(struct ioas_host *h, uint32_t requester_id, struct ioas_port **out)
{
	struct ioas_port *p = ioas_aligned_alloc(64, align_up(sizeof(*p), 64));
	char name[16];
	int rc;

	if (!p)
		return -ENOMEM;
	*p = (struct ioas_port){.host = h};
	snprintf(name, sizeof(name), "port%x", requester_id);
	rc = host_add_device(h->host, name, requester_id, -1, &p->slot);
	if (rc) {
		ioas_free(p);
		return rc;
	}
	dma_port_init(&p->dma, p->slot->requester, h->host->memory);
	dma_set_bus_master(&p->dma, true);
	p->next = h->ports;
	h->ports = p;
	*out = p;
	return 0;
}

void ioas_port_destroy(struct ioas_port *p)
{
	struct ioas_port **link = &p->host->ports;

	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	ioas_port_unbind(p);
	host_remove_device(p->slot);
	ioas_free(p);
}

int ioas_port_set_pasid_bits(struct ioas_port *p, unsigned int bits)
{
	if (bits > PASID_BITS)
		return -EINVAL;
	if (p->idev)
		return -EBUSY;
	requester_set_pasid_bits(p->slot->requester, bits);
	return 0;
}

int ioas_port_bind(struct ioas_port *p, int fd, uint32_t *dev_id)
{
	struct iommufd *ctx;
	struct abi_file *f;
	int rc;

	if (p->idev)
		return -EINVAL;
	rc = library_iommufd_get(p->host, fd, &f, &ctx);
	if (rc)
		return rc;
	rc = idevice_bind(ctx, p->slot, &p->idev);
	abi_file_put(f);
	if (!rc && dev_id)
		*dev_id = p->idev->obj.id;
	return rc;
}

void ioas_port_unbind(struct ioas_port *p)
{
	if (p->idev)
		idevice_unbind(p->idev);
	p->idev = NULL;
}

void library_destroy_ports(struct ioas_host *h)
{
	while (h->ports)
		ioas_port_destroy(h->ports);
}

int ioas_port_attach(struct ioas_port *p, uint32_t *pt_id)
{
	if (!p->idev)
		return -EINVAL;
	return idevice_is_attached(p->idev) ? idevice_replace(p->idev, pt_id)
					    : idevice_attach(p->idev, pt_id);
}

void ioas_port_detach(struct ioas_port *p)
{
	if (p->idev)
		idevice_detach(p->idev);
}

int ioas_port_attach_pasid(struct ioas_port *p, uint32_t pasid, uint32_t *pt_id)
{
	if (!p->idev || pasid == IOMMU_NO_PASID)
		return -EINVAL;
	return idevice_is_attached_pasid(p->idev, pasid)
		       ? idevice_replace_pasid(p->idev, pasid, pt_id)
		       : idevice_attach_pasid(p->idev, pasid, pt_id);
}

void ioas_port_detach_pasid(struct ioas_port *p, uint32_t pasid)
{
	if (p->idev && pasid != IOMMU_NO_PASID)
		idevice_detach_pasid(p->idev, pasid);
}

void ioas_port_begin(struct ioas_port *p)
{
	dma_begin(&p->dma);
}

void ioas_port_end(struct ioas_port *p)
{
	dma_end(&p->dma);
}

int ioas_port_read_pasid(struct ioas_port *p, uint32_t pasid, uint64_t iova, void *dst, size_t len)
{
	p->dma.pasid = pasid;
	return dma_read(&p->dma, iova, dst, len);
}

int ioas_port_write_pasid(struct ioas_port *p, uint32_t pasid, uint64_t iova, const void *src,
			  size_t len)
{
	p->dma.pasid = pasid;
	return dma_write(&p->dma, iova, src, len);
}

int ioas_port_read(struct ioas_port *p, uint64_t iova, void *dst, size_t len)
{
	return ioas_port_read_pasid(p, IOMMU_NO_PASID, iova, dst, len);
}

int ioas_port_write(struct ioas_port *p, uint64_t iova, const void *src, size_t len)
{
	return ioas_port_write_pasid(p, IOMMU_NO_PASID, iova, src, len);
}
