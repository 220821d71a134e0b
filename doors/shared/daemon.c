/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of `ioas run --shared`: a process of its own, which the command line starts with this
 * library in it and a listening socket. It has no program; its clients are all processes of the run.
 */
#include "doors/preload/real.h"

#include <stdlib.h>
#include <string.h>

#include "doors/files.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

/* After door.c's, and all that the engine needs of libc. */
static void __attribute__((constructor)) become_daemon(void)
{
	const char *listener = door_active() ? getenv(RUN_DAEMON_ENV) : NULL;
	int rc;

	if (!listener)
		return;
	files_set_server(door.run.shared);
	engine_enter();
	rc = engine_start();
	if (!rc)
		rc = serve_listen(files_hide(atoi(listener)));
	engine_leave();
	if (!rc)
		return;
	door_say("the daemon of the run cannot start: %s", strerror(-rc));
	sys3(SYS_exit_group, 1, 0, 0);
}
