/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon of `ioas run --shared`, *ioasd*: this executable once more, with the preload library in
 * it, which holds the engine and serves the processes of the run (doors/shared/daemon.c). It ends
 * with the run.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

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

static int listen_in(const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const int on = 1, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/" RUN_SOCKET, dir) >=
	    sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
	} else if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 64) &&
		   !setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on))) {
		/* For whatever user a program becomes. */
		chmod(a.sun_path, 0666);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static void __attribute__((noreturn)) become(const char *library, int listener, pid_t parent)
{
	static char name[] = "ioas", command[] = "daemon";
	char *args[] = {name, command, NULL}, text[16];
	sigset_t set;

	/* A terminal's signals are for the program, and who kills `ioas run` kills us. */
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	snprintf(text, sizeof(text), "%d", listener);
	if (getppid() == parent && !fcntl(listener, F_SETFD, 0) &&
	    !setenv(RUN_DAEMON_ENV, text, 1) && !setenv("LD_PRELOAD", library, 1))
		execv("/proc/self/exe", args);
	_exit(EXIT_FAILED);
}

pid_t daemon_start(const char *dir, const char *library)
{
	const pid_t parent = getpid();
	const int listener = listen_in(dir);
	pid_t pid;

	if (listener < 0)
		return -1;
	pid = fork();
	if (!pid)
		become(library, listener, parent);
	close(listener);
	return pid;
}

void daemon_end(pid_t pid)
{
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
