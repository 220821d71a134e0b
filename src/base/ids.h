/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of ids: the lowest free number from 1 on is given. An id is reserved (nobody sees it), published,
 * perhaps hidden again, and erased. The caller serialises.
 */
#ifndef IOAS_BASE_IDS_H
#define IOAS_BASE_IDS_H

#include <stddef.h>
#include <stdint.h>

#define IDS_MAX 0x7fffffffu /* ids are 31-bit */

struct ids {
	void **slots; /* [id - 1]: NULL free, a mark for reserved and tombstone, else the object */
	size_t size;
	size_t lowest; /* no free slot lies before it */
};

void ids_init(struct ids *t);
void ids_destroy(struct ids *t);

/* The lowest free id, invisible until published. -ENOMEM, -ENOSPC. */
int ids_reserve(struct ids *t, uint32_t *id);
void ids_publish(struct ids *t, uint32_t id, void *object);
/* Invisible again, but not free. */
void ids_hide(struct ids *t, uint32_t id);
/* Never given out again, and invisible (the tombstone of semantics 2.5). */
void ids_bury(struct ids *t, uint32_t id);
void ids_erase(struct ids *t, uint32_t id);

/* The published object, or NULL. */
void *ids_find(const struct ids *t, uint32_t id);
/* The published object with the lowest id above *id, which it becomes; NULL when there is none. Start with 0. */
void *ids_next(const struct ids *t, uint32_t *id);

#endif
