/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does again what a recording (observe/log.h) holds, on a fresh host, and compares every answer.
 *
 * Replay is serial: a call happens where the recorded one had its first effect, or its answer if it
 * had none; a transfer where it ended. Whatever a call asked its caller for is answered from the
 * recording. The program's memory is not there: what of it was looked at is answered from the
 * recording too, reads of it give zeros and writes go nowhere. Devices' models do not run; their
 * DMA comes from the recording.
 */
#ifndef IOAS_OBSERVE_REPLAY_H
#define IOAS_OBSERVE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/memory.h"

struct host;
struct log;
struct replay;

/* One process of a recording, all of which is in memory. */
struct replay_result {
	uint64_t calls, transfers; /* made again */
	uint64_t answers;	   /* compared */
	uint64_t differ;	   /* of those */
	uint64_t raced; /* calls and transfers that differ, but ran beside calls that changed what
			   they met */
	/* Not made again: */
	uint64_t unfinished; /* had no answer */
	uint64_t ambiguous;  /* calls that failed beside calls that changed what they met */
	uint64_t nested;     /* transfers by a guest's tables, whose contents are not recorded */
	uint64_t asked;	     /* transfers that waited for somebody to answer page requests */
	uint64_t strangers;  /* of devices that the machine does not have */
	/* Transfers that met memory which had gone in a way that nobody tells the engine of. */
	uint64_t vanished;
	/* Calls on queues of page requests and of guests' events, which do not come. */
	uint64_t queues;
	/* Calls of other processes on this one's files: nothing is known of their memory. */
	uint64_t remote;
	/* When the first records are missing, ns; U64MAX: never. Nothing after that is replayed. */
	uint64_t lost_at;
};

struct replay_config {
	/* Each of the first differences, in words. */
	void (*differs)(void *arg, const char *text);
	/* Before each call and transfer; may be NULL. */
	void (*step)(void *arg, const char *what);
	void *arg;
	bool annotations; /* the recorded host knew the command for them (include/ioas/sanitize.h)
			   */
};

/* Reads all of @l. -ENOMEM. */
int replay_create(struct log *l, const struct replay_config *cfg, struct replay **out);
void replay_destroy(struct replay *r);
/* Did the run end by itself? Otherwise it was killed, or the file was cut off. */
bool replay_has_end(const struct replay *r);
/* Its processes, in the order in which they appear; 0 of the N-th that is not there. */
uint32_t replay_pid(const struct replay *r, size_t n);
/*
 * The N-th one's calls on @h, which was made with replay_memory_ops and @r, and with devices whose
 * workers cannot start. -ENOMEM.
 */
int replay_run(struct replay *r, size_t n, struct host *h, struct replay_result *out);
extern const struct memory_ops replay_memory_ops;

#endif
