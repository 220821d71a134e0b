/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include <dlfcn.h>

struct real real_functions;

/* Twice at once does no harm: both find the same. */
void real_find(void)
{
#define REAL_LOOKUP(result, name, params) *(void **)&real_functions.name = dlsym(RTLD_NEXT, #name);
	REAL_FUNCTIONS(REAL_LOOKUP)
#undef REAL_LOOKUP
	__atomic_store_n(&real_functions.ready, 1, __ATOMIC_RELEASE);
}
