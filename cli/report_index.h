/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From what a recording names by up to three numbers to a number of ours, given out by the caller.
 */
#ifndef IOAS_CLI_REPORT_INDEX_H
#define IOAS_CLI_REPORT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_key {
	uint64_t a, b, c;
};

struct index {
	struct index_slot {
		struct index_key key;
		uint32_t value;
		bool taken;
	} * slots;
	size_t n, room; /* a power of two */
};

void index_free(struct index *t);
/* The value of @key; NULL: it has none. There until the next call of index_set(). */
uint32_t *index_find(const struct index *t, struct index_key key);
/* -ENOMEM. */
int index_set(struct index *t, struct index_key key, uint32_t value);

#endif
