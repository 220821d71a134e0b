/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for one format: the functions of a struct pt_ops. Each fmt_*.c defines
 * FORMAT, the name of its struct pt_format, includes this, and names them by WALK_INSTANCE(FORMAT);
 * a file with several formats does so for each. FORMAT_SIZED is defined too where tables' sizes
 * vary (struct pt_ops, max_index_lg2): index_lg2 is then no constant.
 */
#include "pagetable/walk_foreign.h"
#include "pagetable/walk_write.h"

#ifndef FORMAT_NAME
#define FORMAT_NAME_(format, name) format##_##name
#define FORMAT_NAME(format, name)  FORMAT_NAME_(format, name)
#endif
#define NAME(name) FORMAT_NAME(FORMAT, name)

#ifdef FORMAT_SIZED
WALK struct pt_format NAME(sized)(unsigned int index_lg2)
{
	struct pt_format f = FORMAT;

	f.index_lg2 = index_lg2;
	return f;
}
#define OF_TABLE(pt) ((const struct pt_format[]){NAME(sized)((pt)->index_lg2)})
#define OF_REGIME(r)                                                                               \
	((const struct pt_format[]){NAME(sized)(pt_index_lg2((r)->ops, (r)->levels, (r)->ias))})
#else
#define OF_TABLE(pt) (&FORMAT)
#define OF_REGIME(r) (&FORMAT)
#endif

static __attribute__((noinline)) int NAME(map_full)(struct pt *pt, uint64_t iova, uint64_t pa,
						    uint64_t len, int prot)
{
	return walk_map_full(OF_TABLE(pt), pt, iova, pa, len, prot);
}

static int NAME(map)(struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	int rc = walk_map_fast(OF_TABLE(pt), pt, iova, pa, len, prot);

	return likely(rc <= 0) ? rc : NAME(map_full)(pt, iova, pa, len, prot);
}

static __attribute__((noinline)) int NAME(unmap_full)(struct pt *pt, uint64_t iova, uint64_t len,
						      struct pt_gather *g, uint64_t *unmapped)
{
	return walk_unmap_full(OF_TABLE(pt), pt, iova, len, g, unmapped);
}

static __attribute__((noinline)) int NAME(keep)(struct pt *pt, uint64_t iova, struct pt_gather *g)
{
	walk_keep(OF_TABLE(pt), pt, iova, g);
	return 0;
}

static int NAME(unmap)(struct pt *pt, uint64_t iova, uint64_t len, struct pt_gather *g,
		       uint64_t *unmapped)
{
	int rc = walk_unmap_fast(OF_TABLE(pt), pt, iova, len, unmapped);

	if (likely(rc <= 0))
		return rc;
	return rc == WALK_EMPTIED ? NAME(keep)(pt, iova, g)
				  : NAME(unmap_full)(pt, iova, len, g, unmapped);
}

static int NAME(translate)(const struct pt *pt, uint64_t iova, struct pt_leaf *out)
{
	return walk_translate(OF_TABLE(pt), pt, iova, out);
}

static size_t NAME(translate_batch)(const struct pt *pt, const uint64_t *iova, size_t n,
				    struct pt_leaf *out)
{
	return walk_translate_batch(OF_TABLE(pt), pt, iova, n, out);
}

static int NAME(mark)(struct pt *pt, uint64_t iova, bool dirty)
{
	return walk_mark(OF_TABLE(pt), pt, iova, dirty);
}

static int NAME(cut)(struct pt *pt, uint64_t iova)
{
	return walk_cut(OF_TABLE(pt), pt, iova);
}

static int NAME(read_dirty)(struct pt *pt, uint64_t iova, uint64_t last, bool clear,
			    int (*cb)(void *arg, uint64_t iova, uint64_t len), void *arg)
{
	struct walk_report report = {.cb = cb, .arg = arg};

	return walk_read_dirty(OF_TABLE(pt), pt, iova, last, clear, &report);
}

static void NAME(prefetch)(const struct pt *pt, uint64_t iova)
{
	walk_prefetch(OF_TABLE(pt), pt, iova);
}

static size_t NAME(explain)(const struct pt *pt, uint64_t iova, struct pt_step *steps)
{
	return walk_explain(OF_TABLE(pt), pt, iova, steps);
}

static int NAME(dump)(const struct pt *pt, int (*cb)(void *arg, const struct pt_step *s), void *arg)
{
	return walk_dump(OF_TABLE(pt), pt, cb, arg);
}

static void NAME(gather_all)(struct pt *pt, struct pt_gather *g)
{
	walk_drop(OF_TABLE(pt), pt, pt->root, g);
}

static struct pt_entry NAME(decode)(const struct pt_regime *r, uint64_t raw, unsigned int level)
{
	return walk_judge(OF_REGIME(r), r, raw, level);
}

static int NAME(walk)(const struct pt_regime *r, uint64_t iova, struct pt_walk *out,
		      void (*cb)(void *arg, const struct pt_step *s), void *arg)
{
	return walk_foreign(OF_REGIME(r), r, iova, out, cb, arg);
}

#undef OF_TABLE
#undef OF_REGIME
#undef NAME
#undef FORMAT
#undef FORMAT_SIZED

#ifndef WALK_INSTANCE
#define WALK_INSTANCE_(format)                                                                     \
	.map = format##_map, .unmap = format##_unmap, .translate = format##_translate,             \
	.translate_batch = format##_translate_batch, .mark = format##_mark, .cut = format##_cut,   \
	.read_dirty = format##_read_dirty, .prefetch = format##_prefetch,                          \
	.explain = format##_explain, .dump = format##_dump, .decode = format##_decode,             \
	.walk = format##_walk, .gather_all = format##_gather_all
#define WALK_INSTANCE(format) WALK_INSTANCE_(format)
#endif
