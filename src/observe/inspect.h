/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking into a host: what there is, what is mapped, where an address leads, how much is done.
 * Answers are JSON documents (docs/looking.md names their members), written a piece at a time, so
 * that a space of millions of mappings neither fills memory nor holds a lock for long. Nothing that
 * is looked at changes by it.
 *
 * A request is one line:
 *   tree                     contexts and their objects, groups, devices
 *   maps                     every mapping of every space
 *   maps iova|va ADDRESS     those that hold an address, the device's or the program's
 *   rates                    counters, of each device
 *   walk DEVICE IOVA PASID   the way of one address
 *
 * One request is answered by one thread. Many may be at once.
 */
#ifndef IOAS_OBSERVE_INSPECT_H
#define IOAS_OBSERVE_INSPECT_H

#include "object/host.h"
#include "observe/json.h"

struct inspect;
struct memory_mm;
struct sanitizer;

struct inspect_config {
	struct host *host;
	int pid;
	const char *program; /* its name; lives as long as the host */
	bool shared;	     /* the engine of a whole run */
	uint64_t began_ns;   /* by the host's clock */
	/* The process that an mm stands for; 0: unknown. NULL: all are. */
	int (*mm_pid)(void *arg, const struct memory_mm *mm);
	void *arg;
	struct sanitizer *sanitizer; /* who knows ages and uses; NULL: nobody */
};

/* @cfg lives until inspect_end(). -ENOMEM; a request that makes no sense is answered by a document
 * with the member "error". */
int inspect_begin(const struct inspect_config *cfg, const char *request, struct inspect **out);
/* Appends to @j. 1: call again; 0: that was all. */
int inspect_next(struct inspect *i, struct json *j);
void inspect_end(struct inspect *i);

#endif
