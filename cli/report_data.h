/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the page of `ioas report` shows, gathered in one pass over a recording.
 *
 * Rows are bounded (report_rows.h); counts and latencies are of all events. Strings, spaces and
 * devices have numbers that rows go by.
 */
#ifndef IOAS_CLI_REPORT_DATA_H
#define IOAS_CLI_REPORT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/report_latency.h"
#include "cli/report_rows.h"
#include "observe/log.h"

#define REPORT_TABLES(X)	X(maps) X(dma) X(faults) X(calls) X(irqs) X(invals)
#define REPORT_TABLE_ENUM(name) REPORT_##name,
enum report_table { REPORT_TABLES(REPORT_TABLE_ENUM) REPORT_NR_TABLES };
#undef REPORT_TABLE_ENUM

#define REPORT_MOST_FINDINGS 2000

struct report_space {
	uint32_t pid, id; /* id: of the IOAS */
	enum { SPACE_OF_IOAS, SPACE_OF_CONTAINER, SPACE_OF_GUEST, SPACE_OF_NOBODY } kind;
	uint16_t device; /* of a guest's tables, or with nothing attached */
};

struct report_device {
	char *name, *model;
	uint64_t rid;
	uint64_t transfers[2], bytes[2]; /* reads, writes */
	uint64_t failed, faults, interrupts;
};

struct report_process {
	uint32_t pid;
	char *name;
};

struct report {
	uint64_t begin, end;	     /* ns: of what happened */
	uint64_t realtime;	     /* ns since 1970 at time 0; 0: not known */
	uint64_t recorded, happened; /* events; those that are not only about the recording */
	char *machine;		     /* the text of the run's settings; NULL: lost */
	bool exited;
	uint64_t status;
	struct report_rows tables[REPORT_NR_TABLES];
	char **strings;
	struct report_space *spaces;
	struct report_device *devices;
	struct report_process *processes;
	char **findings; /* JSON objects */
	struct latency *latencies;
	size_t nr_strings, nr_spaces, nr_devices, nr_processes, nr_findings, nr_latencies;
	uint64_t findings_left_out, bad_findings;
	uint64_t calls, failed, maps, unmaps, dma, dma_bytes, faults, guest_faults, invalidations;
	uint64_t interrupts, lost;
	struct log_state state;
};

/* Of all that @log has from where it is. -ENOMEM. */
int report_gather(struct report *r, struct log *log);
void report_free(struct report *r);

#endif
