/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon of `ioas run --shared`, *ioasd*: this executable once more, with the preload library
 * in it, which holds the engine and serves the processes of the run (doors/shared/daemon.c). It
 * ends with the run.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "doors/target.h"

/* All that is left to do here is to wait for the end. */
int cmd_daemon(int argc, char **argv)
{
	sigset_t set;
	int sig;

	prctl(PR_SET_NAME, "ioasd");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return sigwait(&set, &sig) ? EXIT_FAILED : 0;
}

uint64_t daemon_name(void)
{
	uint64_t n = 0;

	while (getrandom(&n, sizeof(n), 0) != sizeof(n) || !n)
		;
	return n;
}

static void __attribute__((noreturn))
become(const char *preload, int listener, pid_t parent, const char *program)
{
	static char command[] = "daemon";
	const char *slash = strrchr(program, '/');
	char name[64], *args[] = {name, command, NULL}, text[16];
	sigset_t set;

	/* By this name `ioas ps` tells it from the daemons of other runs. */
	snprintf(name, sizeof(name), "ioasd:%s", slash ? slash + 1 : program);

	/* A terminal's signals are for the program, and who kills `ioas run` kills us. */
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	snprintf(text, sizeof(text), "%d", listener);
	if (getppid() == parent && !fcntl(listener, F_SETFD, 0) &&
	    !setenv(RUN_DAEMON_ENV, text, 1) && !setenv("LD_PRELOAD", preload, 1))
		execv("/proc/self/exe", args);
	_exit(EXIT_FAILED);
}

/* The library, behind the runtime of the sanitizer that it was built with. */
static char *preload_of(const char *library)
{
	struct target t;
	char *preload;

	target_look("/proc/self/exe", library, &t);
	return asprintf(&preload, "%s%s%s", t.sanitizer, *t.sanitizer ? ":" : "", library) < 0
		       ? NULL
		       : preload;
}

pid_t daemon_start(const char *dir, const char *library, const char *program)
{
	char *preload = preload_of(library);
	const pid_t parent = getpid();
	const int listener = preload ? rundir_listen(dir, RUN_SOCKET) : -1;
	pid_t pid = -1;

	if (listener >= 0)
		pid = fork();
	if (!pid)
		become(preload, listener, parent, program);
	if (listener >= 0)
		close(listener);
	free(preload);
	return pid;
}

void daemon_end(pid_t pid)
{
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
