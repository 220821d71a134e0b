/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions that come and go. The overlay tells all processes of the run how many are
 * enabled (sriov_numvfs); a process's engine follows when it is made, and whenever the process
 * opens a node.
 *
 * A virtual function that another process has open stays open there when it is disabled here; one
 * that this process has open is waited for, as Linux does.
 */
#ifndef IOAS_DOORS_PRELOAD_VFS_H
#define IOAS_DOORS_PRELOAD_VFS_H

#include "doors/preload/engine.h"
#include "doors/run.h"

unsigned int vfs_total(const struct run_device *pf);
unsigned int vfs_enabled(const struct run_device *pf);
/* Enables the first @n, where there were none, or with 0 none any more. Called under the run's
 * lock. */
int vfs_set(const struct run_device *pf, unsigned int n);
/* The engine does what the overlay says. */
void vfs_follow(struct engine *e);

#endif
