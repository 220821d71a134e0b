/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU_SANITIZE, an extension (docs/abi-extensions.md): a program says which bytes of a mapping it
 * means. It is there for whoever observes, and nobody else: without one the command does not exist.
 */
#include <errno.h>

#include <ioas/abi/extensions.h>

#include "abi/iommufd.h"
#include "abi/type1.h"
#include "abi/vfio.h"
#include "base/observe.h"

static int annotate(const struct sink *sink, struct space *space, const struct iommu_sanitize *cmd)
{
	uint64_t last;

	if (!cmd->length)
		return refuse(sink, EINVAL, "SAN.3", "length", 0, "at least 1");
	if (__builtin_add_overflow(cmd->iova, cmd->length - 1, &last))
		return refuse(sink, EOVERFLOW, "SAN.4", "iova", cmd->iova,
			      "iova + length - 1 within 64 bits");
	OBSERVE(sink, annotate, space, cmd->iova, last, !(cmd->flags & IOMMU_SANITIZE_NOT_MEANT));
	return 0;
}

static int check_flags(const struct sink *sink, const struct iommu_sanitize *cmd)
{
	if (cmd->flags & ~(uint32_t)IOMMU_SANITIZE_NOT_MEANT || cmd->__reserved)
		return refuse(sink, EOPNOTSUPP, "SAN.1", "flags", cmd->flags,
			      "NOT_MEANT 1, and __reserved 0");
	return 0;
}

/* Id 0 is the compat IOAS, which is all that a container's user knows. */
static struct ioas *get_ioas(struct call *call, uint32_t id)
{
	struct ioas *ioas;

	if (id)
		return call_get_ioas(call, id, "SAN.2", "ioas_id");
	ioas = iommufd_compat_get(call->ctx);
	if (!ioas)
		no(call, ENOENT, "SAN.2", "ioas_id", id, "the id of an IOAS");
	return ioas;
}

int abi_sanitize(struct call *call)
{
	const struct iommu_sanitize *cmd = call->cmd;
	struct ioas *ioas;
	int rc;

	rc = check_flags(call->sink, cmd);
	if (rc)
		return rc;
	ioas = get_ioas(call, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	rc = annotate(call->sink, ioas->space, cmd);
	call_put_ioas(call, ioas);
	return rc;
}

long type1_sanitize(struct type1 *t, uint64_t arg, struct caller *c)
{
	const struct sink *sink = &t->host->sink;
	struct iommu_sanitize cmd;
	int rc;

	if (copy_in(c, &cmd, arg, sizeof(cmd)))
		return refuse(sink, EFAULT, "ENV.6", "size", arg, "a readable structure");
	if (cmd.size != sizeof(cmd))
		return refuse(sink, EINVAL, "ENV.4", "size", cmd.size, "%zu", sizeof(cmd));
	rc = check_flags(sink, &cmd);
	if (rc)
		return rc;
	if (cmd.ioas_id)
		return refuse(sink, ENOENT, "SAN.2", "ioas_id", cmd.ioas_id, "0 for a container");
	return annotate(sink, t->space, &cmd);
}
