/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for one format: the functions of a struct pt_ops. Each fmt_*.c defines FORMAT,
 * the name of its struct pt_format, and includes this once.
 */
#include "pagetable/walk_write.h"

static __attribute__((noinline)) int map_full(struct pt *pt, uint64_t iova, uint64_t pa,
					      uint64_t len, int prot)
{
	return walk_map_full(&FORMAT, pt, iova, pa, len, prot);
}

static int map(struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	int rc = walk_map_fast(&FORMAT, pt, iova, pa, len, prot);

	return likely(rc <= 0) ? rc : map_full(pt, iova, pa, len, prot);
}

static __attribute__((noinline)) int unmap_full(struct pt *pt, uint64_t iova, uint64_t len,
						struct pt_gather *g, uint64_t *unmapped)
{
	return walk_unmap_full(&FORMAT, pt, iova, len, g, unmapped);
}

static __attribute__((noinline)) int keep(struct pt *pt, uint64_t iova, struct pt_gather *g)
{
	walk_keep(&FORMAT, pt, iova, g);
	return 0;
}

static int unmap(struct pt *pt, uint64_t iova, uint64_t len, struct pt_gather *g,
		 uint64_t *unmapped)
{
	int rc = walk_unmap_fast(&FORMAT, pt, iova, len, unmapped);

	if (likely(rc <= 0))
		return rc;
	return rc == WALK_EMPTIED ? keep(pt, iova, g) : unmap_full(pt, iova, len, g, unmapped);
}

static int translate(const struct pt *pt, uint64_t iova, struct pt_leaf *out)
{
	return walk_translate(&FORMAT, pt, iova, out);
}

static size_t translate_batch(const struct pt *pt, const uint64_t *iova, size_t n,
			      struct pt_leaf *out)
{
	return walk_translate_batch(&FORMAT, pt, iova, n, out);
}

static int mark(struct pt *pt, uint64_t iova, bool dirty)
{
	return walk_mark(&FORMAT, pt, iova, dirty);
}

static int cut(struct pt *pt, uint64_t iova)
{
	return walk_cut(&FORMAT, pt, iova);
}

static int read_dirty(struct pt *pt, uint64_t iova, uint64_t last, bool clear,
		      int (*cb)(void *arg, uint64_t iova, uint64_t len), void *arg)
{
	struct walk_report report = {.cb = cb, .arg = arg};

	return walk_read_dirty(&FORMAT, pt, iova, last, clear, &report);
}

static size_t explain(const struct pt *pt, uint64_t iova, struct pt_step *steps)
{
	return walk_explain(&FORMAT, pt, iova, steps);
}

static int dump(const struct pt *pt, int (*cb)(void *arg, const struct pt_step *s), void *arg)
{
	return walk_dump(&FORMAT, pt, cb, arg);
}

static void gather_all(struct pt *pt, struct pt_gather *g)
{
	walk_drop(&FORMAT, pt, pt->root, g);
}

#define WALK_INSTANCE                                                                              \
	.map = map, .unmap = unmap, .translate = translate, .translate_batch = translate_batch,    \
	.mark = mark, .cut = cut, .read_dirty = read_dirty, .explain = explain, .dump = dump,      \
	.gather_all = gather_all
