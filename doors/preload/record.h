/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas run --record`: gives the engine of this process a recorder, and its ring to who writes the
 * file (cli/record.c).
 */
#ifndef IOAS_DOORS_PRELOAD_RECORD_H
#define IOAS_DOORS_PRELOAD_RECORD_H

#include "doors/machine.h"

struct recorder;

/* *out is NULL where nothing is to be recorded, or cannot be, which is said then. Pins of the
 * machine of @cfg will be recorded. */
void door_record_begin(struct machine_config *cfg, struct recorder **out);
/* The machine is there: 0 or -errno. */
int door_record_attach(struct recorder *rec, struct machine *m);

#endif
