/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for one channel of an I/OAT DMA engine, polling: what tests let copy memory.
 */
#ifndef TESTS_ABI_IOAT_USER_H
#define TESTS_ABI_IOAT_USER_H

#include "vfio_fixture.h"

enum { IOAT_DONE = 1, IOAT_HALTED = 3 };

/* The model's device, one alone in its group if there is such; NULL if there is none. */
const struct vfio_id *ioat_id(void);

struct ioat_user {
	int device;
	uint64_t bar; /* offset of BAR 0 in the device's file */
};

/* The device of @v, with memory decoding and bus mastering on. */
void ioat_open(struct ioat_user *u, const struct vfio *v);
/* A descriptor that copies @len bytes, at @d; alone in its chain. */
void ioat_copy(void *d, uint64_t dst, uint64_t src, uint32_t len);
/* Resets the channel and runs the descriptor at @iova, with @pasid (our vendor register; 0: without). */
void ioat_start(struct ioat_user *u, uint64_t iova, uint32_t pasid);
/* The channel's state (IOAT_DONE, IOAT_HALTED, or another after about @ms milliseconds). */
unsigned int ioat_wait(struct ioat_user *u, unsigned int ms);

#endif
