/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /proc/PID/status as a kernel whose IOMMU we are would show it: VmPin and VmLck count what is
 * pinned of that process, by this process's engine and by those whose files this process has.
 */
#ifndef IOAS_DOORS_PRELOAD_STATUS_H
#define IOAS_DOORS_PRELOAD_STATUS_H

#include <stdbool.h>
#include <stdint.h>

struct status_pins {
	uint64_t pinned, locked; /* pages */
};

/* Is it the path of a process's status? */
bool status_pid(const char *name, int *pid);
/* What to give the program for @fd, the real file just opened with @flags: it, or another in its
 * place. */
int status_show(int fd, int pid, int flags);

#endif
