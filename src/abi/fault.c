/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FAULT_QUEUE_ALLOC and the queue's file: semantics 6.1.
 *
 * The file holds the FAULT object as a user, and the context. It is a stream: no position, and reading never waits.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/iommufd.h"
#include "base/alloc.h"

struct fault_file {
	struct abi_file file;
	struct fault_queue *queue;
};

static const struct sink *sink_of(const struct fault_file *f)
{
	return &f->queue->ctx->host->sink;
}

struct reader {
	struct caller *caller;
	uint64_t at;
};

static int put_group(void *arg, const struct page_group *g)
{
	const bool has_pasid = g->pasid != IOMMU_NO_PASID;
	struct reader *r = arg;
	uint64_t at = r->at;

	for (size_t i = 0; i < g->nr_requests; i++) {
		const struct iommu_hwpt_pgfault record = {
			.flags = (has_pasid ? IOMMU_PGFAULT_FLAGS_PASID_VALID : 0) |
				 (i + 1 == g->nr_requests ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0),
			.dev_id = g->device_id,
			.pasid = g->pasid,
			.grpid = g->grpid,
			.perm = g->requests[i].perm,
			.addr = g->requests[i].addr,
			.cookie = g->cookie,
		};

		if (copy_out(r->caller, at, &record, sizeof(record)))
			return -EFAULT;
		at += sizeof(record);
	}
	r->at = at;
	return 0;
}

static ssize_t fault_pread(struct abi_file *file, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	const size_t size = sizeof(struct iommu_hwpt_pgfault);
	struct fault_file *f = container_of(file, struct fault_file, file);
	struct reader reader = {c, buf};
	ssize_t n;

	if (pos || count % size)
		return refuse(sink_of(f), ESPIPE, "FLT.1", "count", count, "a multiple of %zu", size);
	n = fault_queue_read(f->queue, count / size, put_group, &reader);
	if (n == -EFAULT)
		return refuse(sink_of(f), EFAULT, "FLT.6", "buf", buf, "writable memory");
	return n > 0 ? n * (ssize_t)size : n;
}

static int answer_one(struct fault_file *f, uint64_t at, struct caller *c)
{
	struct iommu_hwpt_page_response answer;

	if (copy_in(c, &answer, at, sizeof(answer)))
		return refuse(sink_of(f), EFAULT, "FLT.9", "buf", at, "a readable answer");
	if (answer.code != IOMMUFD_PAGE_RESP_SUCCESS && answer.code != IOMMUFD_PAGE_RESP_INVALID)
		return refuse(sink_of(f), EINVAL, "FLT.10", "code", answer.code, "SUCCESS 0 or INVALID 1");
	return fault_queue_answer(f->queue, answer.cookie, answer.code == IOMMUFD_PAGE_RESP_SUCCESS);
}

static ssize_t fault_pwrite(struct abi_file *file, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	const size_t size = sizeof(struct iommu_hwpt_page_response);
	struct fault_file *f = container_of(file, struct fault_file, file);
	size_t done = 0;
	int rc = 0;

	if (pos || count % size)
		return refuse(sink_of(f), ESPIPE, "FLT.8", "count", count, "a multiple of %zu", size);
	while (done < count) {
		rc = answer_one(f, buf + done, c);
		if (rc)
			break;
		done += size;
	}
	return done ? (ssize_t)done : rc;
}

static void fault_watch(struct abi_file *file, void (*changed)(void *arg, bool readable), void *arg)
{
	fault_queue_watch(container_of(file, struct fault_file, file)->queue, changed, arg);
}

static long fault_ioctl(struct abi_file *file, unsigned int cmd, uint64_t arg, struct caller *c)
{
	struct fault_file *f = container_of(file, struct fault_file, file);

	return refuse(sink_of(f), ENOTTY, "FLT.0", "command", cmd, "read, write and poll: a fault queue has no commands");
}

static void fault_release(struct abi_file *file)
{
	struct fault_file *f = container_of(file, struct fault_file, file);
	struct iommufd *ctx = f->queue->ctx;

	object_release(ctx, &f->queue->obj);
	fault_queue_put(f->queue);
	iommufd_put(ctx);
	ioas_free(f);
}

static const void *fault_context(struct abi_file *file)
{
	return container_of(file, struct fault_file, file)->queue->ctx;
}

static const struct abi_file_ops fault_ops = {
	.kind = ABI_FAULT,
	.stream = true,
	.ioctl = fault_ioctl,
	.pread = fault_pread,
	.pwrite = fault_pwrite,
	.watch = fault_watch,
	.release = fault_release,
	.context = fault_context,
};

static int open_queue(struct fault_queue *queue, struct abi_file **out)
{
	struct fault_file *f = ioas_calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	iommufd_get(queue->ctx);
	object_hold(queue->ctx, &queue->obj);
	fault_queue_get(queue);
	f->queue = queue;
	abi_file_init(&f->file, &fault_ops, queue->ctx->host);
	*out = &f->file;
	return 0;
}

/* The fd, with the caller told of it; on failure nothing is left. */
static int install_and_respond(struct call *call, struct fault_queue *queue)
{
	struct iommu_fault_alloc *cmd = call->cmd;
	struct abi_file *file;
	int rc;

	rc = open_queue(queue, &file);
	if (rc)
		return rc;
	cmd->out_fault_id = queue->obj.id;
	return call_respond_with_fd(call, file, &cmd->out_fault_fd);
}

int abi_fault_queue_alloc(struct call *call)
{
	struct iommu_fault_alloc *cmd = call->cmd;
	struct fault_queue *queue;
	int rc;

	if (cmd->flags)
		return no(call, EOPNOTSUPP, "FLT.0", "flags", cmd->flags, "0");
	rc = fault_queue_alloc(call->ctx, &queue);
	if (rc)
		return rc;
	rc = install_and_respond(call, queue);
	if (rc)
		object_abort_and_free(call->ctx, &queue->obj);
	else
		object_publish(call->ctx, &queue->obj);
	return rc;
}
