/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the devices of all running engines do, from one look to the next.
 */
#ifndef IOAS_CLI_RATES_H
#define IOAS_CLI_RATES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum rate {
	RATE_MAPS,
	RATE_UNMAPS,
	RATE_TRANSLATIONS,
	RATE_HITS,
	RATE_MISSES,
	RATE_READ,
	RATE_WRITTEN,
	RATE_FAULTS,
	RATE_INVALIDATIONS,
	NR_RATES
};

struct rates_device {
	pid_t pid;
	char name[16], model[16], program[32];
	unsigned long long context, mapped_bytes, time_ns;
	unsigned long long count[NR_RATES];
	bool fresh;	       /* no earlier look: what follows is 0 */
	double rate[NR_RATES]; /* a second */
};

struct rates {
	struct rates_device *devices;
	size_t n;
	json_t *answers; /* the last look's, an array */
};

/* Looks again, at @pid or (0) at all. What has ended is left out. */
void rates_look(struct rates *r, pid_t pid);
void rates_free(struct rates *r);
/* Descending by a rate; NR_RATES: by process and name. */
void rates_sort(struct rates *r, enum rate by);

#endif
