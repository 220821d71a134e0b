/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas run --limit KEY=VALUE,...`: what a run takes away from its machine, so that a program meets
 * what it would meet on another one.
 *
 * Some are limits of the engine, some of the process, and some are options of the make of IOMMU
 * under a common name (limits_make_options()).
 */
#ifndef IOAS_DOORS_LIMITS_H
#define IOAS_DOORS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "iommu/iommu.h"

/* Who may lock how much memory. */
enum run_memlock {
	RUN_MEMLOCK_FREE, /* counts as CAP_IPC_LOCK, until the program lowers its own limit */
	RUN_MEMLOCK_REAL, /* RLIMIT_MEMLOCK */
	RUN_MEMLOCK_BYTES,
};

struct run_limits {
	enum run_memlock memlock;
	uint64_t memlock_bytes;
	unsigned int entries; /* of type1; 0: Linux's default */
	uint64_t fds;	      /* 0: the caller's */
	struct iommu_limits iommu;
	/* Of the make: -1: as it is. */
	int pasid_bits, dirty, ats;
};

/* The keys, for lists and messages. */
extern const struct option_key limit_keys[];

/* "8M" and the like, by the parser of every other option. */
bool limit_bytes(const char *text, uint64_t *out);
void limits_init(struct run_limits *l);
/* One --limit: adds to *@l. 0, or -EINVAL or -ENOMEM with a sentence in @why. */
int limits_parse(struct run_limits *l, const char *text, char *why, size_t why_len);
/*
 * @iommu as --iommu has it, with the options that the limits stand for behind it. Allocated; NULL:
 * out of memory.
 */
char *limits_make_options(const struct run_limits *l, const char *iommu);

#endif
