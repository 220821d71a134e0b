/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas run --record`: the file, and the thread of `ioas run` that fills it with what the processes
 * of the run have in their rings (observe/ring.h).
 */
#ifndef IOAS_CLI_RECORD_H
#define IOAS_CLI_RECORD_H

#include <stdint.h>

struct recording;

/* What run_config.record is to be. */
uint64_t recording_clock(void);
/*
 * Opens @file, and listens in the run directory @dir. @start: run_config.record. NULL after a
 * message.
 */
struct recording *recording_start(const char *file, uint64_t limit, const char *dir,
				  uint64_t start);
/* A finding of the sanitizer, one line of JSON, of process @pid. Any thread. */
void recording_finding(struct recording *r, uint32_t pid, const char *line);
/* The run is over. */
void recording_end(struct recording *r, int status);

#endif
