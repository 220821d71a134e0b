/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds DMA through a translation that a guest's tables no longer have: an IOTLB entry, a cached
 * configuration, or an entry of the device's own cache (ATC) that a missing invalidation left.
 *
 * When a device behind a guest's tables moves bytes, both stages are walked anew without leaving a
 * trace (iommu/nested_look.h). That the tables say otherwise is no bug yet: the guest may be about
 * to invalidate. It is one when the same entry is still used a grace time later, and no command
 * that covers it came in between; or when it was used once, and none has come for ten times as
 * long, which is looked at when anything happens behind a guest's tables, and at the end. An entry
 * that nobody uses is none; a guest that is stopped for longer than that between its change and its
 * command while the device uses what was taken from it is reported, rightly in all but intent.
 *
 * Not every use is looked at: at most so many between two ticks of the kernel's clock, and every
 * one of a page that is under suspicion. What the host changes it invalidates before its call
 * returns, so plain domains are not looked at.
 */
#ifndef IOAS_OBSERVE_STALE_H
#define IOAS_OBSERVE_STALE_H

#include "base/refuse.h"
#include "observe/finding.h"

struct stale;

struct stale_config {
	struct finding_sink sink;
	uint64_t grace_ns;  /* 0: 20 ms; Linux flushes within 10 what it unmaps lazily */
	unsigned int looks; /* between two ticks; 0: 64 */
};

/* Of a host's sink, as observe_add(). -ENOSPC, -ENOMEM. */
int stale_create(struct sink *sink, const struct stale_config *cfg, struct stale **out);
/* What is still suspected is told where it is due; from here on nothing is found. Any thread, which
 * holds no section's lock; no requester has gone that was suspected. */
void stale_stop(struct stale *s);
/* The host is gone. */
void stale_destroy(struct stale *s);

#endif
