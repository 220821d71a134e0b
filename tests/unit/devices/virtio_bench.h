/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of virtio-net share: a rig with up to three of them, and memory for frames.
 */
#ifndef TESTS_UNIT_DEVICES_VIRTIO_BENCH_H
#define TESTS_UNIT_DEVICES_VIRTIO_BENCH_H

#include "virtio_driver.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OFFERED                                                                                    \
	(F_VERSION_1 | BIT(33) | F_EVENT_IDX | F_INDIRECT | F_CTRL_RX | F_CTRL_VQ | BIT(16) |      \
	 F_MRG_RXBUF | BIT(5))

struct bench {
	struct rig rig;
	struct vnet v[3];
	uint8_t *out, *in; /* 1 MiB each */
};

static inline void bench_create(struct bench *b, unsigned int n, const char *text,
				uint64_t features)
{
	memset(b, 0, sizeof(*b));
	rig_create(&b->rig, true);
	b->out = arena_alloc(&b->rig, 1 << 20, 4096);
	b->in = arena_alloc(&b->rig, 1 << 20, 4096);
	fill_random(&(struct prng){2}, b->out, 1 << 20);
	for (unsigned int i = 0; i < n; i++)
		vnet_start(&b->v[i], func_add(&b->rig, text), features);
}

static inline void expect_frame(struct vnet *v, const void *frame, uint32_t len, const uint8_t *in)
{
	uint32_t id, got;

	WAIT_UNTIL(vq_take(v, VRX, &id, &got));
	assert_int_equal(got, len + VNET_HDR);
	assert_memory_equal(in + VNET_HDR, frame, len);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(in[i], 0);
	assert_int_equal(in[10], 1); /* num_buffers */
	assert_int_equal(in[11], 0);
}

#endif
