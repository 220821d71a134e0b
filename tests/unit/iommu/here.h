/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A caller whose memory is this process's: what it hands to a make are plain pointers.
 */
#ifndef IOAS_TESTS_UNIT_IOMMU_HERE_H
#define IOAS_TESTS_UNIT_IOMMU_HERE_H

#include <string.h>

#include "iommu/user.h"

static inline int here_copy_in(void *arg, void *dst, uint64_t src, size_t len)
{
	memcpy(dst, (const void *)(uintptr_t)src, len);
	return 0;
}

static inline int here_copy_out(void *arg, uint64_t dst, const void *src, size_t len)
{
	memcpy((void *)(uintptr_t)dst, src, len);
	return 0;
}

static const struct user_ops here = {.copy_in = here_copy_in, .copy_out = here_copy_out};

#endif
