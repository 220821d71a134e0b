/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on an IOAS as a whole, and on the context: semantics 2.5, 3.2-3.4, 3.9-3.12.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

#include "abi/iommufd.h"
#include "base/alloc.h"

int abi_destroy(struct call *call)
{
	struct iommu_destroy *cmd = call->cmd;

	return object_destroy_id(call->ctx, cmd->id);
}

int abi_ioas_alloc(struct call *call)
{
	struct iommu_ioas_alloc *cmd = call->cmd;
	struct ioas *ioas;
	int rc;

	if (cmd->flags)
		return no(call, EOPNOTSUPP, "ALLOC.1", "flags", cmd->flags, "0");
	rc = ioas_alloc(call->ctx, &ioas);
	if (rc)
		return rc;
	cmd->out_ioas_id = ioas->obj.id;
	rc = call_respond(call);
	if (rc) {
		object_abort_and_free(call->ctx, &ioas->obj);
		return rc;
	}
	object_publish(call->ctx, &ioas->obj);
	return 0;
}

static int copy_out_ranges(struct call *call, struct ioas *ioas, struct iommu_ioas_iova_ranges *cmd)
{
	struct space_range *ranges = NULL;
	size_t total, room = 0;
	uint64_t alignment;
	int rc = 0;

	/* The set may grow between the two looks; what is written stays within what was asked for. */
	total = space_iova_ranges(ioas->space, NULL, 0, &alignment);
	if (cmd->num_iovas && total) {
		room = min_u64(cmd->num_iovas, total);
		ranges = ioas_calloc(room, sizeof(*ranges));
		if (!ranges)
			return -ENOMEM;
		total = space_iova_ranges(ioas->space, ranges, room, &alignment);
		room = min_u64(room, total);
	}
	for (size_t i = 0; i < room && !rc; i++) {
		struct iommu_iova_range r = {.start = ranges[i].start, .last = ranges[i].last};

		if (copy_out(call->caller, cmd->allowed_iovas + i * sizeof(r), &r, sizeof(r)))
			rc = no(call, EFAULT, "RNG.4", "allowed_iovas", cmd->allowed_iovas,
				"writable memory for %zu ranges", room);
	}
	ioas_free(ranges);
	if (rc)
		return rc;
	rc = total > cmd->num_iovas ? no(call, EMSGSIZE, "RNG.3", "num_iovas", cmd->num_iovas,
					 "room for %zu ranges", total)
				    : 0;
	cmd->num_iovas = total;
	cmd->out_iova_alignment = alignment;
	return rc;
}

int abi_ioas_iova_ranges(struct call *call)
{
	struct iommu_ioas_iova_ranges *cmd = call->cmd;
	struct ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "RNG.1", "__reserved", cmd->__reserved, "0");
	ioas = call_get_ioas(call, cmd->ioas_id, "RNG.2", "ioas_id");
	if (!ioas)
		return -ENOENT;
	rc = copy_out_ranges(call, ioas, cmd);
	call_put_ioas(call, ioas);
	if (rc && rc != -EMSGSIZE)
		return rc;
	return call_respond(call) ? -EFAULT : rc;
}

/* Reads elements up to number @to into @ranges; the number of those that could be read. */
static uint32_t read_some(struct call *call, uint64_t src, struct space_range *ranges, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct iommu_iova_range r;

		if (copy_in(call->caller, &r, src + (uint64_t)i * sizeof(r), sizeof(r)))
			return i;
		ranges[i] = (struct space_range){r.start, r.last};
	}
	return to;
}

/*
 * Elements are taken one after the other, each with all that is wrong with it, so a bad one wins over a later one that
 * cannot be read. The memory grows only as far as the list has been found good.
 */
static int read_ranges(struct call *call, const struct iommu_ioas_allow_iovas *cmd, struct space *space,
		       struct space_range **out)
{
	struct space_range *ranges = NULL, *more;
	uint32_t room = 0, n = 0;
	int rc = 0;

	while (!rc && n == room && n < cmd->num_iovas) {
		room = (uint32_t)min_u64(cmd->num_iovas, room ? 2ull * room : 64);
		more = ioas_realloc(ranges, room * sizeof(*ranges));
		if (!more) {
			rc = -ENOMEM;
			break;
		}
		ranges = more;
		n = read_some(call, cmd->allowed_iovas, ranges, n, room);
		if (n < cmd->num_iovas)
			rc = space_check_allowed(space, ranges, n);
	}
	if (!rc && n < cmd->num_iovas)
		rc = no(call, EFAULT, "ALW.3", "allowed_iovas", cmd->allowed_iovas, "%u readable ranges",
			cmd->num_iovas);
	if (rc)
		ioas_free(ranges);
	else
		*out = ranges;
	return rc;
}

int abi_ioas_allow_iovas(struct call *call)
{
	struct iommu_ioas_allow_iovas *cmd = call->cmd;
	struct space_range *ranges;
	struct ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "ALW.1", "__reserved", cmd->__reserved, "0");
	ioas = call_get_ioas(call, cmd->ioas_id, "ALW.2", "ioas_id");
	if (!ioas)
		return -ENOENT;
	rc = read_ranges(call, cmd, ioas->space, &ranges);
	if (!rc) {
		rc = space_allow(ioas->space, ranges, cmd->num_iovas);
		ioas_free(ranges);
	}
	call_put_ioas(call, ioas);
	return rc;
}

static int option_rlimit_mode(struct call *call, struct iommu_option *cmd)
{
	struct iommufd *ctx = call->ctx;

	if (cmd->object_id)
		return no(call, EOPNOTSUPP, "OPT.3", "object_id", cmd->object_id, "0");
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = ctx->process_mode;
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return no(call, EOPNOTSUPP, "OPT.16", "op", cmd->op, "SET 0 or GET 1");
	if (!call->caller->ops->capable(call->caller, CAP_SYS_RESOURCE))
		return no(call, EPERM, "OPT.5", "option_id", cmd->option_id, "CAP_SYS_RESOURCE");
	if (object_count(ctx))
		return no(call, EBUSY, "OPT.6", "option_id", cmd->option_id, "a context without objects");
	if (cmd->val64 > 1)
		return no(call, EINVAL, "OPT.7", "val64", cmd->val64, "0 (user) or 1 (process)");
	ctx->process_mode = cmd->val64;
	return 0;
}

static int option_huge_pages(struct call *call, struct iommu_option *cmd)
{
	struct ioas *ioas = call_get_ioas(call, cmd->object_id, "OPT.8", "object_id");
	int rc = 0;

	if (!ioas)
		return -ENOENT;
	if (cmd->op == IOMMU_OPTION_OP_GET)
		cmd->val64 = space_huge_pages(ioas->space);
	else if (cmd->op == IOMMU_OPTION_OP_SET)
		rc = space_set_huge_pages(ioas->space, cmd->val64);
	else
		rc = no(call, EOPNOTSUPP, "OPT.16", "op", cmd->op, "SET 0 or GET 1");
	call_put_ioas(call, ioas);
	return rc;
}

int abi_option(struct call *call)
{
	struct iommu_option *cmd = call->cmd;
	int rc;

	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "OPT.1", "__reserved", cmd->__reserved, "0");
	if (cmd->option_id == IOMMU_OPTION_RLIMIT_MODE)
		rc = option_rlimit_mode(call, cmd);
	else if (cmd->option_id == IOMMU_OPTION_HUGE_PAGES)
		rc = option_huge_pages(call, cmd);
	else
		rc = no(call, EOPNOTSUPP, "OPT.2", "option_id", cmd->option_id,
			"RLIMIT_MODE 0 or HUGE_PAGES 1");
	if (rc)
		return rc;
	if (copy_out(call->caller, call->user + offsetof(struct iommu_option, val64), &cmd->val64,
		     sizeof(cmd->val64)))
		return no(call, EFAULT, "OPT.17", "val64", call->user, "writable memory");
	return 0;
}

/* Every IOAS of the context, each with a busy hold. */
static int collect_spaces(struct iommufd *ctx, struct ioas ***out, size_t *n)
{
	struct ioas **all;
	struct object *obj;
	uint32_t id = 0;
	size_t max;

	*n = 0;
	max = object_count(ctx);
	all = ioas_calloc(max + 1, sizeof(struct ioas *));
	if (!all)
		return -ENOMEM;
	lock_acquire(&ctx->lock);
	while (*n < max && (obj = ids_next(&ctx->ids, &id))) {
		if (obj->type != OBJECT_IOAS)
			continue;
		object_busy(obj);
		all[(*n)++] = container_of(obj, struct ioas, obj);
	}
	lock_release(&ctx->lock);
	*out = all;
	return 0;
}

int abi_ioas_change_process(struct call *call)
{
	struct iommu_ioas_change_process *cmd = call->cmd;
	struct memory_payer payer;
	struct space **spaces;
	struct ioas **all;
	size_t n;
	int rc;

	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "CHP.1", "__reserved", cmd->__reserved, "0");
	rc = collect_spaces(call->ctx, &all, &n);
	if (rc)
		return rc;
	spaces = ioas_calloc(n + 1, sizeof(struct space *));
	if (spaces) {
		for (size_t i = 0; i < n; i++)
			spaces[i] = all[i]->space;
		payer = call_payer(call->ctx, call->caller);
		rc = space_change_payer(spaces, n, &payer);
		ioas_free(spaces);
	} else {
		rc = -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		call_put_ioas(call, all[i]);
	ioas_free(all);
	return rc;
}

/* GPA.1: this host's devices are all behind an IOMMU. */
int abi_ioas_noiommu_get_pa(struct call *call)
{
	return no(call, EOPNOTSUPP, "GPA.1", "command", IOMMU_IOAS_NOIOMMU_GET_PA,
		  "a host without an IOMMU; this one has %s", call->ctx->host->iommu->make->name);
}

static int vfio_ioas_get(struct call *call, struct iommu_vfio_ioas *cmd)
{
	struct ioas *ioas = iommufd_compat_get(call->ctx);

	if (!ioas)
		return no(call, ENODEV, "VIO.2", "op", cmd->op, "a compat IOAS: SET one, or join a group");
	cmd->ioas_id = ioas->obj.id;
	call_put_ioas(call, ioas);
	return call_respond(call);
}

static int vfio_ioas_set(struct call *call, struct iommu_vfio_ioas *cmd)
{
	struct ioas *ioas = call_get_ioas(call, cmd->ioas_id, "VIO.3", "ioas_id");

	if (!ioas)
		return -ENOENT;
	lock_acquire(&call->ctx->lock);
	call->ctx->vfio_ioas = ioas;
	lock_release(&call->ctx->lock);
	call_put_ioas(call, ioas);
	return 0;
}

int abi_vfio_ioas(struct call *call)
{
	struct iommu_vfio_ioas *cmd = call->cmd;

	if (cmd->__reserved)
		return no(call, EOPNOTSUPP, "VIO.1", "__reserved", cmd->__reserved, "0");
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		return vfio_ioas_get(call, cmd);
	case IOMMU_VFIO_IOAS_SET:
		return vfio_ioas_set(call, cmd);
	case IOMMU_VFIO_IOAS_CLEAR:
		lock_acquire(&call->ctx->lock);
		call->ctx->vfio_ioas = NULL;
		lock_release(&call->ctx->lock);
		return 0;
	default:
		return no(call, EOPNOTSUPP, "VIO.6", "op", cmd->op, "GET 0, SET 1 or CLEAR 2");
	}
}
