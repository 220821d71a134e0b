/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An iommufd standing in for /dev/vfio/vfio: semantics 9. Everything acts on the compat IOAS.
 */
#include <errno.h>
#include <stdlib.h>

#include <ioas/abi/vfio.h>

#include "abi/chain.h"
#include "abi/iommufd.h"
#include "abi/vfio.h"
#include "base/alloc.h"
#include "base/observe.h"

static struct ioas *compat_ioas(struct iommufd *ctx)
{
	struct ioas *ioas = iommufd_compat_get(ctx);

	if (!ioas)
		refuse(&ctx->host->sink, ENODEV, "COMPAT.1", "fd", 0,
		       "a compat IOAS: join a group, or IOMMU_VFIO_IOAS SET");
	return ioas;
}

/* Every HWPT of a host enforces, or none does: it is decided by the IOMMU when one is made. Where there
 * is none, none does not. */
static bool all_enforce(struct iommufd *ctx, struct ioas *ioas)
{
	bool all;

	pthread_mutex_lock(&ioas->lock);
	all = ctx->host->iommu->caps.enforce_coherency || list_empty(&ioas->hwpts);
	pthread_mutex_unlock(&ioas->lock);
	return all;
}

static long check_extension(struct iommufd *ctx, uint64_t ext)
{
	struct ioas *ioas;
	bool all;

	switch (ext) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_DMA_CC_IOMMU:
		ioas = compat_ioas(ctx);
		if (!ioas)
			return -ENODEV;
		all = all_enforce(ctx, ioas);
		object_put(ctx, &ioas->obj);
		return all;
	default:
		return 0;
	}
}

static long set_iommu(struct iommufd *ctx, uint64_t type)
{
	struct ioas *ioas;
	int rc = 0;

	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return refuse(&ctx->host->sink, EINVAL, "SETIOMMU.2", "type", type,
			      "TYPE1 1 or TYPE1v2 3");
	ioas = compat_ioas(ctx);
	if (!ioas)
		return -ENODEV;
	/* TYPE1 lets mappings be cut, which large IOPTEs would not allow. */
	if (type == VFIO_TYPE1_IOMMU)
		rc = space_set_huge_pages(ioas->space, 0);
	object_put(ctx, &ioas->obj);
	return rc;
}

static int add_iova_ranges(struct chain *chain, struct space *space)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	const size_t header = sizeof(struct vfio_info_cap_header);
	struct space_range *ranges;
	uint64_t alignment;
	size_t n, size;
	int rc = -ENOMEM;

	n = space_iova_ranges(space, NULL, 0, &alignment);
	ranges = ioas_calloc(n + 1, sizeof(*ranges));
	size = sizeof(*cap) + n * sizeof(struct vfio_iova_range);
	cap = ioas_calloc(1, size);
	if (!ranges || !cap)
		goto out;
	n = min_u64(n, space_iova_ranges(space, ranges, n, &alignment));
	cap->nr_iovas = n;
	for (size_t i = 0; i < n; i++)
		cap->iova_ranges[i] = (struct vfio_iova_range){ranges[i].start, ranges[i].last};
	rc = chain_add(chain, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, (char *)cap + header, size - header);
out:
	ioas_free(cap);
	ioas_free(ranges);
	return rc;
}

/* 9.3: argsz becomes the total, and capabilities that fit by themselves are written even when the chain does not. */
static int put_info(const struct sink *sink, struct chain *chain,
		    struct vfio_iommu_type1_info *info, uint64_t arg, struct caller *c)
{
	uint32_t user = info->argsz;
	size_t total = chain_total(chain), at = 0;
	int rc = 0;

	info->argsz = total;
	info->cap_offset = user >= total ? chain->base : 0;
	while (!rc && at < chain->len) {
		const struct vfio_info_cap_header *h = (const void *)(chain->buf + at);
		size_t end = h->next ? h->next - chain->base : chain->len;

		if (chain->base + end <= user)
			rc = vfio_copy_out(c, sink, "COMPAT.GET_INFO", arg + chain->base + at,
					   chain->buf + at, end - at);
		at = end;
	}
	if (!rc)
		rc = vfio_copy_out(c, sink, "COMPAT.GET_INFO", arg, info,
				   min_u64(user, sizeof(*info)));
	return rc;
}

static long get_info(struct iommufd *ctx, uint64_t arg, struct caller *c)
{
	const uint32_t avail = UINT32_MAX;
	struct vfio_iommu_type1_info info = {0};
	struct chain chain;
	struct ioas *ioas;
	int rc;

	rc = vfio_copy_in(c, &ctx->host->sink, "COMPAT.GET_INFO", arg, &info,
			  offsetof(struct vfio_iommu_type1_info, cap_offset));
	if (rc)
		return rc;
	ioas = compat_ioas(ctx);
	if (!ioas)
		return -ENODEV;
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = space_page_sizes(ioas->space);
	chain_init(&chain, sizeof(info));
	rc = chain_add(&chain, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, &avail, sizeof(avail));
	if (!rc)
		rc = add_iova_ranges(&chain, ioas->space);
	if (!rc)
		rc = put_info(&ctx->host->sink, &chain, &info, arg, c);
	chain_free(&chain);
	object_put(ctx, &ioas->obj);
	return rc;
}

static int map_va(struct iommufd *ctx, struct ioas *ioas, const struct vfio_iommu_type1_dma_map *m,
		  struct caller *c)
{
	struct space_map map = {.length = m->size, .iova = m->iova, .fixed = true};
	struct memory_payer payer = call_payer(ctx, c);
	uint64_t end;
	int rc;

	if (__builtin_add_overflow(m->vaddr, m->size, &end))
		return refuse(&ctx->host->sink, EOVERFLOW, "MAP.5", "vaddr", m->vaddr,
			      "vaddr + size within 64 bits");
	if (!m->size)
		return refuse(&ctx->host->sink, EINVAL, "MAP.6", "size", m->size, "at least 1 byte");
	map.prot = (m->flags & VFIO_DMA_MAP_FLAG_READ ? SPACE_READ : 0) |
		   (m->flags & VFIO_DMA_MAP_FLAG_WRITE ? SPACE_WRITE : 0);
	rc = pages_from_mm(ctx->host->memory, caller_memory(c), &payer, m->vaddr, m->size,
			   map.prot & SPACE_WRITE, false, &map.pages);
	if (rc)
		return rc;
	rc = space_map(ioas->space, &map);
	pages_put(map.pages);
	return rc;
}

static long map_dma(struct iommufd *ctx, uint64_t arg, struct caller *c)
{
	const uint32_t legal = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	struct vfio_iommu_type1_dma_map map;
	struct ioas *ioas;
	int rc;

	rc = vfio_copy_in(c, &ctx->host->sink, "COMPAT.MAP", arg, &map, sizeof(map));
	if (rc)
		return rc;
	if (map.flags & ~legal)
		return refuse(&ctx->host->sink, EINVAL, "COMPAT.MAP", "flags", map.flags,
			      "READ 1, WRITE 2");
	ioas = compat_ioas(ctx);
	if (!ioas)
		return -ENODEV;
	rc = map_va(ctx, ioas, &map, c);
	object_put(ctx, &ioas->obj);
	return rc;
}

/* 9.5 rows 3 to 8. *write_size: whether the count is told in spite of an error. */
static int unmap_range(struct iommufd *ctx, struct ioas *ioas, struct vfio_iommu_type1_dma_unmap *u,
		       uint64_t *unmapped, bool *write_size)
{
	uint64_t end;
	int rc = 0;

	*write_size = false;
	if (u->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (u->iova || u->size)
			return refuse(&ctx->host->sink, EINVAL, "COMPAT.UNMAP", "iova", u->iova,
				      "iova 0 and size 0 with FLAG_ALL");
		*write_size = true;
		return space_unmap_all(ioas->space, unmapped);
	}
	if (!space_huge_pages(ioas->space)) {
		if (!__builtin_add_overflow(u->iova, u->size, &end))
			rc = space_cut(ioas->space, end);
		if (!rc)
			rc = space_cut(ioas->space, u->iova);
		if (rc)
			return rc;
	}
	*write_size = true;
	rc = space_unmap(ioas->space, u->iova, u->size, unmapped);
	/* Row 8: nothing there is no error, which UNM.10 makes of it; row 7 is. */
	if (rc == -ENOENT && !*unmapped && space_is_free(ioas->space, u->iova, u->size))
		rc = 0;
	if (!rc && *unmapped < u->size)
		OBSERVE(&ctx->host->sink, short_unmap, ioas->space, u->iova, u->size, *unmapped);
	return rc;
}

static long unmap_dma(struct iommufd *ctx, uint64_t arg, struct caller *c)
{
	const size_t min = offsetof(struct vfio_iommu_type1_dma_unmap, data);
	struct vfio_iommu_type1_dma_unmap u;
	uint64_t unmapped = 0;
	struct ioas *ioas;
	bool write_size;
	int rc;

	rc = vfio_copy_in(c, &ctx->host->sink, "COMPAT.UNMAP", arg, &u, min);
	if (rc)
		return rc;
	if (u.flags & ~(uint32_t)VFIO_DMA_UNMAP_FLAG_ALL)
		return refuse(&ctx->host->sink, EINVAL, "COMPAT.UNMAP", "flags", u.flags, "0 or ALL 2");
	ioas = compat_ioas(ctx);
	if (!ioas)
		return -ENODEV;
	rc = unmap_range(ctx, ioas, &u, &unmapped, &write_size);
	object_put(ctx, &ioas->obj);
	if (!write_size)
		return rc;
	u.size = unmapped;
	return vfio_copy_out(c, &ctx->host->sink, "COMPAT.UNMAP", arg, &u, min) ? -EFAULT : rc;
}

long abi_compat_ioctl(struct iommufd *ctx, unsigned int cmd, uint64_t arg, struct caller *c)
{
	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return check_extension(ctx, arg);
	case VFIO_SET_IOMMU:
		return set_iommu(ctx, arg);
	case VFIO_IOMMU_GET_INFO:
		return get_info(ctx, arg, c);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(ctx, arg, c);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(ctx, arg, c);
	default:
		return refuse(&ctx->host->sink, ENOTTY, "ENV.1", "command", cmd,
			      "a command of iommufd (0x3b80 to 0x3b95), or one that containers have");
	}
}
