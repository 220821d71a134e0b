/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many maps or unmaps in one call, an extension (docs/abi-extensions.md): the envelope, the IOAS and
 * the payer once, every range with all the checks of a call of its own.
 *
 * Elements are taken and given back a few at a time; those that are done stay done.
 */
#include <errno.h>

#include <ioas/abi/extensions.h>

#include "abi/iommufd.h"

#define SOME 32 /* elements copied at a time */

struct array {
	struct call *call;
	struct iommu_ioas_array *cmd;
	struct ioas *ioas;
	struct memory_payer payer;
	int (*one)(struct array *a, struct iommu_ioas_range *r);
	bool answers; /* elements are changed and given back */
};

static int map_one(struct array *a, struct iommu_ioas_range *r)
{
	return call_map_va(a->call, a->ioas, &a->payer, a->cmd->flags, r->user_va, r->length, &r->iova);
}

static int unmap_one(struct array *a, struct iommu_ioas_range *r)
{
	uint64_t unmapped = 0;
	int rc = call_unmap(a->call, a->ioas, r->iova, r->length, &unmapped);

	if (!rc)
		r->length = unmapped;
	return rc;
}

/* @n elements from number cmd->done on. */
static int do_some(struct array *a, uint32_t n)
{
	struct iommu_ioas_range r[SOME];
	uint64_t at = a->cmd->ranges + (uint64_t)a->cmd->done * sizeof(*r);
	uint32_t done = 0;
	int rc = 0;

	if (copy_in(a->call->caller, r, at, n * sizeof(*r)))
		return no(a->call, EFAULT, "ARR.4", "ranges", at, "%u readable ranges", n);
	while (done < n && !rc) {
		rc = a->one(a, &r[done]);
		done += !rc;
	}
	a->cmd->done += done;
	/* As after MAP.19: what was done stays. */
	if (a->answers && done && copy_out(a->call->caller, at, r, done * sizeof(*r)))
		return no(a->call, EFAULT, "ARR.5", "ranges", at, "%u writable ranges", done);
	return rc;
}

static int do_array(struct array *a, const char *rule)
{
	struct iommu_ioas_array *cmd = a->cmd;
	int rc = 0, answered;

	a->ioas = call_get_ioas(a->call, cmd->ioas_id, rule, "ioas_id");
	if (!a->ioas)
		return -ENOENT;
	a->payer = call_payer(a->call->ctx, a->call->caller);
	cmd->done = 0;
	while (cmd->done < cmd->count && !rc)
		rc = do_some(a, (uint32_t)min_u64(cmd->count - cmd->done, SOME));
	call_put_ioas(a->call, a->ioas);
	answered = call_respond(a->call);
	return rc ? rc : answered;
}

int abi_ioas_map_array(struct call *call)
{
	struct iommu_ioas_array *cmd = call->cmd;
	struct array a = {call, cmd, .one = map_one, .answers = !(cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA)};
	int rc = call_check_map_flags(call, cmd->flags, cmd->__reserved);

	return rc ? rc : do_array(&a, "ARR.3");
}

int abi_ioas_unmap_array(struct call *call)
{
	struct iommu_ioas_array *cmd = call->cmd;
	struct array a = {call, cmd, .one = unmap_one, .answers = true};

	if (cmd->flags || cmd->__reserved)
		return no(call, EOPNOTSUPP, "ARR.1", cmd->flags ? "flags" : "__reserved",
			  cmd->flags ? cmd->flags : cmd->__reserved, "0");
	return do_array(&a, "ARR.3");
}
