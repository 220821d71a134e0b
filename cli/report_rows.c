/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report_rows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define FINEST_TIME 10u /* 1 us */
#define FINEST_IOVA 12u
#define COARSEST    63u

void report_rows_init(struct report_rows *r, size_t most)
{
	*r = (struct report_rows){.most = most};
}

void report_rows_free(struct report_rows *r)
{
	free(r->rows);
}

struct cell {
	uint64_t t0, t1, iova, last;
	struct report_class class;
	uint32_t zero; /* fills it up */
};

static struct cell cell_of(const struct report_rows *r, const struct report_row *row)
{
	return (struct cell){
		.t0 = row->t0 >> r->time_shift,
		.t1 = row->t1 >> r->time_shift,
		.iova = row->iova >> r->iova_shift,
		.last = row->last >> r->iova_shift,
		.class = row->class,
	};
}

static uint64_t hash(const struct cell *c)
{
	uint64_t words[sizeof(*c) / 8], sum = 0;

	_Static_assert(sizeof(*c) == 56, "has padding");
	memcpy(words, c, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15;
		sum ^= sum >> 32;
	}
	return sum;
}

static uint32_t add_counts(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void join(struct report_row *to, const struct report_row *from)
{
	to->t0 = min_u64(to->t0, from->t0);
	to->t1 = max_u64(to->t1, from->t1);
	to->iova = min_u64(to->iova, from->iova);
	to->last = max_u64(to->last, from->last);
	to->bytes += from->bytes;
	to->count = add_counts(to->count, from->count);
	to->uses = add_counts(to->uses, from->uses);
}

/* Joins what shares a cell. Each slot of @table is the number of a row, from 1 on. */
static void join_cells(struct report_rows *r, uint32_t *table, size_t mask)
{
	size_t kept = 0;

	memset(table, 0, (mask + 1) * sizeof(*table));
	for (size_t i = 0; i < r->n; i++) {
		const struct cell c = cell_of(r, &r->rows[i]);
		size_t at = hash(&c) & mask;
		bool joined = false;

		for (; table[at] && !joined; at = (at + 1) & mask) {
			struct report_row *other = &r->rows[table[at] - 1];
			const struct cell theirs = cell_of(r, other);

			joined = !memcmp(&theirs, &c, sizeof(c));
			if (joined)
				join(other, &r->rows[i]);
		}
		if (joined)
			continue;
		r->rows[kept] = r->rows[i];
		table[at] = (uint32_t)++kept;
	}
	r->n = kept;
}

static void coarsen(struct report_rows *r)
{
	const bool fine_time = r->latest >> r->time_shift > 512;
	const bool fine_iova = r->iova_shift - FINEST_IOVA < r->time_shift - FINEST_TIME;

	if (!r->time_shift) {
		r->time_shift = FINEST_TIME;
		r->iova_shift = FINEST_IOVA;
	} else if (r->iova_shift == COARSEST ||
		   (r->time_shift < COARSEST && (fine_time || !fine_iova))) {
		r->time_shift++;
	} else {
		r->iova_shift++;
	}
}

static uint32_t *make_table(const struct report_rows *r, size_t *mask)
{
	size_t slots = 1;

	while (slots < 2 * r->n)
		slots <<= 1;
	*mask = slots - 1;
	return malloc(slots * sizeof(uint32_t));
}

/* Half of what it holds at most remains, so that the work for an event stays bounded. */
static int shrink(struct report_rows *r)
{
	size_t mask;
	uint32_t *table = make_table(r, &mask);

	if (!table)
		return -ENOMEM;
	if (r->time_shift)
		join_cells(r, table, mask);
	while (r->n > r->most / 2 && (r->time_shift < COARSEST || r->iova_shift < COARSEST)) {
		coarsen(r);
		join_cells(r, table, mask);
	}
	free(table);
	return 0;
}

static int grow(struct report_rows *r)
{
	const size_t room = r->room ? 2 * r->room : 256;
	struct report_row *more = realloc(r->rows, room * sizeof(*more));

	if (!more)
		return -ENOMEM;
	r->rows = more;
	r->room = room;
	return 0;
}

int report_rows_add(struct report_rows *r, const struct report_row *row)
{
	int rc = r->n >= r->most ? shrink(r) : 0;

	if (!rc && r->n == r->room)
		rc = grow(r);
	if (rc)
		return rc;
	r->rows[r->n++] = *row;
	r->events += row->count;
	r->latest = max_u64(r->latest, row->t0);
	return 0;
}

int report_rows_finish(struct report_rows *r)
{
	size_t mask;
	uint32_t *table;

	if (!r->time_shift)
		return 0;
	table = make_table(r, &mask);
	if (!table)
		return -ENOMEM;
	join_cells(r, table, mask);
	free(table);
	return 0;
}
