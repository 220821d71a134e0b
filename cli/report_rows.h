/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows for the page: what happened, never more than so many.
 *
 * When there are too many, rows of one class that lie in the same cell of a grid over time and
 * IOVAs are joined: the first then has the times and addresses of both, and their counts and bytes.
 * The grid starts fine; it coarsens in time first, until a cell is what a screen can show of the
 * whole, then in time and IOVAs by turns.
 */
#ifndef IOAS_CLI_REPORT_ROWS_H
#define IOAS_CLI_REPORT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define REPORT_FOREVER UINT64_MAX
#define REPORT_NONE    UINT16_MAX /* no device, no space */

/* Only rows of equal classes are joined. No padding: compared as bytes. */
struct report_class {
	uint32_t pid, pasid;
	int32_t rc;
	uint16_t device, space;
	uint16_t text; /* of the string table */
	uint8_t kind;  /* permissions, direction, index of an interrupt */
	uint8_t flag;  /* told to a guest, of a guest */
};

struct report_row {
	uint64_t t0, t1; /* REPORT_FOREVER: it did not end */
	uint64_t iova, last, va, bytes;
	uint32_t count, uses;
	struct report_class class;
};

struct report_rows {
	struct report_row *rows;
	size_t n, room, most;
	uint64_t events; /* that the rows stand for */
	uint64_t latest;
	unsigned int time_shift, iova_shift; /* of the grid; 0: nothing was joined */
};

void report_rows_init(struct report_rows *r, size_t most);
void report_rows_free(struct report_rows *r);
/* A row of one event. -ENOMEM. */
int report_rows_add(struct report_rows *r, const struct report_row *row);
/* No more will come: what came last is as coarse as the rest. -ENOMEM. */
int report_rows_finish(struct report_rows *r);

#endif
