/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a host knows of memory beyond the process's own, which needs no word.
 */
#ifndef IOAS_MEMORY_H
#define IOAS_MEMORY_H

#include <ioas/types.h>

IOAS_BEGIN

/**
 * ioas_memory_register() - promise that memory stays
 * @addr, @len: whole pages of 4096 bytes
 *
 * Memory that the caller promises to keep mapped, readable and writable until it unregisters it:
 * mapping it for DMA needs no look at it, and copies need no guard. -EINVAL: not whole pages, or
 * none; -EEXIST: it meets what is registered.
 */
IOAS_API int ioas_memory_register(struct ioas_host *h, void *addr, size_t len);

/**
 * ioas_memory_unregister() - take the promise back
 * @addr, @len: exactly as registered
 *
 * -ENOENT: nothing such is registered; -EBUSY: it is still mapped for DMA.
 */
IOAS_API int ioas_memory_unregister(struct ioas_host *h, void *addr, size_t len);

IOAS_END
#endif
