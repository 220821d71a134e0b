/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MAP, MAP_FILE, COPY and UNMAP: semantics 3.5-3.8. The checks that need the address space itself are space/'s.
 */
#include <errno.h>

#include "abi/dmabuf.h"
#include "abi/iommufd.h"
#include "base/observe.h"

#define MAP_FLAGS                                                                                  \
	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)

static int flags_to_prot(uint32_t flags)
{
	return (flags & IOMMU_IOAS_MAP_READABLE ? SPACE_READ : 0) |
	       (flags & IOMMU_IOAS_MAP_WRITEABLE ? SPACE_WRITE : 0);
}

/* MAP.2 and MAP.3, which MAP, MAP_FILE and COPY share under their own labels. */
static int check_iova(struct call *call, const char *rule, uint64_t iova, uint64_t length)
{
	if (iova >= ULMAX)
		return no(call, EOVERFLOW, rule, "iova", iova, "an IOVA below 2^64-1");
	if (length >= ULMAX)
		return no(call, EOVERFLOW, rule, "length", length, "a length below 2^64-1");
	return 0;
}

static int check_prot(struct call *call, const char *rule, uint32_t flags)
{
	if (flags_to_prot(flags))
		return 0;
	return no(call, EINVAL, rule, "flags", flags, "READABLE 4, WRITEABLE 2 or both");
}

/* Maps @pages and gives their reference back. */
static int map_pages(struct ioas *ioas, struct pages *pages, uint64_t length, uint32_t flags,
		     __u64 *iova)
{
	struct space_map map = {
		.pages = pages,
		.length = length,
		.iova = *iova,
		.prot = flags_to_prot(flags),
		.fixed = flags & IOMMU_IOAS_MAP_FIXED_IOVA,
		.give = true,
	};
	int rc = space_map(ioas->space, &map);

	if (rc)
		pages_put(pages);
	*iova = map.iova;
	return rc;
}

static int check_va(struct call *call, uint64_t va, uint64_t length)
{
	uint64_t end;

	if (__builtin_add_overflow(va, length, &end))
		return no(call, EOVERFLOW, "MAP.5", "user_va", va, "user_va + length within 64 bits");
	if (!length)
		return no(call, EINVAL, "MAP.6", "length", length, "at least 1 byte");
	return 0;
}

int call_check_map_flags(struct call *call, uint32_t flags, uint32_t reserved)
{
	if (flags & ~(uint32_t)MAP_FLAGS)
		return no(call, EOPNOTSUPP, "MAP.1", "flags", flags, "FIXED_IOVA 1, WRITEABLE 2, READABLE 4");
	if (reserved)
		return no(call, EOPNOTSUPP, "MAP.1", "__reserved", reserved, "0");
	return 0;
}

/* MAP.5 on. */
static int map_va(struct call *call, struct ioas *ioas, const struct memory_payer *payer, uint32_t flags,
		  uint64_t va, uint64_t length, __u64 *iova)
{
	const struct pages_source source = {
		.mm = caller_memory(call->caller),
		.payer = payer,
		.va = va,
		.len = length,
		.writable = flags & IOMMU_IOAS_MAP_WRITEABLE,
	};
	struct space_map map = {
		.source = &source,
		.length = length,
		.iova = *iova,
		.prot = flags_to_prot(flags),
		.fixed = flags & IOMMU_IOAS_MAP_FIXED_IOVA,
	};
	int rc = check_va(call, va, length);

	if (!rc)
		rc = space_map(ioas->space, &map);
	*iova = map.iova;
	return rc;
}

int call_map_va(struct call *call, struct ioas *ioas, const struct memory_payer *payer, uint32_t flags, uint64_t va,
		uint64_t length, __u64 *iova)
{
	int rc = check_iova(call, "MAP.2", *iova, length);

	if (!rc)
		rc = check_prot(call, "MAP.3", flags);
	return rc ? rc : map_va(call, ioas, payer, flags, va, length, iova);
}

int abi_ioas_map(struct call *call)
{
	struct iommu_ioas_map *cmd = call->cmd;
	struct memory_payer payer;
	struct ioas *ioas;
	int rc = call_check_map_flags(call, cmd->flags, cmd->__reserved);

	if (!rc)
		rc = check_iova(call, "MAP.2", cmd->iova, cmd->length);
	if (!rc)
		rc = check_prot(call, "MAP.3", cmd->flags);
	if (rc)
		return rc;
	ioas = call_get_ioas(call, cmd->ioas_id, "MAP.4", "ioas_id");
	if (!ioas)
		return -ENOENT;
	payer = call_payer(call->ctx, call->caller);
	rc = map_va(call, ioas, &payer, cmd->flags, cmd->user_va, cmd->length, &cmd->iova);
	if (!rc)
		rc = call_respond(call); /* MAP.19: the mapping stays */
	call_put_ioas(call, ioas);
	return rc;
}

/* -EBADFD: the fd is no dma-buf. */
static int dmabuf_pages(struct call *call, struct iommu_ioas_map_file *cmd, struct pages **out)
{
	struct caller *c = call->caller;
	struct abi_file *file;
	struct dmabuf *d;
	int rc = c->ops->file_get(c, cmd->fd, &file);

	if (rc)
		return -EBADFD;
	d = abi_file_dmabuf(file);
	rc = d ? pages_from_dmabuf(d, cmd->start, cmd->length, cmd->flags & IOMMU_IOAS_MAP_WRITEABLE, out) :
		 -EBADFD;
	abi_file_put(file);
	return rc;
}

static int file_pages(struct call *call, struct iommu_ioas_map_file *cmd, struct pages **out)
{
	struct memory_payer payer;
	uint64_t last;
	int fd, rc;

	if (!cmd->length)
		return no(call, EINVAL, "MPF.2", "length", 0, "at least 1 byte");
	if (__builtin_add_overflow(cmd->start, cmd->length - 1, &last))
		return no(call, EOVERFLOW, "MPF.3", "start", cmd->start, "start + length - 1 within 64 bits");
	rc = dmabuf_pages(call, cmd, out);
	if (rc != -EBADFD)
		return rc;
	fd = call->caller->ops->fd_dup(call->caller, cmd->fd);
	if (fd < 0)
		return no(call, -fd, "MPF.4", "fd", (uint64_t)cmd->fd, "an open file descriptor");
	payer = call_payer(call->ctx, call->caller);
	return pages_from_file(call->ctx->host->memory, &payer, fd, cmd->start, cmd->length,
			       cmd->flags & IOMMU_IOAS_MAP_WRITEABLE, out);
}

int abi_ioas_map_file(struct call *call)
{
	struct iommu_ioas_map_file *cmd = call->cmd;
	struct pages *pages = NULL;
	struct ioas *ioas;
	int rc;

	if (cmd->flags & ~(uint32_t)MAP_FLAGS)
		return no(call, EOPNOTSUPP, "MPF.1", "flags", cmd->flags,
			  "FIXED_IOVA 1, WRITEABLE 2, READABLE 4");
	rc = check_iova(call, "MPF.1", cmd->iova, cmd->length);
	if (!rc)
		rc = check_prot(call, "MPF.1", cmd->flags);
	if (rc)
		return rc;
	ioas = call_get_ioas(call, cmd->ioas_id, "MPF.1", "ioas_id");
	if (!ioas)
		return -ENOENT;
	rc = file_pages(call, cmd, &pages);
	if (!rc)
		rc = map_pages(ioas, pages, cmd->length, cmd->flags, &cmd->iova);
	if (!rc)
		rc = call_respond(call);
	call_put_ioas(call, ioas);
	return rc;
}

static int check_copy(struct call *call, const struct iommu_ioas_copy *cmd)
{
	int rc;

	if (cmd->flags & ~(uint32_t)MAP_FLAGS)
		return no(call, EOPNOTSUPP, "CPY.1", "flags", cmd->flags,
			  "FIXED_IOVA 1, WRITEABLE 2, READABLE 4");
	rc = check_iova(call, "CPY.2", cmd->dst_iova, cmd->length);
	if (!rc)
		rc = check_iova(call, "CPY.2", cmd->src_iova, 0);
	return rc ? rc : check_prot(call, "CPY.3", cmd->flags);
}

int abi_ioas_copy(struct call *call)
{
	struct iommu_ioas_copy *cmd = call->cmd;
	struct space_copy copy;
	struct ioas *src, *dst;
	uint64_t last;
	int rc;

	rc = check_copy(call, cmd);
	if (rc)
		return rc;
	src = call_get_ioas(call, cmd->src_ioas_id, "CPY.4", "src_ioas_id");
	if (!src)
		return -ENOENT;
	rc = -ENOENT;
	if (!cmd->length) {
		rc = no(call, EINVAL, "CPY.5", "length", 0, "at least 1 byte");
		goto out_src;
	}
	if (__builtin_add_overflow(cmd->src_iova, cmd->length - 1, &last)) {
		rc = no(call, EOVERFLOW, "CPY.6", "src_iova", cmd->src_iova,
			"src_iova + length - 1 within 64 bits");
		goto out_src;
	}
	/* CPY.7 would come first, with the same errno. */
	dst = call_get_ioas(call, cmd->dst_ioas_id, "CPY.8", "dst_ioas_id");
	if (!dst)
		goto out_src;
	copy = (struct space_copy){
		.src_iova = cmd->src_iova,
		.length = cmd->length,
		.dst_iova = cmd->dst_iova,
		.prot = flags_to_prot(cmd->flags),
		.fixed = cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA,
	};
	rc = space_copy(dst->space, src->space, &copy);
	cmd->dst_iova = copy.dst_iova;
	if (!rc)
		rc = call_respond(call);
	call_put_ioas(call, dst);
out_src:
	call_put_ioas(call, src);
	return rc;
}

static inline int unmap_silently(struct call *call, struct ioas *ioas, uint64_t iova, uint64_t length,
				 uint64_t *unmapped)
{
	if (iova == 0 && length == U64MAX)
		return space_unmap_all(ioas->space, unmapped);
	if (iova >= ULMAX || length >= ULMAX)
		return no(call, EOVERFLOW, "UNM.3", iova >= ULMAX ? "iova" : "length",
			  iova >= ULMAX ? iova : length,
			  "below 2^64-1, or iova 0 with length 2^64-1 for everything");
	return space_unmap(ioas->space, iova, length, unmapped);
}

static __attribute__((cold, noinline)) int unmap_and_tell(struct call *call, struct ioas *ioas, uint64_t iova,
							  uint64_t length, uint64_t *unmapped)
{
	const bool all = iova == 0 && length == U64MAX;
	int rc = unmap_silently(call, ioas, iova, length, unmapped);

	if (!rc && !all && *unmapped < length)
		observe_short_unmap(&call->ctx->host->sink,
				    &(struct event_short_unmap){ioas->space, iova, length, *unmapped});
	return rc;
}

__attribute__((noinline)) /* in one place, whatever it is told */
int call_unmap(struct call *call, struct ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	return observed() ? unmap_and_tell(call, ioas, iova, length, unmapped)
			  : unmap_silently(call, ioas, iova, length, unmapped);
}

int abi_ioas_unmap(struct call *call)
{
	struct iommu_ioas_unmap *cmd = call->cmd;
	uint64_t unmapped = 0;
	struct ioas *ioas;
	int rc;

	ioas = call_get_ioas(call, cmd->ioas_id, "UNM.1", "ioas_id");
	if (!ioas)
		return -ENOENT;
	rc = call_unmap(call, ioas, cmd->iova, cmd->length, &unmapped);
	call_put_ioas(call, ioas);
	if (rc)
		return rc;
	cmd->length = unmapped;
	return call_respond(call);
}
