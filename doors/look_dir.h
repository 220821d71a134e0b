/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the sockets of running engines are (doors/preload/inspect.h), for those who make them and
 * those who look for them.
 */
#ifndef IOAS_DOORS_LOOK_DIR_H
#define IOAS_DOORS_LOOK_DIR_H

#include <stdbool.h>
#include <sys/types.h>

#define LOOK_DIR_MAX  80
#define LOOK_PATH_MAX 108 /* sun_path */

/* $XDG_RUNTIME_DIR/ioas, if that is the user's own and short enough. */
bool look_dir_runtime(char out[LOOK_DIR_MAX]);
/* The other place: /tmp/ioas-UID. */
void look_dir_fallback(uid_t uid, char out[LOOK_DIR_MAX]);
/* Is it a folder of the user's that nobody else may enter? */
bool look_dir_is_safe(const char *path, uid_t uid);
/* The first of the two that can be had, made if need be. 0 or -errno. */
int look_dir_make(char out[LOOK_DIR_MAX]);

#endif
