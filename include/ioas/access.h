/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software users of an IOAS: they read and write it, or pin it and touch the memory itself. For
 * emulated devices that share an IOAS with others. Unlike a port an access goes through no page
 * table: no IOTLB, no faults, no dirty bits.
 *
 * On the embedded engine; the kernel offers no such thing to programs.
 *
 * What is pinned stays where it is until it is unpinned. Who unmaps it has to ask: unmap() is
 * called, and the call of ioas_unmap() goes on when nothing in the areas is pinned any more.
 */
#ifndef IOAS_ACCESS_H
#define IOAS_ACCESS_H

#include <ioas/types.h>
#include <sys/uio.h>

IOAS_BEGIN

struct ioas_access_config {
	/*
	 * It may pin. Areas must then begin at the page in the IOAS as in memory: a map of others
	 * is refused (-EINVAL) while it is attached.
	 */
	bool pins;
	/*
	 * [iova, iova + length) goes away: unpin everything that meets it before returning, by the
	 * ranges it was pinned by. Needed with @pins. Called on the thread that unmaps, replaces,
	 * detaches; also when nothing of this access is pinned there. It may call
	 * ioas_access_unpin() of this access, and must not wait for a call of
	 * ioas_access_destroy(), _detach() or _replace(), which wait for it.
	 */
	void (*unmap)(void *arg, uint64_t iova, uint64_t length);
	void *arg;
	void *reserved[2];
};

/**
 * ioas_access_create() - make an access, attached to nothing
 *
 * -EOPNOTSUPP: the context is the kernel's; -EINVAL: @pins without unmap().
 */
IOAS_API int ioas_access_create(struct ioas_context *c, const struct ioas_access_config *cfg,
				struct ioas_access **out);

/**
 * ioas_access_destroy() - detach it and free it
 *
 * unmap() may be called for all, and is not running afterwards. Before the context is closed.
 */
IOAS_API void ioas_access_destroy(struct ioas_access *a);

/* Its id as an object of the context, which ioas_destroy() does not take (-EBUSY). */
IOAS_API uint32_t ioas_access_id(const struct ioas_access *a);

/**
 * ioas_access_attach() - work on an IOAS from now on
 *
 * -EINVAL: it is attached; -ENOENT; -EADDRINUSE: it pins, and an area does not begin at a page.
 */
IOAS_API int ioas_access_attach(struct ioas_access *a, uint32_t ioas);

/**
 * ioas_access_replace() - work on another one
 *
 * unmap() is called for all of the old one. -ENOENT: it is not attached, or no such IOAS;
 * -EADDRINUSE; -EBUSY: another thread is replacing it.
 */
IOAS_API int ioas_access_replace(struct ioas_access *a, uint32_t ioas);
/* unmap() is called for all. */
IOAS_API void ioas_access_detach(struct ioas_access *a);

enum ioas_access_flags {
	IOAS_ACCESS_WRITE = 1, /* as well as read */
};

/**
 * ioas_access_pin() - pin [iova, iova + length) and tell where it lies
 * @iova: begins at a page (4096 bytes) of the memory behind it
 * @length: bytes, at least 1
 * @flags: of enum ioas_access_flags
 * @vec: receives the pieces, in order; neighbours are joined
 * @n: in: room; out: how many pieces there are
 *
 * The pieces are memory of this process: the program's own where it is private, a mapping of the
 * engine's where it is shared or a file. Pages are charged as for ioas_map().
 *
 * -EINVAL: no length, not at a page, a dma-buf, or an area that is being unmapped; -EOVERFLOW:
 * wraps; -ENOENT: a hole, or not attached; -EPERM: mapped without this permission; -EFAULT: the
 * memory has gone; -ENOMEM: over RLIMIT_MEMLOCK; -EMSGSIZE: not room, *n is right and nothing is
 * pinned; -EOPNOTSUPP: a part lies behind callbacks, which have no address.
 */
IOAS_API int ioas_access_pin(struct ioas_access *a, uint64_t iova, uint64_t length, uint32_t flags,
			     struct iovec *vec, unsigned int *n);

/**
 * ioas_access_unpin() - let go what one call of ioas_access_pin() pinned
 * @iova, @length: exactly as there
 *
 * -EINVAL: nothing such is pinned; -ENOENT: not attached.
 */
IOAS_API int ioas_access_unpin(struct ioas_access *a, uint64_t iova, uint64_t length);

/**
 * ioas_access_read(), ioas_access_write() - copy out of the IOAS, and into it
 * @length: bytes, at least 1; of any alignment
 *
 * -EINVAL: no length, a dma-buf; -EOVERFLOW; -EPERM; -EFAULT: the memory has gone; -ENOENT: not
 * attached, or a hole: then all that lies before it has been copied.
 */
IOAS_API int ioas_access_read(struct ioas_access *a, uint64_t iova, void *dst, size_t length);
IOAS_API int ioas_access_write(struct ioas_access *a, uint64_t iova, const void *src,
			       size_t length);

IOAS_END
#endif
