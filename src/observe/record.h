/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The recorder: an observer that writes down what the engine does into a ring (observe/ring.h), as
 * records of a recording (observe/log.h).
 *
 * Whatever a call asks its caller for, and what of the program's memory was looked at, is written
 * down as well: with these answers the call can be made again, elsewhere (observe/replay.h).
 */
#ifndef IOAS_OBSERVE_RECORD_H
#define IOAS_OBSERVE_RECORD_H

#include <stdint.h>

#include "memory/memory.h"
#include "observe/ring.h"

struct host;
struct recorder;

struct recorder_config {
	struct ring ring; /* the recorder's from now on */
	uint64_t start;	  /* CLOCK_MONOTONIC, ns, when time was 0 */
	/* What the host is made with: pins ask by these. */
	const struct memory_ops *memory_ops;
	void *memory_arg;
	uint64_t (*memlock)(void); /* the process's limit of locked memory, in bytes; NULL: none */
};

/* Before the host is made, with recorder_memory_ops. -ENOMEM. */
int recorder_create(const struct recorder_config *cfg, struct recorder **out);
extern const struct memory_ops recorder_memory_ops; /* with the recorder as their argument */
/* Before the host has files. -ENOSPC: it has too many observers. */
int recorder_attach(struct recorder *rec, struct host *h);
/*
 * What was done to the device of that number beside the nodes, by attributes, and its result.
 * @rec may be NULL.
 */
void recorder_control(struct recorder *rec, uint64_t device, unsigned int op, uint64_t value,
		      int rc);
/* No event may come any more. */
void recorder_destroy(struct recorder *rec);

#endif
