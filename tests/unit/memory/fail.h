/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault injection at link time: the n-th allocation or mapping from now on fails.
 */
#ifndef TEST_FAIL_H
#define TEST_FAIL_H

#include <stdbool.h>

/* The @n-th from now on fails (1: the next one); 0: none does. */
void fail_nth(unsigned long n);
/* The same, and all that follow. */
void fail_from(unsigned long n);
/* Did any? Ends the injection. */
bool fail_happened(void);

/*
 * for (FAIL_SWEEP) body: runs the body with the first, the second, ... allocation failing until it
 * got through without a failure. The body calls fail_happened() behind the call under test.
 */
#define FAIL_SWEEP                                                                                 \
	unsigned long fail_i = 1, fail_more = 1;                                                   \
	fail_more;                                                                                 \
	fail_i++

#endif
