/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doors/preload/callstack.c in a library of its own, whose frames it leaves out.
 */
#include "callstack_probe.h"

__attribute__((visibility("default"))) int probe_init(void)
{
	return callstack_init();
}

__attribute__((visibility("default"))) stack_id probe_here(void)
{
	const stack_id id = callstack_here();

	__asm__ volatile("" : : : "memory"); /* a frame, not a jump */
	return id;
}

__attribute__((visibility("default"))) stack_id probe_trapped(const ucontext_t *uc)
{
	return callstack_trapped(uc);
}

__attribute__((visibility("default"))) stack_id probe_keep(const uint64_t *pc, unsigned int n)
{
	return callstack_keep(pc, n);
}

__attribute__((visibility("default"))) unsigned int probe_frames(stack_id id, const uint64_t **pc)
{
	return callstack_frames(id, pc);
}
