/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the hostile programs: an I/OAT engine whose descriptors lie in a ring that a program can keep running while it
 * does something unkind, and the two roads' maps with their errno.
 *
 * These are ordinary programs that know only Linux's nodes. A failure says where; the exit status tells.
 */
#ifndef IOAS_TESTS_HOSTILE_H
#define IOAS_TESTS_HOSTILE_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "vfio_road.h"

extern int failures;

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: failed: %s (errno %s)\n", __FILE__, __LINE__,      \
				#cond, strerrorname_np(errno));                                    \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

/* Without this nothing that follows makes sense. */
#define NEED(cond)                                                                                 \
	do {                                                                                       \
		const bool need_ = (cond);                                                         \
		CHECK(need_ && #cond);                                                             \
		if (!need_)                                                                        \
			exit(1);                                                                   \
	} while (0)

#define PAGE 4096u

struct desc {
	uint32_t size, ctl;
	uint64_t src, dst, next, word[4];
};

#define RING 64

struct ring {
	struct road road;
	volatile uint8_t *bar;
	struct desc *desc;
	uint64_t desc_iova, done_iova;
	uint16_t count;
};

#define BAR_LEN	 0x4000
#define DMACOUNT 0x86

void ring_open(struct ring *r, bool cdev, const char *bdf);
/* Every descriptor copies one page: the i-th from src + i * src_step to dst + i * dst_step. */
void ring_aim(struct ring *r, uint64_t src, uint64_t src_step, uint64_t dst, uint64_t dst_step, uint32_t size);
/* Out of whatever state, with descriptor @first next. */
void ring_reset(struct ring *r, unsigned int first);
void ring_go(struct ring *r, uint16_t more);
/* The descriptor that was done last. */
unsigned int ring_done(const struct ring *r);
bool ring_halted(const struct ring *r);
bool ring_idle(const struct ring *r);
uint32_t ring_errors(const struct ring *r);
void ring_close(struct ring *r);

/* A map at an IOVA of the caller's choice: 0 or the errno. */
int road_map(struct road *r, const void *va, uint64_t len, uint64_t iova, bool write);
int road_unmap(struct road *r, uint64_t iova, uint64_t len);

void sleep_ms(unsigned int ms);
uint64_t now_ms(void);

/* Waits for something that must come within two seconds. */
#define EVENTUALLY(cond)                                                                           \
	({                                                                                         \
		const uint64_t until_ = now_ms() + 2000;                                           \
		bool ok_;                                                                          \
		while (!(ok_ = (cond)) && now_ms() < until_)                                       \
			sleep_ms(1);                                                               \
		ok_;                                                                               \
	})

#endif
