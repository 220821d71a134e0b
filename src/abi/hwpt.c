/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on hardware page tables: semantics 4.
 */
#include <errno.h>
#include <string.h>

#include "abi/iommufd.h"
#include "object/viommu.h"

static struct hwpt *get_paging(struct call *call, uint32_t id, const char *rule)
{
	struct object *obj = object_get(call->ctx, id, OBJECT_HWPT_PAGING);

	if (obj)
		return container_of(obj, struct hwpt, obj);
	object_refuse(call->ctx, ENOENT,
		      &(struct object_refusal){rule, "hwpt_id", id, BIT(OBJECT_HWPT_PAGING)});
	return NULL;
}

struct idevice *call_get_device(struct call *call, uint32_t id, const char *rule)
{
	struct object *obj = object_get(call->ctx, id, OBJECT_DEVICE);

	if (obj)
		return container_of(obj, struct idevice, obj);
	object_refuse(call->ctx, ENOENT,
		      &(struct object_refusal){rule, "dev_id", id, BIT(OBJECT_DEVICE)});
	return NULL;
}

static int refuse_pt(struct call *call, const char *rule, uint32_t id)
{
	const unsigned int types = BIT(OBJECT_IOAS) | BIT(OBJECT_HWPT_PAGING) | BIT(OBJECT_VIOMMU);

	return object_refuse(call->ctx, EINVAL, &(struct object_refusal){rule, "pt_id", id, types});
}

static int alloc_on(struct call *call, struct idevice *idev, struct iommu_hwpt_alloc *cmd,
		    struct hwpt **out)
{
	const struct user_data given = call_user_data(call, cmd->data_type, cmd->data_uptr, cmd->data_len);
	const struct user_data *data = given.len ? &given : NULL;
	struct object *pt = object_get(call->ctx, cmd->pt_id, OBJECT_ANY);
	int rc;

	if (!pt)
		return refuse_pt(call, "HWA.4", cmd->pt_id);
	if (pt->type == OBJECT_IOAS)
		rc = hwpt_paging_alloc(call->ctx, container_of(pt, struct ioas, obj), idev, cmd->flags, data, out);
	else if (pt->type == OBJECT_HWPT_PAGING)
		rc = hwpt_nested_alloc(call->ctx, container_of(pt, struct hwpt, obj), idev, cmd->flags, data, out);
	else if (pt->type == OBJECT_VIOMMU)
		rc = hwpt_viommu_alloc(call->ctx, container_of(pt, struct viommu_object, obj), idev, cmd->flags,
				       data, out);
	else
		rc = refuse_pt(call, "HWA.5", cmd->pt_id);
	object_put(call->ctx, pt);
	return rc;
}

int abi_hwpt_alloc(struct call *call)
{
	struct iommu_hwpt_alloc *cmd = call->cmd;
	struct idevice *idev;
	struct hwpt *hwpt;
	int rc;

	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "HWA.1", "__reserved", cmd->__reserved, "0");
	if ((cmd->data_type == IOMMU_HWPT_DATA_NONE) != !cmd->data_len)
		return no(call, EINVAL, "HWA.2", "data_len", cmd->data_len,
			  "0 with data_type NONE, the data's length otherwise");
	idev = call_get_device(call, cmd->dev_id, "HWA.3");
	if (!idev)
		return -ENOENT;
	rc = alloc_on(call, idev, cmd, &hwpt);
	object_put(call->ctx, &idev->obj);
	if (rc)
		return rc;
	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID)
		rc = hwpt_set_fault_queue(call->ctx, hwpt, cmd->fault_id);
	if (rc) {
		object_abort_and_free(call->ctx, &hwpt->obj);
		return rc;
	}
	cmd->out_hwpt_id = hwpt->obj.id;
	return call_publish(call, &hwpt->obj);
}

int abi_hwpt_set_dirty_tracking(struct call *call)
{
	struct iommu_hwpt_set_dirty_tracking *cmd = call->cmd;
	struct hwpt *hwpt;
	int rc;

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return no(call, EOPNOTSUPP, "SDT.1", "flags", cmd->flags, "0 or ENABLE 1");
	hwpt = get_paging(call, cmd->hwpt_id, "SDT.2");
	if (!hwpt)
		return -ENOENT;
	if (hwpt->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING)
		rc = space_set_dirty(hwpt->ioas->space, &hwpt->mirror,
				     cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	else
		rc = no(call, EOPNOTSUPP, "SDT.3", "hwpt_id", cmd->hwpt_id,
			"an HWPT made with DIRTY_TRACKING");
	object_put(call->ctx, &hwpt->obj);
	return rc;
}

/* The caller's bitmap, bit n of which is bit n % 8 of byte n / 8. */
struct bitmap {
	struct caller *caller;
	uint64_t addr;
};

static int or_byte(struct bitmap *b, uint64_t index, uint8_t bits)
{
	uint8_t byte;

	if (copy_in(b->caller, &byte, b->addr + index, 1))
		return -EFAULT;
	byte |= bits;
	return copy_out(b->caller, b->addr + index, &byte, 1);
}

static int fill_bytes(struct bitmap *b, uint64_t index, uint64_t n)
{
	uint8_t ones[512];
	int rc = 0;

	memset(ones, 0xff, min_u64(n, sizeof(ones)));
	while (n && !rc) {
		uint64_t piece = min_u64(n, sizeof(ones));

		rc = copy_out(b->caller, b->addr + index, ones, piece);
		index += piece;
		n -= piece;
	}
	return rc;
}

/* Bits are only set, never cleared: what stands in the bitmap stays. */
static int set_bits(void *arg, uint64_t first, uint64_t n)
{
	struct bitmap *b = arg;
	uint64_t end = first + n, head = align_up(first, 8), tail = align_down(end, 8);
	int rc = 0;

	if (first / 8 == (end - 1) / 8)
		return or_byte(b, first / 8, (uint8_t)(MASK(n) << (first % 8)));
	if (first < head)
		rc = or_byte(b, first / 8, (uint8_t)(0xffu << (first % 8)));
	if (!rc && head < tail)
		rc = fill_bytes(b, head / 8, (tail - head) / 8);
	if (!rc && tail < end)
		rc = or_byte(b, tail / 8, (uint8_t)MASK(end - tail));
	return rc;
}

int abi_hwpt_get_dirty_bitmap(struct call *call)
{
	struct iommu_hwpt_get_dirty_bitmap *cmd = call->cmd;
	struct bitmap bitmap = {call->caller, cmd->data};
	struct hwpt *hwpt;
	int rc;

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR)
		return no(call, EOPNOTSUPP, "GDB.1", "flags", cmd->flags, "0 or NO_CLEAR 1");
	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "GDB.1", "__reserved", cmd->__reserved, "0");
	hwpt = get_paging(call, cmd->hwpt_id, "GDB.2");
	if (!hwpt)
		return -ENOENT;
	rc = space_read_dirty(hwpt->ioas->space, &hwpt->mirror,
			      &(struct space_dirty){
				      .iova = cmd->iova,
				      .length = cmd->length,
				      .page_size = cmd->page_size,
				      .no_clear = cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
				      .has_dirty = hwpt->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
				      .set = set_bits,
				      .arg = &bitmap,
			      });
	object_put(call->ctx, &hwpt->obj);
	return rc;
}

static int refuse_no_invalidate(struct call *call, uint32_t id)
{
	return no(call, EOPNOTSUPP, "INV.4", "hwpt_id", id, "an object whose make takes invalidations");
}

static int invalidate_nested(struct call *call, struct hwpt *hwpt, const struct user_array *a, uint32_t *done)
{
	const struct nested_ops *ops = hwpt->domain->nested;

	if (!ops->invalidate)
		return refuse_no_invalidate(call, hwpt->obj.id);
	return ops->invalidate(hwpt->domain, a, done);
}

static int invalidate_viommu(struct call *call, struct viommu_object *v, const struct user_array *a,
			     uint32_t *done)
{
	const struct viommu_ops *ops = v->viommu->ops;

	if (!ops->invalidate)
		return refuse_no_invalidate(call, v->obj.id);
	return ops->invalidate(v->viommu, a, done);
}

/* INV.4 to INV.6. */
static int invalidate_object(struct call *call, struct object *obj, const struct user_array *a, uint32_t *done)
{
	int rc;

	if (obj->type == OBJECT_HWPT_NESTED)
		rc = invalidate_nested(call, container_of(obj, struct hwpt, obj), a, done);
	else if (obj->type == OBJECT_VIOMMU)
		rc = invalidate_viommu(call, container_of(obj, struct viommu_object, obj), a, done);
	else
		return object_refuse(
			call->ctx, EINVAL,
			&(struct object_refusal){"INV.5", "hwpt_id", obj->id,
						 BIT(OBJECT_HWPT_NESTED) | BIT(OBJECT_VIOMMU)});
	if (rc)
		no(call, -rc, "INV.6", "entry_num", *done,
		   "entries that this IOMMU takes as data_type %u; so many were done", a->type);
	return rc;
}

static int invalidate(struct call *call, const struct iommu_hwpt_invalidate *cmd, uint32_t *done)
{
	const struct user_array a =
		call_user_array(call, cmd->data_type, cmd->data_uptr, cmd->entry_len, cmd->entry_num);
	struct object *obj;
	int rc;

	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "INV.1", "__reserved", cmd->__reserved, "0");
	if (cmd->entry_num > BIT(19))
		return no(call, EINVAL, "INV.2", "entry_num", cmd->entry_num, "at most 524288");
	if (cmd->entry_num && !cmd->data_uptr)
		return no(call, EINVAL, "INV.2", "data_uptr", 0, "the address of the entries");
	if (cmd->entry_num && (!cmd->entry_len || cmd->entry_len > PAGE_SIZE))
		return no(call, EINVAL, "INV.2", "entry_len", cmd->entry_len, "1 to 4096");
	obj = object_get(call->ctx, cmd->hwpt_id, OBJECT_ANY);
	if (!obj)
		return object_refuse(
			call->ctx, ENOENT,
			&(struct object_refusal){"INV.3", "hwpt_id", cmd->hwpt_id,
						 BIT(OBJECT_HWPT_NESTED) | BIT(OBJECT_VIOMMU)});
	rc = invalidate_object(call, obj, &a, done);
	object_put(call->ctx, obj);
	return rc;
}

int abi_hwpt_invalidate(struct call *call)
{
	struct iommu_hwpt_invalidate *cmd = call->cmd;
	uint32_t done = 0;
	int rc = invalidate(call, cmd, &done);

	cmd->entry_num = done;
	if (call_respond(call))
		return no(call, EFAULT, "INV.7", "entry_num", call->user, "writable memory");
	return rc;
}

/* HWI.6 and HWI.7: the structure, then zeroes to the end of the caller's buffer. */
static int put_hw_info(struct call *call, const struct iommu_hw_info *cmd, const void *info, size_t len)
{
	static const uint8_t zeroes[256];
	uint64_t at = min_u64(cmd->data_len, len);

	if (copy_out(call->caller, cmd->data_uptr, info, at))
		goto fault;
	while (at < cmd->data_len) {
		uint64_t n = min_u64(cmd->data_len - at, sizeof(zeroes));

		if (copy_out(call->caller, cmd->data_uptr + at, zeroes, n))
			goto fault;
		at += n;
	}
	return 0;
fault:
	return no(call, EFAULT, "HWI.6", "data_uptr", cmd->data_uptr, "%u writable bytes", cmd->data_len);
}

static int hw_info(struct call *call, struct idevice *idev, struct iommu_hw_info *cmd)
{
	struct iommu *iommu = requester_iommu(idev->hdev->requester);
	uint32_t in_type = cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE ? cmd->in_data_type : 0;
	const struct iommu_caps *caps = requester_caps(idev->hdev->requester);
	uint8_t info[64] = {0};
	size_t len = sizeof(info);
	uint32_t type;
	int rc;

	rc = iommu->make->hw_info(iommu, in_type, &type, info, &len);
	if (rc)
		return no(call, -rc, "HWI.5", "in_data_type", in_type, "a type that %s knows",
			  iommu->make->name);
	rc = put_hw_info(call, cmd, info, len);
	if (rc)
		return rc;
	cmd->data_len = len;
	cmd->out_data_type = type;
	cmd->out_max_pasid_log2 = caps->max_pasid_log2;
	cmd->out_capabilities = (caps->dirty ? IOMMU_HW_CAP_DIRTY_TRACKING : 0) |
				(caps->ats_not_supported ? IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED : 0);
	return 0;
}

int abi_get_hw_info(struct call *call)
{
	struct iommu_hw_info *cmd = call->cmd;
	struct idevice *idev;
	int rc;

	if (cmd->flags & ~(uint32_t)IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		return no(call, EOPNOTSUPP, "HWI.1", "flags", cmd->flags, "0 or INPUT_TYPE 1");
	if (cmd->__reserved[0] || cmd->__reserved[1] || cmd->__reserved[2])
		return no(call, EOPNOTSUPP, "HWI.2", "__reserved", cmd->__reserved[0], "0");
	idev = call_get_device(call, cmd->dev_id, "HWI.3");
	if (!idev)
		return -ENOENT;
	rc = hw_info(call, idev, cmd);
	object_put(call->ctx, &idev->obj);
	return rc ? rc : call_respond(call);
}
