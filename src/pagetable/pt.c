/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page table as an object: what does not depend on the format.
 */
#include "pagetable/pt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pagetable/table.h"

static unsigned int width(unsigned int wanted, unsigned int most)
{
	return wanted && wanted < most ? wanted : most;
}

static unsigned int leaf_index_lg2(const struct pt *pt)
{
	return pt->ops->leaf_index_lg2 ? pt->ops->leaf_index_lg2 : pt->index_lg2;
}

/* The size of an entry of @level. */
static unsigned int level_lg2(const struct pt *pt, unsigned int level)
{
	unsigned int page_lg2 = pt->ops->page_lg2;

	return level ? page_lg2 + leaf_index_lg2(pt) + (level - 1) * pt->index_lg2 : page_lg2;
}

/*
 * The wanted sizes of those that fit the widths (no leaf is half the table or more), up to the
 * first level whose own size is not wanted. The lowest level may do with runs, larger than its
 * entries.
 */
static uint64_t usable_sizes(const struct pt *pt, const struct pt_config *cfg, uint64_t most)
{
	uint64_t sizes = pt->ops->page_sizes & most & MASK(level_lg2(pt, pt->levels) - 1);

	if (cfg->page_sizes)
		sizes &= cfg->page_sizes;
	if (cfg->flags & PT_NO_HUGE)
		sizes &= BIT(pt->ops->page_lg2);
	if (!(sizes & MASK(level_lg2(pt, 1))))
		return 0;
	for (unsigned int level = 1; level_lg2(pt, level) < 64; level++) {
		if (!(sizes & BIT(level_lg2(pt, level))))
			return sizes & MASK(level_lg2(pt, level));
	}
	return sizes;
}

/* Entries of each level's tables. Only a root may have more, or fewer, than its level's other
 * tables.
 */
static void set_index_masks(struct pt *pt, unsigned int ias)
{
	const struct pt_ops *ops = pt->ops;
	unsigned int top = pt->levels - 1u;

	for (unsigned int level = 0; level <= top; level++)
		pt->index_mask[level] = (uint32_t)MASK(level ? pt->index_lg2 : leaf_index_lg2(pt));
	if (ops->root_whole)
		pt->index_mask[top] = (uint32_t)MASK(pt->index_lg2 + ops->root_more_lg2);
	else if (ops->root_more_lg2)
		pt->index_mask[top] = (uint32_t)MASK(ias - level_lg2(pt, top));
}

static unsigned int root_order(const struct pt *pt)
{
	uint64_t bytes = (pt->index_mask[pt->levels - 1] + 1ull) * sizeof(uint64_t);

	return bytes > TABLE_SIZE ? log2_floor(bytes) - TABLE_LG2 : 0;
}

static int configure_input(struct pt *pt, const struct pt_config *cfg)
{
	const struct pt_ops *ops = pt->ops;
	unsigned int ias = level_lg2(pt, pt->levels) + ops->root_more_lg2;

	ias = width(cfg->ias, width(ias, ops->max_ias));
	if (ias < (ops->root_more_lg2 ? level_lg2(pt, pt->levels - 1u) + 1 : ops->page_lg2))
		return -EINVAL;
	set_index_masks(pt, ias);
	if (root_order(pt) >= TABLE_ORDERS)
		return -EINVAL;
	pt->input_span = MASK(ias);
	pt->input_last = pt->input_span;
	if (ops->sign_extended && !(cfg->flags & PT_UNSIGNED)) {
		pt->input_bias = BIT(ias - 1);
		pt->input_last = MASK(ias - 1);
	}
	return 0;
}

static int configure(struct pt *pt, const struct pt_config *cfg)
{
	const struct pt_ops *ops = cfg->ops;
	unsigned int oas = width(cfg->oas, ops->max_oas);
	int rc;

	if (cfg->levels < ops->min_levels || cfg->levels > ops->max_levels || oas < ops->page_lg2)
		return -EINVAL;
	if (cfg->flags & PT_DIRTY && ops->no_dirty)
		return -EOPNOTSUPP;
	pt->ops = ops;
	pt->levels = (uint8_t)cfg->levels;
	pt->index_lg2 = (uint8_t)pt_index_lg2(ops, cfg->levels, cfg->ias);
	if (level_lg2(pt, pt->levels - 1u) >= 64)
		return -EINVAL;
	rc = configure_input(pt, cfg);
	if (rc)
		return rc;
	pt->output_last = MASK(oas);
	pt->page_sizes = usable_sizes(pt, cfg, pt->input_last & MASK(oas));
	pt->can_dirty = cfg->flags & PT_DIRTY;
	if (cfg->flags & PT_COHERENT)
		pt->leaf_bits = ops->coherent_bits;
	if (ops->configure)
		ops->configure(pt, cfg->flags);
	return pt->page_sizes ? 0 : -EINVAL;
}

static void empty_root(struct pt *pt)
{
	const struct pt_ops *ops = pt->ops;
	uint64_t empty = ops->empty ? ops->empty(pt->levels - 1u) : 0;

	memset(pt->root, 0, TABLE_SIZE << root_order(pt));
	for (uint64_t i = 0; empty && i <= pt->index_mask[pt->levels - 1]; i++)
		pt->root[i] = ops->big_endian ? __builtin_bswap64(empty) : empty;
}

int pt_create(struct pt_mem *m, const struct pt_config *cfg, struct pt **out)
{
	struct pt *pt = ioas_calloc(1, sizeof(*pt));
	struct pt_gather g = {0};
	int rc;

	if (!pt)
		return -ENOMEM;
	rc = configure(pt, cfg);
	if (rc)
		goto out_free;
	rc = pt_mem_take(m, 1, root_order(pt), &g);
	if (rc)
		goto out_free;
	pt->mem = m;
	pt->to_ptr = (uintptr_t)m->base - m->pa_base;
	pt->root = gather_pop(m, &g);
	*table_desc(m, pt->root) =
		(struct pt_table){.level = (uint8_t)(pt->levels - 1),
				  .flags = (uint8_t)(root_order(pt) << TABLE_ORDER_SHIFT)};
	empty_root(pt);
	*out = pt;
	return 0;
out_free:
	ioas_free(pt);
	return rc;
}

void pt_destroy(struct pt *pt)
{
	struct pt_gather g = {0};

	pt->ops->gather_all(pt, &g);
	pt_gather_free(pt->mem, &g);
	ioas_free(pt);
}

uint64_t pt_root_pa(const struct pt *pt)
{
	return (uintptr_t)pt->root - pt->to_ptr;
}

int pt_set_dirty_tracking(struct pt *pt, bool on)
{
	if (on && !pt->can_dirty)
		return -EOPNOTSUPP;
	__atomic_store_n(&pt->dirty_tracking, on, __ATOMIC_RELAXED);
	return 0;
}

int pt_set_coherent(struct pt *pt)
{
	if (pt->nr_leaf_bytes)
		return -EBUSY;
	pt->leaf_bits |= pt->ops->coherent_bits;
	return 0;
}

/* Text that may not fit: @n counts what would have been written. */
struct words {
	char *buf;
	size_t size, n;
};

static __attribute__((format(printf, 2, 3))) void words_add(struct words *w, const char *format,
							    ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->n < w->size ? w->buf + w->n : NULL, w->n < w->size ? w->size - w->n : 0,
		      format, args);
	va_end(args);
	w->n += n > 0 ? (size_t)n : 0;
}

size_t pt_words(const struct pt_ops *ops, const struct pt_step *s, char *buf, size_t size)
{
	static const char *const faults[] = {
		[PT_FAULT_INPUT] = "address beyond the input width",
		[PT_FAULT_ABSENT] = "not present",
		[PT_FAULT_RESERVED] = "reserved",
		[PT_FAULT_ALIGN] = "misaligned",
		[PT_FAULT_OUTPUT] = "beyond the output width",
		[PT_FAULT_ACCESSED] = "not accessed",
		[PT_FAULT_READ] = "unreadable",
	};
	uint8_t in = s->level ? PT_IN_BLOCK : PT_IN_PAGE;
	struct words w = {.buf = buf, .size = size};

	if (size)
		buf[0] = 0;
	if (s->kind == PT_STEP_TABLE)
		in = PT_IN_TABLE;
	for (const struct pt_field *f = ops->fields; f && f->name; f++) {
		uint64_t value = (s->raw & f->mask) >> lowest_bit(f->mask);

		if (!(f->in & in) || !value)
			continue;
		words_add(&w, w.n ? " %s" : "%s", f->name);
		if (f->mask & (f->mask - 1))
			words_add(&w, "=0x%" PRIx64, value);
	}
	if (s->fault && s->fault < ARRAY_SIZE(faults))
		words_add(&w, w.n ? " (%s)" : "(%s)", faults[s->fault]);
	return w.n;
}
