/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gathering: what is known at a moment of the recording. report_data.c takes what happens in
 * address spaces and to the machine, report_calls.c what threads do: calls and DMA, which have a
 * beginning and an end.
 */
#ifndef IOAS_CLI_REPORT_PRIVATE_H
#define IOAS_CLI_REPORT_PRIVATE_H

#include "base/range.h"
#include "cli/report_data.h"
#include "cli/report_index.h"

/* The mappings of a space now. */
struct live_space {
	struct range_tree areas; /* values: struct live_area */
};
struct live_area {
	uint64_t t0, va;
	uint32_t uses;
	uint16_t source;
	uint8_t prot;
};

/* A finding, as it was recorded. */
struct report_waiting {
	uint64_t time;
	char *text;
};

struct gather {
	struct report *r;
	struct live_space *live; /* beside r->spaces */
	struct index spaces;	 /* process, number */
	struct index odd_spaces; /* process, device, kind */
	struct index attached;	 /* process, device, PASID: a space */
	struct index files;	 /* process, file: enum abi_file_kind */
	struct index begun;	 /* process, thread, call or DMA: of starts */
	struct index latencies;	 /* group, string or size */
	struct index commands;	 /* kind of file, command: a string */
	uint64_t *starts;
	size_t nr_starts;
	struct report_waiting *waiting;
	size_t nr_waiting;
};

/* Room for one more at the end of an array, zeroed; NULL: out of memory. */
#define report_more(array, n)                                                                      \
	((__typeof__(array))report_more_of((void **)&(array), &(n), sizeof(*(array))))
void *report_more_of(void **array, size_t *n, size_t size);

/* The number of @text; 0 ("") when there are too many. -ENOMEM. */
int report_string(struct report *r, const char *text, uint16_t *out);
int report_add(struct gather *g, enum report_table table, const struct report_row *row);
/* Where a device's DMA of now goes. -ENOMEM. */
int report_space_of(struct gather *g, uint32_t pid, uint64_t device, uint64_t pasid, uint16_t *out);
/* DMA went through whatever is mapped there. */
void report_use(struct gather *g, uint16_t space, uint64_t iova, uint64_t last);
uint16_t report_device_of(const struct report *r, uint64_t device);

/* report_calls.c */
int report_call(struct gather *g, const struct log_event *e);
/* A call made a file: a device of a group, a fault queue. */
int report_fd_install(struct gather *g, const struct log_event *e);
int report_answer(struct gather *g, const struct log_event *e);
int report_dma_begin(struct gather *g, const struct log_event *e);
int report_dma_end(struct gather *g, const struct log_event *e);

/* report_finding.c */
int report_finding(struct gather *g, const struct log_event *e);
/* Everything else was read. */
int report_place_findings(struct gather *g);

#endif
