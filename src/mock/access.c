/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses: a file that stands for a software user of an IOAS.
 *
 * What it has pinned are items with numbers. One lock covers pinning and noting down what is
 * pinned, so that an unmap, which unpins what it meets, misses nothing.
 */
#include "object/access.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "mock/private.h"

#define MAX_LENGTH (16ull << 20)

struct item {
	struct list link;
	uint64_t iova, length;
	uint32_t id;
};

struct test_access {
	struct abi_file file;
	struct access *access;
	struct iommufd *ctx;
	uint32_t ioas_id; /* last attached to; atomic */
	pthread_mutex_t lock;
	struct list items;
	uint32_t next_id;
};

static void drop(struct test_access *a, struct item *item)
{
	list_del(&item->link);
	access_unpin(a->access, item->iova, item->length);
	ioas_free(item);
}

static void unmap(void *arg, uint64_t iova, uint64_t length)
{
	struct test_access *a = arg;
	struct list *pos, *tmp;

	pthread_mutex_lock(&a->lock);
	list_for_each (pos, tmp, &a->items) {
		struct item *item = list_entry(pos, struct item, link);

		if (iova <= item->iova + (item->length - 1) && item->iova <= iova + (length - 1))
			drop(a, item);
	}
	pthread_mutex_unlock(&a->lock);
}

static const struct access_ops pinning = {.needs_pin = true, .unmap = unmap};
static const struct access_ops copying = {.unmap = unmap};

/* The file. */

static long access_ioctl(struct abi_file *file, unsigned int cmd, uint64_t arg, struct caller *c)
{
	return -ENOTTY;
}

static void access_release(struct abi_file *file)
{
	struct test_access *a = container_of(file, struct test_access, file);

	unmap(a, 0, U64MAX);
	access_destroy(a->access);
	pthread_mutex_destroy(&a->lock);
	ioas_free(a);
}

static const struct abi_file_ops access_file_ops = {
	.kind = ABI_OTHER,
	.ioctl = access_ioctl,
	.release = access_release,
};

/* Attached, in a file of its own. */
static int open_access(struct call *call, uint32_t ioas_id, const struct access_ops *ops,
		       struct test_access **out)
{
	struct test_access *a = ioas_calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	rc = access_create(call->ctx, ops, a, &a->access, NULL);
	if (rc) {
		ioas_free(a);
		return rc;
	}
	pthread_mutex_init(&a->lock, NULL);
	list_init(&a->items);
	a->ctx = call->ctx;
	a->ioas_id = ioas_id;
	abi_file_init(&a->file, &access_file_ops, call->ctx->host);
	rc = access_attach(a->access, ioas_id);
	if (rc) {
		abi_file_put(&a->file);
		return rc;
	}
	*out = a;
	return 0;
}

int mock_op_create_access(struct call *call, struct iommu_test_cmd *cmd)
{
	bool pins = cmd->create_access.flags & MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	struct caller *c = call->caller;
	struct test_access *a;
	int fd, rc;

	if (cmd->create_access.flags & ~(uint32_t)MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return mock_no(call, EOPNOTSUPP, "flags", cmd->create_access.flags,
			       "NEEDS_PIN_PAGES 1");
	rc = open_access(call, cmd->id, pins ? &pinning : &copying, &a);
	if (rc)
		return rc;
	fd = c->ops->fd_install(c, &a->file);
	if (fd < 0) {
		abi_file_put(&a->file);
		return -ENOMEM;
	}
	cmd->create_access.out_access_fd = (uint32_t)fd;
	rc = call_respond(call);
	if (rc)
		c->ops->fd_uninstall(c, fd);
	return rc;
}

/* With a reference to its file. */
static struct test_access *get_access(struct call *call, uint32_t fd)
{
	struct caller *c = call->caller;
	struct abi_file *file;

	if (!c->ops->file_get(c, (int)fd, &file)) {
		if (file->ops == &access_file_ops)
			return container_of(file, struct test_access, file);
		abi_file_put(file);
	}
	mock_no(call, EBADFD, "id", fd, "the fd of an access");
	return NULL;
}

static void put_access(struct test_access *a)
{
	abi_file_put(&a->file);
}

int mock_op_replace_ioas(struct call *call, struct iommu_test_cmd *cmd)
{
	struct test_access *a = get_access(call, cmd->id);
	int rc;

	if (!a)
		return -EBADFD;
	rc = access_replace(a->access, cmd->access_replace_ioas.ioas_id);
	if (!rc)
		__atomic_store_n(&a->ioas_id, cmd->access_replace_ioas.ioas_id, __ATOMIC_RELAXED);
	put_access(a);
	return rc;
}

/* A fuzzer cannot know IOVAs: its low word is the number of an area, the high one an offset in it.
 * 0: no such area. */
static uint64_t fuzzed_iova(struct test_access *a, uint64_t iova)
{
	struct object *obj =
		object_get(a->ctx, __atomic_load_n(&a->ioas_id, __ATOMIC_RELAXED), OBJECT_IOAS);
	struct space_area area = {0};
	uint64_t from = 0;
	int rc = -ENOENT;

	if (!obj)
		return 0;
	for (uint64_t n = 0; n <= (uint32_t)iova; n++) {
		rc = space_next_area(container_of(obj, struct ioas, obj)->space, from, &area);
		if (rc || area.last == U64MAX)
			break;
		from = area.last + 1;
	}
	object_put(a->ctx, obj);
	return rc ? 0 : area.iova + (iova >> 32);
}

/* Pinning. */

/* Are these the pages that the caller has from @va on? */
static int compare(struct call *call, const uint64_t *pas, uint64_t n, uint64_t va)
{
	struct memory *m = call->ctx->host->memory;

	for (uint64_t i = 0; i < n; i++, va += PAGE_SIZE) {
		int rc = memory_shows(m, pas[i], caller_memory(call->caller), va);

		if (rc)
			return mock_no(call, rc == -EFAULT ? EFAULT : EBADE, "uptr", va,
				       "the memory that is mapped");
	}
	return 0;
}

/* Under the lock. */
static int note_pin(struct call *call, struct test_access *a, struct iommu_test_cmd *cmd,
		    uint64_t iova)
{
	struct item *item = ioas_malloc(sizeof(*item));
	int rc;

	if (!item)
		return -ENOMEM;
	*item = (struct item){.iova = iova, .length = cmd->access_pages.length, .id = a->next_id++};
	cmd->access_pages.out_access_pages_id = item->id;
	rc = call_respond(call);
	if (rc)
		ioas_free(item);
	else
		list_add_tail(&a->items, &item->link);
	return rc;
}

static int pin(struct call *call, struct test_access *a, struct iommu_test_cmd *cmd, uint64_t iova,
	       uint64_t *pas, uint64_t n)
{
	uint64_t length = cmd->access_pages.length, va = cmd->access_pages.uptr;
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = access_pin(a->access, iova, length, pas,
			cmd->access_pages.flags & MOCK_FLAGS_ACCESS_WRITE);
	if (rc)
		goto out_unlock;
	if (va)
		rc = compare(call, pas, n, va - (iova & PAGE_MASK));
	if (!rc)
		rc = note_pin(call, a, cmd, iova);
	if (rc)
		access_unpin(a->access, iova, length);
out_unlock:
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static int pin_pages(struct call *call, struct test_access *a, struct iommu_test_cmd *cmd)
{
	uint64_t iova = cmd->access_pages.iova, n, *pas;
	int rc;

	if (access_get_ops(a->access) != &pinning)
		return mock_no(call, EOPNOTSUPP, "id", cmd->id,
			       "an access made with NEEDS_PIN_PAGES");
	if (cmd->access_pages.flags & MOCK_FLAGS_ACCESS_SYZ)
		iova = fuzzed_iova(a, iova);
	n = ((iova & PAGE_MASK) + cmd->access_pages.length + PAGE_MASK) >> PAGE_SHIFT;
	pas = ioas_calloc(n + 1, sizeof(*pas));
	if (!pas)
		return -ENOMEM;
	rc = pin(call, a, cmd, iova, pas, n);
	ioas_free(pas);
	return rc;
}

int mock_op_access_pages(struct call *call, struct iommu_test_cmd *cmd)
{
	const uint32_t known = MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ;
	struct test_access *a;
	int rc;

	if (cmd->access_pages.length > MAX_LENGTH)
		return mock_no(call, ENOMEM, "length", cmd->access_pages.length, "at most 16 MiB");
	if (cmd->access_pages.flags & ~known)
		return mock_no(call, EOPNOTSUPP, "flags", cmd->access_pages.flags,
			       "WRITE 1, SYZ 0x10000");
	a = get_access(call, cmd->id);
	if (!a)
		return -EBADFD;
	rc = pin_pages(call, a, cmd);
	put_access(a);
	return rc;
}

int mock_op_destroy_pages(struct call *call, struct iommu_test_cmd *cmd)
{
	struct test_access *a = get_access(call, cmd->id);
	struct list *pos, *tmp;
	int rc = -ENOENT;

	if (!a)
		return -EBADFD;
	pthread_mutex_lock(&a->lock);
	list_for_each (pos, tmp, &a->items) {
		struct item *item = list_entry(pos, struct item, link);

		if (item->id != cmd->destroy_access_pages.access_pages_id)
			continue;
		drop(a, item);
		rc = 0;
		break;
	}
	pthread_mutex_unlock(&a->lock);
	put_access(a);
	return rc;
}

/* Copying. */

static int copy(struct call *call, struct test_access *a, const struct iommu_test_cmd *cmd,
		void *buf)
{
	uint64_t iova = cmd->access_rw.iova, va = cmd->access_rw.uptr, n = cmd->access_rw.length;
	bool write = cmd->access_rw.flags & MOCK_ACCESS_RW_WRITE;
	unsigned int how = (write ? ACCESS_WRITE : ACCESS_READ) |
			   (cmd->access_rw.flags & MOCK_ACCESS_RW_SLOW_PATH ? ACCESS_SLOW : 0);
	int rc;

	if (cmd->access_rw.flags & MOCK_FLAGS_ACCESS_SYZ)
		iova = fuzzed_iova(a, iova);
	if (write && copy_in(call->caller, buf, va, n))
		return mock_no(call, EFAULT, "uptr", va, "readable memory");
	rc = access_rw(a->access, iova, buf, n, how);
	if (!rc && !write && copy_out(call->caller, va, buf, n))
		rc = mock_no(call, EFAULT, "uptr", va, "writable memory");
	return rc;
}

int mock_op_access_rw(struct call *call, struct iommu_test_cmd *cmd)
{
	const uint32_t known =
		MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH | MOCK_FLAGS_ACCESS_SYZ;
	struct test_access *a;
	void *buf;
	int rc = -ENOMEM;

	if (cmd->access_rw.length > MAX_LENGTH)
		return mock_no(call, ENOMEM, "length", cmd->access_rw.length, "at most 16 MiB");
	if (cmd->access_rw.flags & ~known)
		return mock_no(call, EOPNOTSUPP, "flags", cmd->access_rw.flags,
			       "WRITE 1, SLOW_PATH 4, SYZ 0x10000");
	a = get_access(call, cmd->id);
	if (!a)
		return -EBADFD;
	buf = ioas_calloc(1, cmd->access_rw.length + 1);
	if (buf)
		rc = copy(call, a, cmd, buf);
	ioas_free(buf);
	put_access(a);
	return rc;
}
