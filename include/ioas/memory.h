/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory beyond the process's own, which needs no word: promised, or with addresses of the
 * embedder's own and behind its callbacks.
 */
#ifndef IOAS_MEMORY_H
#define IOAS_MEMORY_H

#include <ioas/types.h>

IOAS_BEGIN

/**
 * ioas_memory_register() - promise that memory stays
 * @addr, @len: whole pages of 4096 bytes
 *
 * Memory of the process that the caller promises to keep mapped, readable and writable until it
 * unregisters it: mapping it for DMA needs no look at it, and copies need no guard, which is a
 * system call for each piece of a DMA. -EINVAL: not whole pages, or none; -EEXIST: it meets what is
 * registered.
 */
IOAS_API int ioas_memory_register(struct ioas_host *h, void *addr, size_t len);

/**
 * ioas_memory_unregister() - take the promise back
 * @addr, @len: exactly as registered
 *
 * -ENOENT: nothing such is registered; -EBUSY: it is still mapped for DMA.
 */
IOAS_API int ioas_memory_unregister(struct ioas_host *h, void *addr, size_t len);

/*
 * A memory of the embedder's: addresses that mean something to it, such as a guest's physical ones,
 * and bytes that are wherever it likes. Mapped with ioas_map_memory() they are as any other memory:
 * pinned, charged, translated. What lies in this process costs a DMA nothing more than registered
 * memory does; the rest is reached by a call for each piece of a DMA.
 */
struct ioas_memory_range {
	uint64_t start,
		last; /* addresses alike, around the one asked for: whole pages of 4096 bytes */
	bool write;   /* may be written, as well as read */
	/*
	 * Where start lies in this process, at a page: mapped, readable and (with @write) writable
	 * until ioas_memory_changed() has told otherwise. NULL: only read() and write() reach it.
	 */
	void *pointer;
};

/*
 * Callbacks come from any thread, several at once, and must not call the library. read() and
 * write() come from the middle of a DMA, which whoever unmaps waits for: they must not wait for
 * such a thread.
 */
struct ioas_memory_ops {
	/* What lies at @addr? 0, or a negative errno: nothing. Answers are remembered. */
	int (*find)(void *arg, uint64_t addr, struct ioas_memory_range *out);
	/*
	 * Copy @len bytes within one range without a pointer. 0, or a negative errno: the DMA
	 * faults. May be NULL where every range has one.
	 */
	int (*read)(void *arg, uint64_t addr, void *dst, size_t len);
	int (*write)(void *arg, uint64_t addr, const void *src, size_t len);
	/* Nothing will be called any more; may be NULL. Comes when it was destroyed and the last
	 * map of it has gone. */
	void (*released)(void *arg);
	void *reserved[3];
};

struct ioas_memory;

/**
 * ioas_memory_create() - make one
 * @c: for use with contexts of the same host; or with those of the kernel
 *
 * -EINVAL: no find().
 */
IOAS_API int ioas_memory_create(struct ioas_context *c, const struct ioas_memory_ops *ops,
				void *arg, struct ioas_memory **out);

/**
 * ioas_memory_destroy() - it has gone
 *
 * When this returns no DMA to it runs, and none ever will: what is still mapped faults. Before the
 * host is destroyed, and so before a context is closed that has a host of its own.
 */
IOAS_API void ioas_memory_destroy(struct ioas_memory *mem);

/**
 * ioas_memory_changed() - what lies at [addr, addr + length) is other memory now, or none
 *
 * find() tells the new truth before this is called; the old memory stays in place until it has
 * returned. Then no DMA to it runs, what is mapped there faults until it is unmapped and mapped
 * anew, and find() is asked again. The kernel's contexts keep what they pinned, as for all memory.
 */
IOAS_API void ioas_memory_changed(struct ioas_memory *mem, uint64_t addr, uint64_t length);

/* Bytes of a memory. */
struct ioas_memory_area {
	struct ioas_memory *memory;
	uint64_t addr, length;
};

/**
 * ioas_map_memory() - map memory of the embedder's
 *
 * As ioas_map(). -EFAULT: find() knows nothing there, or nothing that may be written. -EINVAL: also
 * when
 * @area's memory was made for another engine. On the kernel it must be one range with a pointer,
 * else -EOPNOTSUPP.
 */
IOAS_API int ioas_map_memory(struct ioas_context *c, uint32_t ioas,
			     const struct ioas_memory_area *area, uint32_t flags, uint64_t *iova);

IOAS_END
#endif
