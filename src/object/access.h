/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ACCESS object: a software user of an IOAS that pins or copies instead of translating
 * (semantics 8). Emulated devices, mediated devices, and the engine's own HW queues.
 *
 * An access is made by its owner, not by a command, and only its owner destroys it (DEST.3). What
 * it has pinned stays where it is until it is unpinned; an UNMAP of it calls unmap() and waits
 * until nothing inside the range is pinned.
 */
#ifndef IOAS_OBJECT_ACCESS_H
#define IOAS_OBJECT_ACCESS_H

#include "object/iommufd.h"

struct access_ops {
	bool needs_pin; /* raises the IOAS's alignment to the page; access_pin() wants it */
	/*
	 * [iova, iova + length) goes away: unpin everything that meets it before returning. Called
	 * without the engine's locks, on the thread that unmaps; may call access_unpin(). Must not
	 * wait for a call of access_destroy() or access_replace(), which wait for it.
	 */
	void (*unmap)(void *arg, uint64_t iova, uint64_t length);
};

struct access;

/* Holds the context. *id (may be NULL): as programs see it. -ENOMEM. */
int access_create(struct iommufd *ctx, const struct access_ops *ops, void *arg, struct access **out,
		  uint32_t *id);
/* Detaches. Everything is unpinned by now; no unmap() runs after it has returned. */
void access_destroy(struct access *a);
const struct access_ops *access_get_ops(const struct access *a);
/* For those that look, of an OBJECT_ACCESS that they hold: 0 when it is attached to none. */
uint32_t access_ioas_id(struct object *obj);

/* ACC.1, ACC.2. -EINVAL, -ENOENT, -EBUSY, -EADDRINUSE (an area is not aligned to the page). */
int access_attach(struct access *a, uint32_t ioas_id);
int access_replace(struct access *a, uint32_t ioas_id);
void access_detach(struct access *a);

enum {
	ACCESS_READ = 0,
	ACCESS_WRITE = 1,
	ACCESS_SLOW = 4 /* by a short pin, whatever could be done */
};

/*
 * ACC.3 to ACC.7. *pas[n] receives the PA of the n-th page; @pas has room for every page that the
 * range meets. @write: as well as to read. access_unpin() names exactly the same range.
 */
int access_pin(struct access *a, uint64_t iova, uint64_t length, uint64_t *pas, bool write);
/* ACC.8. */
int access_unpin(struct access *a, uint64_t iova, uint64_t length);
/* ACC.9 to ACC.11: between @buf, which is the engine's, and the IOAS. @flags: ACCESS_. */
int access_rw(struct access *a, uint64_t iova, void *buf, uint64_t length, unsigned int flags);

#endif
