/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a test looks at and changes from outside: reserved IOVAs, what a page table shows, how often
 * memory is pinned, the words of a nested domain, dirty pages.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "mock/private.h"

#define MAX_DIRTY_BITS (16ull << 20 << 3)

int mock_op_add_reserved(struct call *call, struct iommu_test_cmd *cmd)
{
	struct space_range r = {.start = cmd->add_reserved.start};
	struct ioas *ioas;
	int rc;

	if (!cmd->add_reserved.length)
		return mock_no(call, EINVAL, "length", 0, "at least 1 byte");
	if (__builtin_add_overflow(r.start, cmd->add_reserved.length - 1, &r.last))
		return mock_no(call, EOVERFLOW, "start", r.start, "an end within 64 bits");
	ioas = call_get_ioas(call, cmd->id, "MOCK", "id");
	if (!ioas)
		return -ENOENT;
	/* Nobody owns it: it stays as long as the IOAS. */
	rc = space_reserve(ioas->space, &r, 1, NULL);
	call_put_ioas(call, ioas);
	return rc;
}

static struct hwpt *get_paging(struct call *call, uint32_t id)
{
	struct object *obj = object_get(call->ctx, id, OBJECT_HWPT_PAGING);

	if (obj)
		return container_of(obj, struct hwpt, obj);
	mock_no(call, ENOENT, "id", id, "the id of a paging HWPT");
	return NULL;
}

static int check_map(struct call *call, struct hwpt *hwpt, const struct iommu_test_cmd *cmd)
{
	uint64_t page = hwpt->mirror.page_sizes & -hwpt->mirror.page_sizes;
	uint64_t iova = cmd->check_map.iova, va = cmd->check_map.uptr, left = cmd->check_map.length;
	uint64_t end;
	struct pt_leaf leaf;
	int rc = 0;

	if (!is_aligned(iova | left | va, page) || __builtin_add_overflow(va, left, &end))
		return mock_no(call, EINVAL, "iova", iova, "multiples of %llu",
			       (unsigned long long)page);
	for (; left && !rc; left -= page, iova += page, va += page) {
		/* Memory that is not there comes before a page table that does not lead there. */
		if (space_translate(hwpt->ioas->space, &hwpt->mirror, iova, false, &leaf))
			leaf.pa = 0;
		rc = memory_shows(call->ctx->host->memory, leaf.pa, caller_memory(call->caller),
				  va);
		if (rc == -EINVAL)
			mock_no(call, EINVAL, "iova", iova, "mapped to what is at %#llx",
				(unsigned long long)va);
	}
	return rc;
}

int mock_op_check_map(struct call *call, struct iommu_test_cmd *cmd)
{
	struct hwpt *hwpt = get_paging(call, cmd->id);
	int rc;

	if (!hwpt)
		return -ENOENT;
	rc = check_map(call, hwpt, cmd);
	object_put(call->ctx, &hwpt->obj);
	return rc;
}

/* So many things of @size bytes are worked on at a time. */
static uint64_t at_a_time(const struct call *call, uint64_t size)
{
	return max_u64(1, __atomic_load_n(&mock_of(call)->memory_limit, __ATOMIC_RELAXED) / size);
}

static int check_refs(struct call *call, uint32_t *counts, uint64_t room,
		      const struct iommu_test_cmd *cmd)
{
	uint64_t va = cmd->check_refs.uptr, left = cmd->check_refs.length >> PAGE_SHIFT;
	int rc = 0;

	while (left && !rc) {
		uint64_t n = min_u64(left, room);

		rc = memory_count_pins(call->ctx->host->memory, caller_memory(call->caller), va, n,
				       counts);
		for (uint64_t i = 0; i < n && !rc; i++)
			if (counts[i] != cmd->check_refs.refs)
				rc = mock_no(call, EIO, "refs", cmd->check_refs.refs,
					     "%u: so many pin what is at %#llx", counts[i],
					     (unsigned long long)(va + (i << PAGE_SHIFT)));
		va += n << PAGE_SHIFT;
		left -= n;
	}
	return rc;
}

int mock_op_check_refs(struct call *call, struct iommu_test_cmd *cmd)
{
	uint64_t room = at_a_time(call, sizeof(uint32_t)), end;
	uint32_t *counts;
	int rc;

	if (!is_aligned(cmd->check_refs.length | cmd->check_refs.uptr, PAGE_SIZE) ||
	    __builtin_add_overflow(cmd->check_refs.uptr, cmd->check_refs.length, &end))
		return mock_no(call, EINVAL, "uptr", cmd->check_refs.uptr, "whole pages");
	counts = ioas_malloc(room * sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	rc = check_refs(call, counts, room, cmd);
	ioas_free(counts);
	return rc;
}

int mock_op_check_iotlb(struct call *call, struct iommu_test_cmd *cmd)
{
	struct object *obj = object_get(call->ctx, cmd->id, OBJECT_HWPT_NESTED);
	struct hwpt *hwpt = obj ? container_of(obj, struct hwpt, obj) : NULL;
	uint32_t value;
	int rc;

	if (!hwpt)
		return mock_no(call, ENOENT, "id", cmd->id, "the id of a nested HWPT");
	rc = mock_nested_iotlb(hwpt->domain, cmd->check_iotlb.id, &value);
	if (!rc && value != cmd->check_iotlb.iotlb)
		rc = mock_no(call, EINVAL, "iotlb", cmd->check_iotlb.iotlb, "%#x", value);
	object_put(call->ctx, obj);
	return rc;
}

/* Every set bit of the caller's bitmap is a page that is written. */
static int write_marked(struct call *call, struct hwpt *hwpt, struct iommu_test_cmd *cmd,
			uint8_t *bitmap, uint64_t room)
{
	uint64_t bits = cmd->dirty.length / cmd->dirty.page_size, marked = 0;
	struct pt_leaf leaf;

	for (uint64_t from = 0; from < bits; from += room * 8) {
		uint64_t n = min_u64(bits - from, room * 8);

		if (copy_in(call->caller, bitmap, cmd->dirty.uptr + from / 8, (n + 7) / 8))
			return mock_no(call, EFAULT, "uptr", cmd->dirty.uptr, "a readable bitmap");
		for (uint64_t i = 0; i < n; i++) {
			if (!(bitmap[i / 8] & 1u << i % 8))
				continue;
			space_translate(hwpt->ioas->space, &hwpt->mirror,
					cmd->dirty.iova + (from + i) * cmd->dirty.page_size, true,
					&leaf);
			marked++;
		}
	}
	cmd->dirty.out_nr_dirty = marked;
	return call_respond(call);
}

static int dirty(struct call *call, struct hwpt *hwpt, struct iommu_test_cmd *cmd)
{
	uint64_t room = at_a_time(call, 1);
	uint8_t *bitmap;
	int rc;

	if (!pt_dirty_tracking(hwpt->mirror.pt))
		return mock_no(call, EINVAL, "id", cmd->id, "an HWPT whose dirty tracking is on");
	bitmap = ioas_malloc(room);
	if (!bitmap)
		return -ENOMEM;
	rc = write_marked(call, hwpt, cmd, bitmap, room);
	ioas_free(bitmap);
	return rc;
}

int mock_op_dirty(struct call *call, struct iommu_test_cmd *cmd)
{
	uint64_t page = cmd->dirty.page_size;
	struct hwpt *hwpt;
	int rc;

	if (!page || !cmd->dirty.length || cmd->dirty.iova % page || cmd->dirty.length % page ||
	    !cmd->dirty.uptr)
		return mock_no(call, EINVAL, "page_size", page, "whole pages, and a bitmap");
	if (cmd->dirty.length / page > MAX_DIRTY_BITS)
		return mock_no(call, EOVERFLOW, "length", cmd->dirty.length, "at most %llu pages",
			       MAX_DIRTY_BITS);
	hwpt = get_paging(call, cmd->id);
	if (!hwpt)
		return -ENOENT;
	rc = dirty(call, hwpt, cmd);
	object_put(call->ctx, &hwpt->obj);
	return rc;
}

int mock_op_memory_limit(struct call *call, struct iommu_test_cmd *cmd)
{
	const uint32_t least = sizeof(uint64_t) + sizeof(uint32_t);

	if (cmd->memory_limit.limit < least)
		return mock_no(call, EINVAL, "limit", cmd->memory_limit.limit, "at least %u",
			       least);
	__atomic_store_n(&mock_of(call)->memory_limit, cmd->memory_limit.limit, __ATOMIC_RELAXED);
	return 0;
}
