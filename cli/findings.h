/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `ioas run` does with the findings of the DMA sanitizer: docs/sanitizer-report.md.
 *
 *   keeper.c          the socket on which the processes of the run report, and the counts
 *   symbols.c         from a module and an offset to a function and a line
 *   suppress.c        the suppression file
 *   findings_text.c   what is shown
 */
#ifndef IOAS_CLI_FINDINGS_H
#define IOAS_CLI_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "doors/run.h"

/* ---- symbols ---- */

struct symbols;
struct symbols *symbols_new(void); /* NULL: out of memory */
void symbols_free(struct symbols *s);
/* Adds "function", "file" and "line" to the frames of a finding's stacks, and frames of inlined
 * functions between them. */
void symbols_add(struct symbols *s, json_t *finding);

/* ---- suppressions ---- */

struct suppressions;
/* NULL after a message, which names the line. */
struct suppressions *suppressions_read(const char *path);
void suppressions_free(struct suppressions *s);
/* @s may be NULL. */
bool suppressions_match(const struct suppressions *s, const json_t *finding);

/* ---- text ---- */

void findings_print(FILE *to, const json_t *finding);
/* The end: @kept, of which each has a "count". */
void findings_print_end(FILE *to, const json_t *kept, uint64_t suppressed, uint64_t lost);

/* ---- the keeper ---- */

struct recording;

struct keeper_config {
	const char *dir; /* the run directory */
	enum run_sanitize sanitize;
	const char *report;		   /* a file for JSON lines, or NULL */
	const char *log;		   /* a file for text, or NULL: standard error */
	struct suppressions *suppressions; /* or NULL */
	struct recording *recording;	   /* that findings go to as well; or NULL */
};

struct keeper;
/* Listens from now on, on a thread of its own. NULL after a message. */
struct keeper *keeper_start(const struct keeper_config *cfg);
/* The program has ended: what it sent is shown. How many findings there were that nothing
 * suppresses. */
uint64_t keeper_end(struct keeper *k);

#endif
