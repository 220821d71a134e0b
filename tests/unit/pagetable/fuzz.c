/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of any bytes, of every format in every geometry: what a guest, or a broken host, may put
 * before the walker. An input's bytes choose the geometry, how the hardware is set up, the address,
 * and are the entries that the walk then reads. Each entry is judged by itself (an entry means one
 * thing, within the widths, and words for it fit their buffer), and the walk is repeated by hand.
 *
 * Alone a test: inputs by a seed, half of their entries nearly right. Built by clang with
 * -fsanitize=fuzzer (ninja fuzz-pagetable) a target of libFuzzer.
 *   fuzz [SEED [INPUTS]]    so many for each geometry
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "naive.h"

#define ROOT   (1ull << 33)
#define INPUTS 4000
#define HEADER 16 /* bytes in front of the entries */

/* What breaks ends the program, which libFuzzer notes. */
#define EXPECT(what)                                                                               \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walked {
	const struct geometry *g;
	const uint8_t *data;
	size_t size;
	unsigned int reads;
	uint64_t at[PT_MAX_LEVELS], raw[PT_MAX_LEVELS];
};

static uint64_t bytes_at(const uint8_t *data, size_t size, size_t at)
{
	uint64_t v = 0;

	if (at < size)
		memcpy(&v, data + at, size - at < sizeof(v) ? size - at : sizeof(v));
	return v;
}

static bool same(const struct pt_entry *a, const struct pt_entry *b)
{
	return a->pa == b->pa && a->kind == b->kind && a->next == b->next && a->lg2 == b->lg2 &&
	       a->may == b->may && a->memory == b->memory && a->share == b->share &&
	       a->global == b->global;
}

static void try_words(const struct pt_regime *r, uint64_t raw, unsigned int level,
		      const struct pt_entry *e)
{
	struct pt_step s = {
		.raw = raw, .level = (uint8_t)level, .kind = e->kind, .fault = e->fault};
	char buf[512], small[24];
	size_t n = pt_words(r->ops, &s, buf, sizeof(buf)), room = raw % sizeof(small);

	EXPECT(n < sizeof(buf) && strlen(buf) == n);
	memset(small, 'x', sizeof(small));
	EXPECT(pt_words(r->ops, &s, small, room) == n);
	EXPECT(!room || strlen(small) == (n < room ? n : room - 1));
	EXPECT(!room || !memcmp(small, buf, strlen(small)));
	for (size_t i = room; i < sizeof(small); i++)
		EXPECT(small[i] == 'x');
}

/* Hardware sets flags of leaves: they stay what they are but for those. */
static void try_marked(const struct pt_regime *r, uint64_t raw, unsigned int level,
		       const struct pt_entry *e)
{
	for (int dirty = 0; dirty < 2; dirty++) {
		uint64_t marked = r->ops->marked(raw, dirty);
		struct pt_entry m = r->ops->decode(r, marked, level);

		/* Not for what may not be written, or where hardware does not do it. */
		if (dirty && (!(e->may & PT_MAY_WRITE) || !(r->flags & PT_WALK_DIRTY)))
			break;
		EXPECT(r->ops->marked(marked, dirty) == marked);
		EXPECT(same(e, &m));
		EXPECT(m.fault == PT_FAULT_NONE);
		EXPECT(m.accessed || marked == raw);
		EXPECT(m.dirty >= e->dirty);
	}
}

static struct pt_entry try_entry(const struct pt_regime *r, uint64_t raw, unsigned int level)
{
	struct pt_entry e = r->ops->decode(r, raw, level), again = r->ops->decode(r, raw, level);

	EXPECT(same(&e, &again) && e.fault == again.fault && e.accessed == again.accessed &&
	       e.dirty == again.dirty);
	EXPECT(e.fault <= PT_FAULT_READ && e.fault != PT_FAULT_INPUT && e.fault != PT_FAULT_READ);
	EXPECT(!(e.may & ~PT_MAY_ALL));
	switch (e.kind) {
	case PT_STEP_EMPTY:
		EXPECT(e.fault != PT_FAULT_NONE && e.fault != PT_FAULT_ACCESSED);
		break;
	case PT_STEP_TABLE:
		EXPECT(e.fault == PT_FAULT_NONE || e.fault == PT_FAULT_ACCESSED);
		EXPECT(level && e.next < level);
		EXPECT(e.pa <= MASK(r->oas) && !(e.pa % 2048));
		break;
	default:
		EXPECT(e.kind == PT_STEP_LEAF);
		EXPECT(e.fault == PT_FAULT_NONE || e.fault == PT_FAULT_ACCESSED);
		EXPECT(e.fault != PT_FAULT_ACCESSED || !(r->flags & PT_WALK_ACCESSED));
		EXPECT(e.lg2 < 64 && r->page_sizes & BIT(e.lg2));
		EXPECT(!(e.pa & MASK(e.lg2)) && (e.pa | MASK(e.lg2)) <= MASK(r->oas));
		try_marked(r, raw, level, &e);
	}
	try_words(r, raw, level, &e);
	return e;
}

static int read_entry(void *arg, uint64_t pa, uint64_t *entry)
{
	struct walked *w = arg;
	size_t at = HEADER + w->reads * sizeof(*entry);

	EXPECT(w->reads < w->g->levels && w->reads < PT_MAX_LEVELS);
	*entry = bytes_at(w->data, w->size, at);
	w->at[w->reads] = pa;
	w->raw[w->reads++] = naive_load(w->g, entry);
	return at >= w->size && bytes_at(w->data, w->size, 0) & 1 ? -EIO : 0;
}

/* An address that none of the tables on the way has an entry for: of a table that is skipped, or of
 * a quarter that s390's next one does not have. */
static bool out_of_reach(const struct geometry *g, uint64_t raw, uint64_t iova, unsigned int level,
			 unsigned int next)
{
	uint64_t quarter = iova >> (naive_shift(g, level) - 2) & 3;

	if (g->ops == &pt_s390)
		return level > 1 && (quarter < (raw >> 6 & 3) || quarter > (raw & 3));
	return next + 1 < level && iova % BIT(naive_shift(g, level)) >> naive_shift(g, next + 1);
}

/* The same walk by hand. */
static void retrace(const struct pt_regime *r, const struct walked *w, uint64_t iova, int rc,
		    const struct pt_walk *out)
{
	unsigned int level = r->levels - 1, i = 0;
	uint64_t table = r->root_pa, may = PT_MAY_ALL;

	for (;; i++) {
		uint64_t entries = BIT(naive_index_bits(w->g, level));
		uint64_t index = (iova & MASK(r->ias)) >> naive_shift(w->g, level);
		struct pt_entry e;

		EXPECT(i < w->reads && w->at[i] == table + index % entries * 8);
		EXPECT(out->level <= level);
		if (rc && out->entry.fault == PT_FAULT_READ && i + 1 == w->reads)
			return;
		e = try_entry(r, w->raw[i], level);
		may &= e.may;
		if (e.fault || e.kind == PT_STEP_LEAF)
			EXPECT(rc == (e.fault ? -EFAULT : 0) && out->entry.fault == e.fault &&
			       out->level == level && out->raw == w->raw[i] &&
			       out->entry_pa == w->at[i]);
		if (e.fault)
			break;
		if (e.kind == PT_STEP_LEAF) {
			EXPECT(out->pa == (e.pa | (iova & MASK(e.lg2))));
			EXPECT(out->may == may);
			break;
		}
		if (out_of_reach(w->g, w->raw[i], iova, level, e.next)) {
			EXPECT(rc == -EFAULT && out->entry.fault == PT_FAULT_ABSENT);
			break;
		}
		table = e.pa;
		level = e.next;
	}
	EXPECT(i + 1 == w->reads);
}

static bool inside(const struct pt_regime *r, const struct geometry *g, uint64_t iova)
{
	uint64_t above = r->ias < 64 ? iova >> r->ias : 0, sign = iova >> (r->ias - 1) & 1;

	if (naive_is_signed(g) && sign)
		return above == U64MAX >> r->ias;
	return !above;
}

static struct pt_regime regime(const struct geometry *g, uint64_t setup)
{
	unsigned int bits = naive_shift(g, g->levels - 1) + naive_index_bits(g, g->levels - 1);
	unsigned int ias = g->ias ? g->ias : g->ops->max_ias;

	return (struct pt_regime){
		.ops = g->ops,
		.root_pa = ROOT,
		.levels = g->levels,
		.ias = ias < bits ? ias : bits,
		.oas = g->ops->max_oas - (setup >> 8) % 8,
		.page_sizes = setup & 2 ? U64MAX : (setup >> 16) | BIT(12),
		.flags = (unsigned int)(setup >> 11 & (PT_WALK_ACCESSED | PT_WALK_DIRTY |
						       PT_WALK_NX | PT_WALK_FLAT | PT_SVPBMT)) |
			 (g->flags & PT_UNSIGNED),
		.read = read_entry};
}

/* Did it lead to a leaf? */
static bool try_input(const struct geometry *g, const uint8_t *data, size_t size)
{
	uint64_t iova = bytes_at(data, size, 8);
	struct walked w = {.g = g, .data = data, .size = size};
	struct pt_regime r = regime(g, bytes_at(data, size, 0));
	struct pt_walk out;
	int rc;

	r.arg = &w;
	rc = pt_walk_foreign(&r, iova, &out, NULL, NULL);
	EXPECT(!rc || rc == -EFAULT);
	if (inside(&r, g, iova))
		retrace(&r, &w, iova, rc, &out);
	else
		EXPECT(rc && !w.reads && out.entry.fault == PT_FAULT_INPUT);
	return !rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > HEADER)
		try_input(&geometries[bytes_at(data, size, 6) % 256 % nr_geometries], data, size);
	return 0;
}

#ifndef LIBFUZZER
/* Any bits, or an entry that is nearly right. */
static uint64_t some_entry(const struct geometry *g, uint64_t *rnd, unsigned int level)
{
	uint64_t raw = next_random(rnd), pa = next_random(rnd) & MASK(40) & ~MASK(21), e;

	if (level && next_random(rnd) >> 60 < 14)
		e = g->naive->table(g, pa, level);
	else
		e = g->naive->leaf(g, pa, naive_shift(g, level), 3, level);
	switch (next_random(rnd) >> 60) {
	case 0:
	case 1:
		return raw;
	case 2:
	case 3:
	case 4:
		return e ^ BIT(raw % 64);
	case 5:
		return e ^ BIT(raw % 64) ^ BIT(raw >> 32 & 63);
	default:
		return e;
	}
}

static void some_input(const struct geometry *g, uint64_t *rnd, uint8_t *data)
{
	uint64_t head[2] = {next_random(rnd), next_random(rnd)}, e;
	unsigned int level = g->levels - 1;

	/* Within the width, mostly. */
	if (next_random(rnd) % 8)
		head[1] &= MASK(regime(g, 0).ias - 1);
	memcpy(data, head, sizeof(head));
	for (size_t at = sizeof(head); at < HEADER + PT_MAX_LEVELS * 8; at += 8) {
		naive_store(g, &e, some_entry(g, rnd, level));
		memcpy(data + at, &e, 8);
		level -= level > 0;
	}
}

int main(int argc, char **argv)
{
	uint64_t rnd = argc > 1 ? strtoull(argv[1], NULL, 0) : 0x9e3779b97f4a7c15;
	uint64_t inputs = argc > 2 ? strtoull(argv[2], NULL, 0) : INPUTS;
	uint8_t data[HEADER + PT_MAX_LEVELS * 8];

	for (size_t i = 0; i < nr_geometries; i++) {
		uint64_t found = 0;

		for (uint64_t k = 0; k < inputs; k++) {
			some_input(&geometries[i], &rnd, data);
			/* Any length: the last entries may not be readable. */
			found += try_input(&geometries[i], data,
					   k % 16 ? sizeof(data) : HEADER + next_random(&rnd) % 48);
		}
		/* Some have to get through, or nothing is tried. */
		EXPECT(found >= inputs / 50);
	}
	printf("%zu geometries, %" PRIu64 " inputs each\n", nr_geometries, inputs);
	return 0;
}
#endif
