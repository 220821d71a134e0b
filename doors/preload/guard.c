/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/guard.h"

struct guard_range {
	uintptr_t start, end, landing;
};

extern const struct guard_range guard_ranges[];

uintptr_t guard_landing(uintptr_t pc)
{
	for (const struct guard_range *r = guard_ranges; r->start; r++)
		if (pc >= r->start && pc < r->end)
			return r->landing;
	return 0;
}
