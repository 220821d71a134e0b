/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Touching memory that may not be there.
 *
 * Each function's code is a range with a landing place: when the fault handler finds the
 * instruction pointer inside (guard_landing()), it goes on there, and the function returns -EFAULT.
 * They use no stack, so there is nothing to undo. A guarded touch never takes the store trap: a
 * mapped BAR is as unwritable to it as it is to the MMU.
 */
#ifndef IOAS_DOORS_PRELOAD_GUARD_H
#define IOAS_DOORS_PRELOAD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copies ascending; each byte is written once. @len 1, 2, 4 and 8 is a single access. 0 or -EFAULT,
 * then a leading part may have been copied.
 */
int guard_copy(void *dst, const void *src, size_t len);
/* Replaces the aligned word at @at by @to if it is *@is, which receives what it was. 0 or -EFAULT. */
int guard_exchange(uint64_t *at, uint64_t *is, uint64_t to);
/* One load from each of @pages pages from @va on. */
int guard_touch_read(const void *va, size_t pages);
/* One atomic read-modify-write that changes nothing, on each. */
int guard_touch_write(void *va, size_t pages);

/* Where a fault at @pc goes on; 0: not ours. Async-signal-safe. */
uintptr_t guard_landing(uintptr_t pc);

#endif
