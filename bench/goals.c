/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each figure is to be (docs/performance.md). A goal is a number, or so much more than what
 * the row's limit took in the same run.
 */
#include <string.h>

#include "bench.h"

static const struct goal {
	const char *row;
	double ns;
	bool over;  /* so much over the row's limit */
	bool times; /* so many times that */
} goals[] = {
	{"map+unmap 4 KiB, registered memory, idle device", 150},
	{"map+unmap 1 GiB, registered memory, idle device", 500},
	{"map+unmap 4 KiB, other memory, idle device", 210},
	{"map+unmap 1 GiB, other memory, idle device", 4e6},
	{"a map or an unmap, in arrays of 64", 60},
	{"map+unmap 4 KiB through the door, idle device", 270},
	{"map+unmap 1 GiB through the door, idle device", 4e6},
	{"map+unmap 4 KiB at random among 1000000 areas", 450},
	{"map+unmap 4 KiB behind the last of 1000000 areas", 1.3, .times = true},
	{"bytes of bookkeeping for each of them", 100},
	{"bytes for each of 1000000 areas", 100},
	{"bytes for each of 10000000 areas", 100},
	{"record a map", 150},
	{"record an unmap", 150},
	{"record a word of a guest's tables", 150},
	{"record a transfer's beginning", 150},
	{"record a step of a transfer", 150},
	{"record the end of a read of 4 KiB", 150},
	{"record the end of a write of 4 KiB", 150},
	{"map+unmap 4 KiB, sanitized", 3, .times = true},
	{"map+unmap 4 KiB of 20,000, no device, sanitized", 3, .times = true},
	{"DMA read of 4 KiB, sanitized", 2, .times = true},
	{"nested DMA read of 4 KiB, sanitized", 2, .times = true},
	{"translate, 2 MiB of 4 KiB pages: hits", 8},
	{"DMA read of 4096 bytes, registered memory", 30, true},
	{"DMA write of 4096 bytes, registered memory", 30, true},
	{"nested translation, 2 MiB: hits", 1.05, .times = true},
	{"nested translation, a miss after a TLBI", 3, .times = true},
	{"nested translation, a miss of stage 2 too", 3, .times = true},
	{"  entries that a cold nested translation reads", 24},
	{"TLBI, calls of 256, device idle", 50},
	{"TLBI, calls of 256, the device reads after each", 50},
	{"TLBI, calls of 256, device busy", 50},
	{"TLBI by a queue, device idle", 1.05, .times = true},
	/* As much as it took alone, and a little. */
	{"a read of 64 bytes, two devices: each", 2 / 1.9, .times = true},
	{"a read of 64 bytes beside maps and unmaps", 1 / 0.9, .times = true},
};

double bench_goal(const char *row, double limit)
{
	for (size_t i = 0; i < sizeof(goals) / sizeof(*goals); i++)
		if (!strcmp(row, goals[i].row))
			return goals[i].times ? goals[i].ns * limit
					      : goals[i].ns + (goals[i].over ? limit : 0);
	return 0;
}
