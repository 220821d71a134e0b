/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dma-buf to map, and to take back.
 */
#include <errno.h>

#include "abi/dmabuf.h"
#include "mock/private.h"

#define MAX_PAGES 512

/* The result is the fd. */
int mock_op_dmabuf_get(struct call *call, struct iommu_test_cmd *cmd)
{
	uint64_t size = align_up(cmd->dmabuf_get.length, PAGE_SIZE);
	struct caller *c = call->caller;
	struct abi_file *file;
	struct dmabuf *d;
	int rc;

	if (!size || size > MAX_PAGES * PAGE_SIZE)
		return mock_no(call, EINVAL, "length", cmd->dmabuf_get.length, "1 to %llu bytes",
			       (unsigned long long)(MAX_PAGES * PAGE_SIZE));
	rc = dmabuf_create(call->ctx->host->memory, size, &d);
	if (rc)
		return rc;
	rc = abi_open_dmabuf(call->ctx->host, d, &file);
	if (rc) {
		dmabuf_put(d);
		return rc;
	}
	rc = c->ops->fd_install(c, file);
	if (rc < 0)
		abi_file_put(file);
	return rc;
}

int mock_op_dmabuf_revoke(struct call *call, struct iommu_test_cmd *cmd)
{
	struct caller *c = call->caller;
	struct abi_file *file;
	struct dmabuf *d;
	int rc;

	rc = c->ops->file_get(c, cmd->dmabuf_revoke.dmabuf_fd, &file);
	if (rc)
		return mock_no(call, rc == -EBADF ? EBADF : EINVAL, "dmabuf_fd",
			       (uint64_t)cmd->dmabuf_revoke.dmabuf_fd, "a dma-buf");
	d = abi_file_dmabuf(file);
	if (d)
		dmabuf_revoke(d, cmd->dmabuf_revoke.revoked);
	else
		rc = mock_no(call, EINVAL, "dmabuf_fd", (uint64_t)cmd->dmabuf_revoke.dmabuf_fd,
			     "a dma-buf");
	abi_file_put(file);
	return rc;
}
