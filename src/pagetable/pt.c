/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page table as an object: what does not depend on the format.
 */
#include "pagetable/pt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pagetable/table.h"

static unsigned int width(unsigned int wanted, unsigned int most)
{
	return wanted && wanted < most ? wanted : most;
}

/*
 * The wanted sizes of those that fit the widths, up to the first level whose own size is not
 * wanted. The lowest level may do with runs, larger than its entries.
 */
static uint64_t usable_sizes(const struct pt_ops *ops, const struct pt_config *cfg, uint64_t most)
{
	uint64_t sizes = ops->page_sizes & most, lowest = MASK(ops->page_lg2 + ops->index_lg2);

	if (cfg->page_sizes)
		sizes &= cfg->page_sizes;
	if (cfg->flags & PT_NO_HUGE)
		sizes &= BIT(ops->page_lg2);
	if (!(sizes & lowest))
		return 0;
	for (unsigned int lg2 = ops->page_lg2 + ops->index_lg2; lg2 < 64; lg2 += ops->index_lg2) {
		if (!(sizes & BIT(lg2)))
			return sizes & MASK(lg2);
	}
	return sizes;
}

static int configure(struct pt *pt, const struct pt_config *cfg)
{
	const struct pt_ops *ops = cfg->ops;
	unsigned int ias, oas;

	if (cfg->levels < ops->min_levels || cfg->levels > ops->max_levels)
		return -EINVAL;
	ias = ops->page_lg2 + cfg->levels * ops->index_lg2;
	ias = width(cfg->ias, width(ias, ops->max_ias));
	oas = width(cfg->oas, ops->max_oas);
	if (ias < ops->page_lg2 || oas < ops->page_lg2)
		return -EINVAL;
	pt->ops = ops;
	pt->levels = (uint8_t)cfg->levels;
	pt->input_last = MASK(ias);
	pt->output_last = MASK(oas);
	pt->page_sizes = usable_sizes(ops, cfg, MASK(ias) & MASK(oas));
	pt->can_dirty = cfg->flags & PT_DIRTY;
	if (cfg->flags & PT_COHERENT)
		pt->leaf_bits = ops->coherent_bits;
	return pt->page_sizes ? 0 : -EINVAL;
}

int pt_create(struct pt_mem *m, const struct pt_config *cfg, struct pt **out)
{
	struct pt *pt = calloc(1, sizeof(*pt));
	struct pt_gather g = {0};
	int rc;

	if (!pt)
		return -ENOMEM;
	rc = configure(pt, cfg);
	if (rc)
		goto out_free;
	rc = pt_mem_take(m, 1, &g);
	if (rc)
		goto out_free;
	pt->mem = m;
	pt->to_ptr = (uintptr_t)m->base - m->pa_base;
	pt->root = gather_pop(m, &g);
	*table_desc(m, pt->root) = (struct pt_table){.level = (uint8_t)(pt->levels - 1)};
	memset(pt->root, 0, TABLE_SIZE);
	*out = pt;
	return 0;
out_free:
	free(pt);
	return rc;
}

void pt_destroy(struct pt *pt)
{
	struct pt_gather g = {0};

	pt->ops->gather_all(pt, &g);
	pt_gather_free(pt->mem, &g);
	free(pt);
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
