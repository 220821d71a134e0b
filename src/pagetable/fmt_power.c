/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for POWER's translation control entries, once for each size of page.
 */
#include "pagetable/fmt_power.h"

#define FORMAT power_4k_format
#define FORMAT_SIZED
#include "pagetable/walk_instance.h"
#define FORMAT power_64k_format
#define FORMAT_SIZED
#include "pagetable/walk_instance.h"
#define FORMAT power_2m_format
#define FORMAT_SIZED
#include "pagetable/walk_instance.h"
#define FORMAT power_16m_format
#define FORMAT_SIZED
#include "pagetable/walk_instance.h"

/* Linux lets a window have fewer than 55 bits (IODA's upper ones choose a window). */
#define POWER_OPS(text, lg2, format)                                                               \
	{                                                                                          \
		.name = text, .min_levels = 1, .max_levels = 5, .page_lg2 = lg2,                   \
		.index_lg2 = POWER_INDEX_LG2, .max_index_lg2 = POWER_MAX_INDEX_LG2,                \
		.big_endian = true, .no_dirty = true, .max_ias = 54, .max_oas = 64,                \
		.page_sizes = BIT(lg2), .fields = power_fields, .marked = power_mark,              \
		WALK_INSTANCE(format),                                                             \
	}

const struct pt_ops pt_power_4k = POWER_OPS("power-4k", 12, power_4k_format);
const struct pt_ops pt_power_64k = POWER_OPS("power-64k", 16, power_64k_format);
const struct pt_ops pt_power_2m = POWER_OPS("power-2m", 21, power_2m_format);
const struct pt_ops pt_power_16m = POWER_OPS("power-16m", 24, power_16m_format);
