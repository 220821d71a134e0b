/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DMA sanitizer: an observer that keeps, byte-exact and with history, what is mapped for DMA
 * (shadow.h), and reports what a program or a device does wrong with it (finding.h).
 *
 * It never changes an answer of the engine. When it runs out of memory it knows less from then on,
 * says so once (sanitizer_config.note), and goes on.
 *
 * When things are found. A fault is a finding the moment the IOMMU meets it, unless a guest is told
 * of it (its own tables are at fault) or somebody answers it (page requests, stalls). A DMA that is
 * let through is a finding where the program has declared which bytes it means
 * (include/ioas/sanitize.h), or where it writes bytes that were also written through another
 * mapping of the same space (write-alias). What frees, unmaps or closes is told of at that call.
 */
#ifndef IOAS_OBSERVE_SANITIZE_H
#define IOAS_OBSERVE_SANITIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "observe/finding.h"

struct host;
struct memory_mm;
struct sanitizer;
struct space;

struct sanitizer_config {
	struct finding_sink sink;
	bool leaks;  /* at the process's end: what is still mapped, and files without a context */
	bool advice; /* never-used, too-wide, too-permissive */
	bool quiet;  /* reports nothing: for who looks at ages and uses only */
	/* A sentence about the sanitizer itself; with sink.arg. NULL: nobody hears. As a report. */
	void (*note)(void *arg, const char *text);
	/* A context is being closed; with sink.arg, while its owner's locks are held. Because its
	 * process ends, though this one lives on? NULL: no. */
	bool (*dying)(void *arg);
};

/* Before the host has any file. -ENOSPC: it has as many observers as it can; -ENOMEM. */
int sanitizer_create(struct host *h, const struct sanitizer_config *cfg, struct sanitizer **out);
/* The host is gone. */
void sanitizer_destroy(struct sanitizer *s);

/* A heap's free() of [va, va + len) of a process (NULL: this one), before it is done. A finding when
 * a whole mapping lies in it; a block that only shares a page with one is none. Any thread; a few
 * instructions for a block smaller than every mapping. */
void sanitizer_freed(struct sanitizer *s, const struct memory_mm *mm, uint64_t va, uint64_t len);

/* exit() begins, or exec: what is freed, unmapped and closed from here on is nobody's bug. */
void sanitizer_ending(struct sanitizer *s);
/* The process's end, after its own exit handlers: leaks and advice. Ends as sanitizer_ending(). */
void sanitizer_exit(struct sanitizer *s);

/* For those that look: the mapping that begins at the lowest IOVA at or behind @iova, or holds it.
 * False: none. Takes LOCK_OBSERVE. */
bool sanitizer_next_mapping(struct sanitizer *s, const struct space *space, uint64_t iova,
			    struct finding_mapping *out);
/* The one that holds @iova. */
bool sanitizer_mapping(struct sanitizer *s, const struct space *space, uint64_t iova,
		       struct finding_mapping *out);

#endif
