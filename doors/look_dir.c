/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/look_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder_of(const char *path, uid_t uid, mode_t forbidden)
{
	struct stat st;

	return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == uid &&
	       !(st.st_mode & forbidden);
}

bool look_dir_runtime(char out[LOOK_DIR_MAX])
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (!base || *base != '/' || !is_folder_of(base, geteuid(), S_IWGRP | S_IWOTH))
		return false;
	return snprintf(out, LOOK_DIR_MAX, "%s/ioas", base) < LOOK_DIR_MAX;
}

void look_dir_fallback(uid_t uid, char out[LOOK_DIR_MAX])
{
	snprintf(out, LOOK_DIR_MAX, "/tmp/ioas-%u", (unsigned int)uid);
}

bool look_dir_is_safe(const char *path, uid_t uid)
{
	return is_folder_of(path, uid, S_IRWXG | S_IRWXO);
}

static int make(const char *path)
{
	/* Whatever the umask. */
	if (mkdir(path, 0700) ? errno != EEXIST : chmod(path, 0700))
		return -errno;
	return look_dir_is_safe(path, geteuid()) ? 0 : -EPERM;
}

int look_dir_make(char out[LOOK_DIR_MAX])
{
	if (look_dir_runtime(out) && !make(out))
		return 0;
	look_dir_fallback(geteuid(), out);
	return make(out);
}
