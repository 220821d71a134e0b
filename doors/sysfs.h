/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes the overlay of a run: what a program finds under /sys and /dev of this machine.
 *
 * The tree is laid out as the kernel's, with its relative links, so that a path which starts inside
 * it stays inside. Device nodes are empty files: the door makes character devices of them.
 */
#ifndef IOAS_DOORS_SYSFS_H
#define IOAS_DOORS_SYSFS_H

#include "doors/machine.h"
#include "doors/run.h"

/**
 * sysfs_write() - write `sys/` and `dev/` into the run directory
 *
 * Adds to @run the folders that belong to the overlay alone, and the group that each device got. 0
 * or -errno.
 */
int sysfs_write(int dirfd, const struct machine *m, struct run_config *run);

#endif
