/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses of an embedder's: an access object, and pointers in place of PAs.
 */
#include "object/access.h"

#include <ioas/access.h>

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "library/engine.h"
#include "library/private.h"

struct ioas_access {
	struct ioas_access_config cfg;
	struct access_ops ops;
	struct access *access;
	struct host *host;
	uint32_t id;
};

static void ask(void *arg, uint64_t iova, uint64_t length)
{
	struct ioas_access *a = arg;

	if (a->cfg.unmap)
		a->cfg.unmap(a->cfg.arg, iova, length);
}

static int create(struct ioas_context *c, struct ioas_access *a)
{
	struct iommufd *ctx;
	struct abi_file *f;
	int rc;

	rc = library_iommufd_get(c->host, c->file, &f, &ctx);
	if (rc)
		return rc;
	a->host = ctx->host;
	a->ops = (struct access_ops){.needs_pin = a->cfg.pins, .unmap = ask};
	rc = access_create(ctx, &a->ops, a, &a->access, &a->id);
	abi_file_put(f);
	return rc;
}

int ioas_access_create(struct ioas_context *c, const struct ioas_access_config *cfg,
		       struct ioas_access **out)
{
	struct ioas_access *a;
	int rc;

	if (!c->host)
		return -EOPNOTSUPP;
	if (cfg->pins && !cfg->unmap)
		return -EINVAL;
	a = ioas_calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->cfg = *cfg;
	rc = create(c, a);
	if (rc) {
		ioas_free(a);
		return rc;
	}
	*out = a;
	return 0;
}

void ioas_access_destroy(struct ioas_access *a)
{
	access_destroy(a->access);
	ioas_free(a);
}

uint32_t ioas_access_id(const struct ioas_access *a)
{
	return a->id;
}

int ioas_access_attach(struct ioas_access *a, uint32_t ioas)
{
	return access_attach(a->access, ioas);
}

int ioas_access_replace(struct ioas_access *a, uint32_t ioas)
{
	return access_replace(a->access, ioas);
}

void ioas_access_detach(struct ioas_access *a)
{
	access_detach(a->access);
}

/* Pages to pointers. */

struct pieces {
	struct iovec *vec;
	unsigned int room, n;
};

static void add_piece(struct pieces *p, char *at, size_t len)
{
	struct iovec *last = p->n && p->n <= p->room ? &p->vec[p->n - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == at) {
		last->iov_len += len;
		return;
	}
	if (p->n < p->room)
		p->vec[p->n] = (struct iovec){at, len};
	p->n++;
}

static bool has_address(const struct memory_slot *slot)
{
	switch ((enum memory_kind)slot->kind) {
	case MEMORY_PRIVATE:
	case MEMORY_REGISTERED:
	case MEMORY_DIRECT:
	case MEMORY_SHARED:
	case MEMORY_FILE:
		return true;
	default:
		return false;
	}
}

static int find_pieces(struct ioas_access *a, uint64_t iova, const uint64_t *pas, uint64_t length,
		       struct pieces *p)
{
	for (uint64_t done = 0; done < length; done += PAGE_SIZE) {
		const uint64_t pa = pas[done / PAGE_SIZE];
		const struct memory_slot *slot = memory_slot(a->host->memory, pa);

		if (!has_address(slot))
			return refuse(&a->host->sink, EOPNOTSUPP, "ACC.12", "iova", iova + done,
				      "memory with an address in this process");
		add_piece(p, slot->base + (pa & MEMORY_SLOT_MASK),
			  min_u64(length - done, PAGE_SIZE));
	}
	return p->n > p->room ? -EMSGSIZE : 0;
}

int ioas_access_pin(struct ioas_access *a, uint64_t iova, uint64_t length, uint32_t flags,
		    struct iovec *vec, unsigned int *n)
{
	struct pieces p = {vec, *n, 0};
	uint64_t *pas;
	int rc;

	if (flags & ~(uint32_t)IOAS_ACCESS_WRITE)
		return refuse(&a->host->sink, EOPNOTSUPP, "ACC.12", "flags", flags, "WRITE 1");
	if (!a->cfg.pins)
		return refuse(&a->host->sink, EINVAL, "ACC.12", "pins", 0,
			      "an access that was made to pin");
	rc = space_check_range(&a->host->sink, "ACC.3", iova, length);
	if (rc)
		return rc;
	pas = ioas_calloc(length / PAGE_SIZE + 1, sizeof(*pas));
	if (!pas)
		return -ENOMEM;
	rc = access_pin(a->access, iova, length, pas, flags & IOAS_ACCESS_WRITE);
	if (rc)
		goto out;
	rc = find_pieces(a, iova, pas, length, &p);
	if (!rc || rc == -EMSGSIZE)
		*n = p.n;
	if (rc)
		access_unpin(a->access, iova, length);
out:
	ioas_free(pas);
	return rc;
}

int ioas_access_unpin(struct ioas_access *a, uint64_t iova, uint64_t length)
{
	return access_unpin(a->access, iova, length);
}

int ioas_access_read(struct ioas_access *a, uint64_t iova, void *dst, size_t length)
{
	return access_rw(a->access, iova, dst, length, ACCESS_READ);
}

int ioas_access_write(struct ioas_access *a, uint64_t iova, const void *src, size_t length)
{
	return access_rw(a->access, iova, (void *)(uintptr_t)src, length, ACCESS_WRITE);
}
