/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which DMA addresses and region tables an s390 function has, as the options make them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iommu/s390/s390.h"

const struct option_key s390_options[] = {
	{.name = "start-dma",
	 .type = OPTION_SIZE,
	 .def = "4G",
	 .max = BIT(41),
	 .help = "first DMA address"},
	{.name = "end-dma",
	 .type = OPTION_NUMBER,
	 .def = "0x1ffffffffffffff",
	 .min = PAGE_MASK,
	 .max = U64MAX,
	 .help = "last DMA address"},
	{.name = "tables",
	 .type = OPTION_STRING,
	 .def = "rt",
	 .help = "largest region table: rt, rs or rf, for IOVAs of 42, 53 or 64 bits"},
	{.name = "aperture",
	 .type = OPTION_SIZE,
	 .def = "0",
	 .max = U64MAX,
	 .help = "most bytes of DMA addresses to use (Linux: the size of memory); 0: all"},
	{0},
};

/* The levels up to the largest table there is; 0: no such name. */
static unsigned int find_levels(const char *name)
{
	static const char *const names[] = {"rt", "rs", "rf"};

	for (unsigned int n = 0; n < ARRAY_SIZE(names); n++)
		if (!strcmp(name, names[n]))
			return 3 + n;
	return 0;
}

uint64_t s390_table_last(const struct s390 *s)
{
	return MASK(20 + 11 * (s->levels - 1));
}

/* The smallest tables that hold all that is to be used, as far as there are larger ones. */
static void choose_tables(struct s390 *s, unsigned int most)
{
	for (s->levels = 3; s->levels < most && s->end_dma > s390_table_last(s); s->levels++)
		;
	s->end_dma = min_u64(s->end_dma, s390_table_last(s));
}

int s390_init_caps(struct s390 *s, const struct options *o, char *why, size_t why_len)
{
	unsigned int most = find_levels(options_string(o, "tables"));
	uint64_t aperture = options_number(o, "aperture");

	s->start_dma = options_number(o, "start-dma");
	s->end_dma = options_number(o, "end-dma");
	if (!most) {
		snprintf(why, why_len, "s390: tables=%s: give rt, rs or rf",
			 options_string(o, "tables"));
		return -EINVAL;
	}
	if (s->start_dma & PAGE_MASK || ~s->end_dma & PAGE_MASK || s->start_dma > s->end_dma) {
		snprintf(why, why_len,
			 "s390: start-dma=%s,end-dma=%s: give the first and the last byte of pages",
			 options_string(o, "start-dma"), options_string(o, "end-dma"));
		return -EINVAL;
	}
	if (aperture & PAGE_MASK) {
		snprintf(why, why_len, "s390: aperture=%s: give a multiple of 4K",
			 options_string(o, "aperture"));
		return -EINVAL;
	}
	if (aperture && aperture - 1 < s->end_dma - s->start_dma)
		s->end_dma = s->start_dma + (aperture - 1);
	choose_tables(s, most);
	return 0;
}
