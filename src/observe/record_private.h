/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the recorder's files share: record.c is told of events, record_caller.c stands between the
 * engine and its caller, record_memory.c between it and the program's memory.
 */
#ifndef IOAS_OBSERVE_RECORD_PRIVATE_H
#define IOAS_OBSERVE_RECORD_PRIVATE_H

#include "abi/caller.h"
#include "observe/idents.h"
#include "observe/log.h"
#include "observe/record.h"

#define RECORD_THREADS 1024u /* of which calls can be recorded in full at a time */

/* A caller in the place of another one, for one call of one thread. */
struct passing {
	struct caller caller; /* its arg is this */
	struct caller *real;  /* NULL: no call runs */
	struct recorder *rec;
	unsigned int depth; /* of calls within calls, of which the outermost is taken */
};

struct recorder {
	struct recorder_config cfg;
	struct host *host;
	/* By pthread_self(), whose value the next thread may have. */
	struct idents threads;
	struct idents files, spaces, contexts, queues;
	struct passing passing[RECORD_THREADS];
};

/* Writes @e down, with this thread, and the time if @timed. */
void record_put(struct recorder *rec, struct log_event *e, bool timed);
#define RECORD(rec, kind, ...)                                                                     \
	record_put(rec, &(struct log_event){.type = LOG_##kind, .kind = {__VA_ARGS__}}, true)
/* What belongs to a call: its order says enough. */
#define RECORD_PART(rec, kind, ...)                                                                \
	record_put(rec, &(struct log_event){.type = LOG_##kind, .kind = {__VA_ARGS__}}, false)
uint64_t record_thread(struct recorder *rec);

/* record_caller.c: takes the place of *@c until passing_end(). */
void passing_begin(struct recorder *rec, struct caller **c);
void passing_end(struct recorder *rec);

#endif
