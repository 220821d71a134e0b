/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's folder in the overlay: its attributes, and whether vfio-pci drives it. Every process
 * of the run sees the same.
 */
#ifndef IOAS_DOORS_PRELOAD_OVERLAY_H
#define IOAS_DOORS_PRELOAD_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "doors/paths.h"

struct overlay_path {
	char text[PATH_ROOM];
};

/* The place of attribute @file of the device. */
void overlay_device_file(const struct run_device *d, const char *file, struct overlay_path *out);
int overlay_put_text(const char *path, const char *text);
/* Bytes, with a NUL behind them, or -errno. */
long overlay_get_text(const char *path, char *buf, size_t room);

bool overlay_is_bound(const struct run_device *d);
bool overlay_overridden(const struct run_device *d); /* driver_override names vfio-pci */
int overlay_bind(const struct run_device *d);
int overlay_unbind(const struct run_device *d);

#endif
