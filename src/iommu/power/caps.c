/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A POWER window's size, pages and levels, as the options make them: what an sPAPR container's
 * VFIO_IOMMU_SPAPR_TCE_CREATE is given. The size of the tables follows from them.
 */
#include <errno.h>
#include <stdio.h>

#include "iommu/power/power.h"

#define ONE_LEVEL_LG2 31 /* a 32-bit window's size, as Linux sets it up */

const struct option_key power_options[] = {
	{.name = "page",
	 .type = OPTION_SIZE,
	 .def = "4K",
	 .min = BIT(12),
	 .max = BIT(24),
	 .help = "size of the pages: 4K, 64K, 2M or 16M"},
	{.name = "levels",
	 .type = OPTION_NUMBER,
	 .def = "4",
	 .min = 1,
	 .max = 5,
	 .help = "levels of the table"},
	{.name = "window",
	 .type = OPTION_SIZE,
	 .def = "0",
	 .max = BIT(54),
	 .help = "bytes of the window, a power of two; 0: 2G with one level, else what the levels hold "
		 "in tables of 4K; for more the tables are larger"},
	{0},
};

static const struct pt_ops *find_format(uint64_t page)
{
	static const struct pt_ops *const formats[] = {&pt_power_4k, &pt_power_64k, &pt_power_2m,
						       &pt_power_16m};

	for (size_t n = 0; n < ARRAY_SIZE(formats); n++)
		if (page == BIT(formats[n]->page_lg2))
			return formats[n];
	return NULL;
}

/* The bits of addresses that so many levels hold in the smallest tables, and at most. False: one
 * level less would do for any window. */
static bool window_limits(const struct power *p, unsigned int *own, unsigned int *most)
{
	unsigned int page = p->ops->page_lg2, levels = p->levels, ias = p->ops->max_ias;

	*own = (unsigned int)min_u64(page + levels * p->ops->index_lg2, ias);
	*most = (unsigned int)min_u64(page + levels * p->ops->max_index_lg2, ias);
	return page + (levels - 1) * p->ops->index_lg2 < ias;
}

int power_init_caps(struct power *p, const struct options *o, char *why, size_t why_len)
{
	uint64_t window = options_number(o, "window");
	unsigned int least, own, most;

	p->ops = find_format(options_number(o, "page"));
	p->levels = (unsigned int)options_number(o, "levels");
	if (!p->ops) {
		snprintf(why, why_len, "power: page=%s: give 4K, 64K, 2M or 16M",
			 options_string(o, "page"));
		return -EINVAL;
	}
	least = p->ops->page_lg2 + 1;
	if (!window_limits(p, &own, &most)) {
		snprintf(why, why_len, "power: levels=%u: pages of %s fill a window with fewer",
			 p->levels, options_string(o, "page"));
		return -EINVAL;
	}
	if (window && (!is_pow2(window) || window < BIT(least) || window > BIT(most))) {
		snprintf(why, why_len,
			 "power: window=%s: give a power of two from 2^%u to 2^%u bytes",
			 options_string(o, "window"), least, most);
		return -EINVAL;
	}
	if (window)
		p->window_lg2 = log2_floor(window);
	else
		p->window_lg2 = p->levels == 1 ? ONE_LEVEL_LG2 : own;
	return 0;
}
