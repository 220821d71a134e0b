/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that an embedder tells a host of: promised, or with addresses of the embedder's own. The
 * latter is what another process's memory is to the engine (struct memory_mm), but that here and
 * there it lies in this process.
 */
#include <ioas/abi/iommufd.h>

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "library/engine.h"
#include "library/private.h"

struct ioas_memory {
	struct ioas_memory_ops ops;
	void *arg;
	struct memory_mm *mm; /* NULL: for the kernel's contexts */
};

int ioas_memory_register(struct ioas_host *h, void *addr, size_t len)
{
	return memory_register(h->host->memory, (uintptr_t)addr, len);
}

int ioas_memory_unregister(struct ioas_host *h, void *addr, size_t len)
{
	return memory_unregister(h->host->memory, (uintptr_t)addr, len);
}

/* What the embedder says of @addr, believed only if it makes sense. */
static int find(const struct ioas_memory *mem, uint64_t addr, struct ioas_memory_range *out)
{
	*out = (struct ioas_memory_range){0};
	if (mem->ops.find(mem->arg, addr, out))
		return -EFAULT;
	if (addr < out->start || addr > out->last)
		return -EFAULT;
	if (((out->start | (out->last + 1) | (uintptr_t)out->pointer) & PAGE_MASK))
		return -EFAULT;
	return 0;
}

static int probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	const struct ioas_memory *mem = arg;
	struct ioas_memory_range r;
	uint64_t last = va + (len - 1);

	do {
		if (find(mem, va, &r) || (how & MEMORY_WRITE && !r.write))
			return -EFAULT;
		va = r.last + 1;
	} while (r.last < last);
	return 0;
}

static int vma(void *arg, uint64_t va, struct memory_vma *out)
{
	struct ioas_memory_range r;
	int rc = find(arg, va, &r);

	if (rc)
		return rc;
	*out = (struct memory_vma){
		.start = r.start,
		.last = r.last,
		.kind = r.pointer ? VMA_DIRECT : VMA_PRIVATE,
		.read = true,
		.write = r.write,
		.direct = (uintptr_t)r.pointer,
	};
	return 0;
}

static int map_file(void *arg, const struct memory_vma *file, uint64_t len, void *where)
{
	return -EOPNOTSUPP;
}

static int read_bytes(void *arg, void *dst, uint64_t src, size_t len)
{
	const struct ioas_memory *mem = arg;

	return mem->ops.read && !mem->ops.read(mem->arg, src, dst, len) ? 0 : -EFAULT;
}

static int write_bytes(void *arg, uint64_t dst, const void *src, size_t len)
{
	const struct ioas_memory *mem = arg;

	return mem->ops.write && !mem->ops.write(mem->arg, dst, src, len) ? 0 : -EFAULT;
}

static void release(void *arg)
{
	struct ioas_memory *mem = arg;

	if (mem->ops.released)
		mem->ops.released(mem->arg);
	ioas_free(mem);
}

static const struct memory_mm_ops memory_mm_ops = {
	.probe = probe,
	.vma = vma,
	.map = map_file,
	.read = read_bytes,
	.write = write_bytes,
	.release = release,
};

int ioas_memory_create(struct ioas_context *c, const struct ioas_memory_ops *ops, void *arg,
		       struct ioas_memory **out)
{
	struct ioas_memory *mem;
	int rc;

	if (!ops->find)
		return -EINVAL;
	mem = ioas_calloc(1, sizeof(*mem));
	if (!mem)
		return -ENOMEM;
	mem->ops = *ops;
	mem->arg = arg;
	if (c->host) {
		rc = memory_mm_create(c->host->host->memory, &memory_mm_ops, mem, &mem->mm);
		if (rc) {
			ioas_free(mem);
			return rc;
		}
	}
	*out = mem;
	return 0;
}

void ioas_memory_destroy(struct ioas_memory *mem)
{
	if (!mem->mm) {
		release(mem);
		return;
	}
	memory_mm_gone(mem->mm);
	memory_mm_put(mem->mm);
}

void ioas_memory_changed(struct ioas_memory *mem, uint64_t addr, uint64_t length)
{
	struct memory_change change;

	if (!mem->mm)
		return;
	memory_mm_change_begin(mem->mm, &change, addr, length);
	memory_mm_change_end(mem->mm, &change);
}

/* The kernel pins what lies in this process, of one range. */
static int map_pointer(struct ioas_context *c, uint32_t ioas, const struct ioas_memory_area *area,
		       uint32_t flags, uint64_t *iova)
{
	struct ioas_memory_range r;
	int rc = find(area->memory, area->addr, &r);

	if (rc)
		return rc;
	if (!r.pointer || area->length > r.last - area->addr + 1)
		return -EOPNOTSUPP;
	if (flags & IOAS_MAP_WRITE && !r.write)
		return -EFAULT;
	return ioas_map(c, ioas, (char *)r.pointer + (area->addr - r.start), area->length, flags,
			iova);
}

int ioas_map_memory(struct ioas_context *c, uint32_t ioas, const struct ioas_memory_area *area,
		    uint32_t flags, uint64_t *iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = area->addr,
		.length = area->length,
		.iova = flags & IOAS_MAP_FIXED ? *iova : 0,
	};
	long rc;

	if (!c->host != !area->memory->mm)
		return -EINVAL;
	if (!c->host)
		return map_pointer(c, ioas, area, flags, iova);
	rc = library_ioctl_of(c->host, c->file, IOMMU_IOAS_MAP, &cmd, area->memory->mm);
	if (!rc)
		*iova = cmd.iova;
	return (int)rc;
}
