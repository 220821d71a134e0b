/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files, and the calls on them as observers see them: one event when a call comes in, one with its
 * answer.
 */
#include "abi/file.h"

#include <errno.h>

#include "object/host.h"

void abi_file_init(struct abi_file *f, const struct abi_file_ops *ops, struct host *h)
{
	*f = (struct abi_file){.ops = ops, .host = h, .refs = 1};
}

void abi_file_get(struct abi_file *f)
{
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
}

void abi_file_put(struct abi_file *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		return;
	OBSERVE(&f->host->sink, call, .op = OP_RELEASE, .file = f, .kind = f->ops->kind);
	f->ops->release(f);
}

long abi_observed_ioctl(struct abi_file *f, unsigned int cmd, uint64_t arg, struct caller *c)
{
	const struct sink *sink = &f->host->sink;
	long rc;

	OBSERVE(sink, call, OP_IOCTL, f, cmd, arg, .caller = &c, .kind = f->ops->kind);
	rc = inject_error(sink, abi_inject_call(f->ops->kind, cmd));
	if (!rc)
		rc = f->ops->ioctl(f, cmd, arg, c);
	OBSERVE(sink, answer, OP_IOCTL, f, cmd, arg, rc, NULL, f->ops->kind);
	return rc;
}

static __attribute__((cold, noinline)) ssize_t
observed_pread(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	const struct sink *sink = &f->host->sink;
	ssize_t rc;

	OBSERVE(sink, call, OP_READ, f, 0, buf, count, pos, &c, f->ops->kind);
	rc = inject_error(sink, INJECT_READ);
	if (!rc)
		rc = f->ops->pread(f, buf, count, pos, c);
	OBSERVE(sink, answer, OP_READ, f, 0, buf, rc, NULL, f->ops->kind);
	return rc;
}

ssize_t abi_call_pread(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos,
		       struct caller *c)
{
	if (!f->ops->pread)
		return refuse(
			&f->host->sink, EINVAL, "FILE.IO", "fd", 0,
			"a device, a fault queue or an event queue: nothing can be read here");
	return observed() ? observed_pread(f, buf, count, pos, c)
			  : f->ops->pread(f, buf, count, pos, c);
}

static __attribute__((cold, noinline)) ssize_t
observed_pwrite(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	const struct sink *sink = &f->host->sink;
	ssize_t rc;

	OBSERVE(sink, call, OP_WRITE, f, 0, buf, count, pos, &c, f->ops->kind);
	rc = inject_error(sink, INJECT_WRITE);
	if (!rc)
		rc = f->ops->pwrite(f, buf, count, pos, c);
	OBSERVE(sink, answer, OP_WRITE, f, 0, buf, rc, NULL, f->ops->kind);
	return rc;
}

ssize_t abi_call_pwrite(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos,
			struct caller *c)
{
	if (!f->ops->pwrite)
		return refuse(&f->host->sink, EINVAL, "FILE.IO", "fd", 0,
			      "a device or a fault queue: nothing can be written here");
	return observed() ? observed_pwrite(f, buf, count, pos, c)
			  : f->ops->pwrite(f, buf, count, pos, c);
}

int abi_call_mmap(struct abi_file *f, uint64_t len, int prot, int flags, uint64_t pos,
		  struct caller *c, struct abi_mapping *out)
{
	const struct sink *sink = &f->host->sink;
	const uint64_t how = (uint64_t)(unsigned int)prot << 32 | (unsigned int)flags;
	int rc;

	if (!f->ops->mmap)
		return refuse(sink, ENODEV, "FILE.MMAP", "fd", 0,
			      "a device or an iommufd: nothing can be mapped here");
	OBSERVE(sink, call, OP_MMAP, f, 0, how, len, pos, &c, f->ops->kind);
	rc = observed() ? inject_error(sink, INJECT_MMAP) : 0;
	if (!rc)
		rc = f->ops->mmap(f, len, prot, flags, pos, c, out);
	OBSERVE(sink, answer, OP_MMAP, f, 0, how, rc, rc ? NULL : out, f->ops->kind);
	return rc;
}

static int open_kind(struct host *h, enum abi_file_kind kind, unsigned int number, struct caller *c,
		     struct abi_file **out)
{
	switch (kind) {
	case ABI_IOMMUFD:
		return abi_open_iommufd(h, c, out);
	case ABI_CONTAINER:
		return abi_open_container(h, c, out);
	case ABI_GROUP:
		return abi_open_group(h, number, c, out);
	case ABI_DEVICE:
		return abi_open_device(h, number, c, out);
	default:
		return -ENODEV;
	}
}

int abi_call_open(struct host *h, enum abi_file_kind kind, unsigned int number, struct caller *c,
		  struct abi_file **out)
{
	int rc;

	OBSERVE(&h->sink, call, OP_OPEN, NULL, kind, number, .caller = &c, .kind = kind);
	rc = observed() ? inject_error(&h->sink, INJECT_OPEN) : 0;
	if (!rc)
		rc = open_kind(h, kind, number, c, out);
	OBSERVE(&h->sink, answer, OP_OPEN, rc ? NULL : *out, kind, number, rc, NULL, kind);
	return rc;
}
