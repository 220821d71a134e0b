/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The capability chain behind VFIO's info structures: each capability at a multiple of 8, linked by offsets from the
 * structure's start.
 */
#ifndef IOAS_ABI_CHAIN_H
#define IOAS_ABI_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "abi/caller.h"

struct chain {
	uint8_t *buf; /* from @base on */
	size_t len;
	size_t base; /* where the first capability lies in the structure */
	size_t prev; /* of the last one, in buf; valid when len != 0 */
};

/* @base: the size of the info structure, rounded up to 8 here. */
void chain_init(struct chain *c, size_t base);
void chain_free(struct chain *c);
/* Appends capability @id with a body of @len bytes after its header. -ENOMEM. */
int chain_add(struct chain *c, uint16_t id, uint16_t version, const void *body, size_t len);
/* Bytes of the structure and its chain. */
size_t chain_total(const struct chain *c);

#endif
