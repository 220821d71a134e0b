/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of records in memory that two processes share: any thread of the one writes, one thread of
 * the other takes. Nobody waits for anybody: what finds no room is dropped and counted.
 *
 * Positions count bytes since the beginning and never wrap. An entry begins with a word that holds
 * its position: so an entry that is not finished, or whatever lies there from an earlier round, is
 * told from one that is, and one that its writer never finished, because it was killed, can be
 * passed over.
 *
 * The file is a page with the positions and the data, a power of two; the data are mapped twice,
 * one behind the other, so that every entry lies in one piece.
 */
#ifndef IOAS_OBSERVE_RING_H
#define IOAS_OBSERVE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_SIZE (16u << 20) /* of the data */

struct ring_head {
	uint64_t head __attribute__((aligned(64))); /* where the next entry goes */
	uint64_t tail __attribute__((aligned(64))); /* what was taken ends here */
	uint64_t lost __attribute__((aligned(64))); /* entries dropped since that was last asked */
	uint64_t gap; /* where the first of them would have been, and 1; 0: nothing was dropped */
};

struct ring {
	struct ring_head *shared;
	uint8_t *data;
};

#define RING_FILE_SIZE (4096u + RING_SIZE)
/* Maps the ring that @fd is, of RING_FILE_SIZE bytes; -errno. The fd may be closed. */
int ring_map(int fd, struct ring *out);
void ring_unmap(struct ring *r);

/* Room for @len bytes, to be given back by ring_put() with how many were used; NULL: dropped. */
void *ring_get(struct ring *r, size_t len, uint64_t *position);
void ring_put(struct ring *r, uint64_t position, size_t len, size_t used);

/*
 * The taker: copies what is finished, whole records, at most @room bytes and not across a gap.
 * @dead: the writer has ended, so what is unfinished stays so. The head is the writer's word, which
 * is not trusted.
 */
size_t ring_take(struct ring *r, void *to, size_t room, bool dead);
/* How many were dropped where ring_take() stopped; 0: it did not stop at a gap. */
uint64_t ring_take_lost(struct ring *r);

#endif
