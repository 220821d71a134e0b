/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CALLSTACK_PROBE_H
#define TESTS_CALLSTACK_PROBE_H

#include "doors/preload/callstack.h"

int probe_init(void);
stack_id probe_here(void);
stack_id probe_trapped(const ucontext_t *uc);
stack_id probe_keep(const uint64_t *pc, unsigned int n);
unsigned int probe_frames(stack_id id, const uint64_t **pc);

#endif
