/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report_latency.h"

#include "base/bits.h"

unsigned int latency_bucket(uint64_t ns)
{
	unsigned int octave;

	if (ns < LATENCY_SUB)
		return (unsigned int)ns;
	octave = 60 - (unsigned int)__builtin_clzll(ns);
	return octave * LATENCY_SUB + (unsigned int)(ns >> octave);
}

void latency_add(struct latency *l, uint64_t ns)
{
	l->min = l->n++ ? min_u64(l->min, ns) : ns;
	l->max = max_u64(l->max, ns);
	l->sum += (double)ns;
	l->buckets[latency_bucket(ns)]++;
}
