/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * -v: each call on our files as strace shows it, and what was refused and why. --explain: only
 * those that failed.
 *
 *   ioctl(5</dev/iommu>, IOMMU_IOAS_MAP, {size=40, flags=FIXED_IOVA|READABLE, ...}) = -1 EINVAL
 *   (MAP.11: iova=0x10, legal: a multiple of 4096)
 */
#ifndef IOAS_DOORS_PRELOAD_TRACE_H
#define IOAS_DOORS_PRELOAD_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refuse.h"
#include "doors/files.h"
#include "doors/preload/door.h"
#include "iommu/iommu.h"

/* The sink of the host: keeps the refusal for the line of the call that met it. */
void trace_refusal(void *arg, const struct refusal *r);
void trace_fault(const struct iommu_fault *f);
/* What an --inject did, where it is no call that fails. */
void trace_injection(const char *rule);
/* Of what the door itself refuses; -@err. */
long trace_no(int err, const char *rule, const char *field, uint64_t value, const char *legal);

/* Before the call: forgets earlier refusals. */
static inline void trace_begin(void)
{
	door_thread.refusal.there = false;
}

/* After it; @rc is the result or -errno. */
void trace_open(const char *path, int flags, long rc);
void trace_ioctl(int fd, const struct door_file *f, unsigned int cmd, uint64_t arg, long rc);
void trace_io(const char *call, int fd, const struct door_file *f, uint64_t len, uint64_t pos,
	      long rc);
void trace_mmap(int fd, const struct door_file *f, uint64_t addr, uint64_t len, int prot, int flags,
		uint64_t pos, long rc);
void trace_close(int fd, const char *name, long rc);

#endif
