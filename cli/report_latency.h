/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long things took: exact below 8 ns, then eight buckets for each doubling
 * (report/src/latency.js reads them).
 */
#ifndef IOAS_CLI_REPORT_LATENCY_H
#define IOAS_CLI_REPORT_LATENCY_H

#include <stddef.h>
#include <stdint.h>

#define LATENCY_SUB	8u
#define LATENCY_BUCKETS (62 * LATENCY_SUB)

struct latency {
	const char *group; /* constant */
	char *name;
	uint32_t rank; /* within the group; equal ones go by how often they are */
	uint64_t n, min, max;
	double sum;
	uint64_t buckets[LATENCY_BUCKETS];
};

unsigned int latency_bucket(uint64_t ns);
void latency_add(struct latency *l, uint64_t ns);

#endif
