/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the door's tests: ordinary programs, run under `ioas run --device scratch`, that know only
 * Linux's nodes.
 *
 * A check that fails says where and goes on, so that one run shows all; the exit status tells.
 */
#ifndef IOAS_TESTS_DOOR_TEST_H
#define IOAS_TESTS_DOOR_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#define SKIP 77

extern int failures;

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: failed: %s (errno %s)\n", __FILE__, __LINE__,      \
				#cond, strerrorname_np(errno));                                    \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

/* The call fails with this errno. */
#define FAILS(call, err)                                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		CHECK((long)(call) == -1 && errno == (err));                                       \
	} while (0)

/* Without this nothing that follows makes sense. */
#define NEED(cond)                                                                                 \
	do {                                                                                       \
		CHECK(cond);                                                                       \
		if (failures)                                                                      \
			exit(1);                                                                   \
	} while (0)

#define SCRATCH "/dev/vfio/devices/vfio0"

/* BAR0 of the scratch device: registers below LOG_COUNT, then a log of what the model was told. */
#define BAR0_SIZE   0x10000
#define REGS_SIZE   0x8000
#define LOG_COUNT   0x8000
#define LOG_ENTRIES 0x8008

struct log_entry {
	uint32_t offset, size;
	uint64_t value;
};

/* An iommufd, and the scratch device bound to it with memory decoding on. */
struct scratch {
	int iommufd, device;
};
void scratch_open(struct scratch *s);
void scratch_close(struct scratch *s);
/* The command register's memory bit. */
void scratch_memory(const struct scratch *s, bool on);
uint64_t bar_offset(unsigned int index);
/* BAR0, all of it. */
volatile uint8_t *bar_map(const struct scratch *s, int prot);

/* Is fd an iommufd that works? */
bool is_live_iommufd(int fd);

int finish(void);

static inline volatile uint32_t *reg32(volatile uint8_t *bar, unsigned int off)
{
	return (volatile uint32_t *)(bar + off);
}

static inline volatile uint64_t *reg64(volatile uint8_t *bar, unsigned int off)
{
	return (volatile uint64_t *)(bar + off);
}

/* What the model was told last. */
static inline struct log_entry last_write(volatile uint8_t *bar)
{
	const uint32_t n = *reg32(bar, LOG_COUNT) - 1;
	volatile uint8_t *at = bar + LOG_ENTRIES + 16 * (n % 256);

	return (struct log_entry){*reg32(at, 0), *reg32(at, 4), *reg64(at, 8)};
}

#endif
