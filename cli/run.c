/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas run`: prepares a run directory, starts the program with the preload library, waits for it,
 * and cleans up.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/record.h"
#include "cli/findings.h"

/* Signals that are meant for the program when they are sent to us. */
static const int forwarded[] = {SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
				SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

static volatile pid_t child;

/* A terminal sends its signals to the whole foreground group: the program has those already. */
static void forward(int sig, siginfo_t *info, void *ctx)
{
	if (child > 0 && info->si_code <= 0)
		kill(child, sig);
}

static void catch_signals(sigset_t *old)
{
	struct sigaction act = {.sa_sigaction = forward, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&block, forwarded[i]);
	/* Until the program's pid is known. */
	sigprocmask(SIG_BLOCK, &block, old);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++) {
		struct sigaction was;

		/* What our caller ignores (nohup) we and the program ignore. */
		if (!sigaction(forwarded[i], NULL, &was) && was.sa_handler != SIG_IGN)
			sigaction(forwarded[i], &act, NULL);
	}
}

/* A library, beside `ioas` or in ../lib; allocated, or NULL after a message. */
static char *find_library(const char *name)
{
	static const char *const folders[] = {"", "../lib/", "../lib64/",
					      "../lib/x86_64-linux-gnu/"};
	char self[PATH_MAX], *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char *real;

		if (asprintf(&path, "%s%s%s", self, folders[i], name) < 0)
			return NULL;
		real = realpath(path, NULL);
		free(path);
		if (real)
			return real;
	}
	fprintf(stderr, "ioas: %s is neither beside ioas nor in ../lib: install it there\n", name);
	return NULL;
}

char *find_preload(void)
{
	return find_library("libioas-preload.so");
}

/* LD_PRELOAD: a sanitizer's runtime, the door, what sees free() if that is wanted, and what was
 * there. */
static int set_preload(const char *library, const char *sanitizer, bool watch_free)
{
	const char *was = getenv("LD_PRELOAD");
	char *all, *heap = watch_free ? find_library("libioas-sanitize.so") : NULL;
	int rc;

	if (watch_free && !heap)
		return EXIT_FAILED;
	if (strpbrk(library, " :")) {
		fprintf(stderr,
			"ioas: the path %s has a space or a colon, which LD_PRELOAD cannot hold: move ioas\n",
			library);
		return EXIT_FAILED;
	}
	rc = asprintf(&all, "%s%s%s%s%s%s%s", sanitizer, *sanitizer ? ":" : "", library,
		      heap ? ":" : "", heap ? heap : "", was && *was ? ":" : "", was ? was : "");
	free(heap);
	if (rc < 0)
		return EXIT_FAILED;
	rc = setenv("LD_PRELOAD", all, 1);
	free(all);
	return rc ? EXIT_FAILED : 0;
}

/*
 * The trap needs every register as it is when a store faults, which valgrind keeps only when told
 * to; and across a jump that it follows while it translates it forgets where it is. It runs one
 * thread at a time, and a program that polls must not keep a device's from its turn.
 */
static int set_valgrind(void)
{
	static const char options[] =
		"--vex-iropt-register-updates=allregs-at-mem-access --vex-guest-chase=no --fair-sched=try";
	const char *was = getenv("VALGRIND_OPTS");
	char *all;
	int rc;

	if (asprintf(&all, "%s%s%s", options, was ? " " : "", was ? was : "") < 0)
		return EXIT_FAILED;
	rc = setenv("VALGRIND_OPTS", all, 1);
	free(all);
	return rc ? EXIT_FAILED : 0;
}

static void __attribute__((noreturn)) become(const struct target *t, char **program)
{
	execv(t->path, program);
	/* A script without a #! line, as shells run it. */
	if (errno == ENOEXEC) {
		size_t n = 0;
		char **args;

		while (program[n])
			n++;
		args = calloc(n + 2, sizeof(*args));
		if (args) {
			args[0] = program[0];
			args[1] = (char *)t->path;
			memcpy(args + 2, program + 1, n * sizeof(*args));
			execv("/bin/sh", args);
		}
	}
	fprintf(stderr, "ioas: cannot run %s: %s\n", program[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILED;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* RLIMIT_NOFILE of the program; 0: as it is. */
static bool limit_fds(uint64_t fds)
{
	const struct rlimit rl = {fds, fds};

	if (!fds || !setrlimit(RLIMIT_NOFILE, &rl))
		return true;
	fprintf(stderr, "ioas: --limit fds=%" PRIu64 ": %s\n", fds, strerror(errno));
	return false;
}

static int start_and_wait(const struct target *t, char **program, uint64_t fds)
{
	sigset_t old;
	int status;

	fflush(NULL);
	catch_signals(&old);
	child = fork();
	if (!child) {
		for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++) {
			struct sigaction act;

			if (!sigaction(forwarded[i], NULL, &act) && act.sa_handler != SIG_IGN)
				signal(forwarded[i], SIG_DFL);
		}
		sigprocmask(SIG_SETMASK, &old, NULL);
		if (!limit_fds(fds))
			_exit(EXIT_FAILED);
		become(t, program);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (child < 0) {
		fprintf(stderr, "ioas: cannot start a process: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	status = wait_for(child);
	child = 0;
	return status;
}

static void print_summary(const struct run_stats *s, const char *log)
{
	FILE *to = log ? fopen(log, "a") : stderr;

	if (to)
		fprintf(to,
			"ioas: %" PRIu64 " maps, %" PRIu64 " unmaps, %" PRIu64
			" bytes read and %" PRIu64 " bytes written by DMA, %" PRIu64 " faults\n",
			s->maps, s->unmaps, s->dma_read_bytes, s->dma_written_bytes, s->faults);
	if (to && s->injected)
		fprintf(to, "ioas: %" PRIu64 " fault%s injected\n", s->injected,
			s->injected == 1 ? "" : "s");
	if (to && log)
		fclose(to);
}

static int run_in(const char *dir, const struct run_request *r, const struct target *t,
		  const char *library)
{
	struct run_stats *stats = run_stats_map(dir);
	pid_t served = 0;
	int status;

	if (!stats || setenv(RUN_DIR_ENV, dir, 1)) {
		fprintf(stderr, "ioas: cannot use %s: %s\n", dir, strerror(errno));
		return EXIT_FAILED;
	}
	stats->said_unreachable = t->cannot != NULL;
	if (r->config.shared)
		served = daemon_start(dir, library, r->program[0]);
	if (served < 0) {
		fprintf(stderr, "ioas: cannot start the daemon of the run: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	status = start_and_wait(t, r->program, r->config.limits.fds);
	if (served)
		daemon_end(served);
	say_left(dir);
	if (r->summary)
		print_summary(stats, r->config.log);
	munmap(stats, sizeof(*stats));
	return status;
}

/* run_in(), with somebody who listens to the sanitizer. */
static int run_sanitized(const char *dir, const struct run_request *r, const struct target *t,
			 const char *library, struct recording *recording)
{
	const struct run_config *c = &r->config;
	struct keeper_config cfg = {.dir = dir,
				    .sanitize = c->sanitize,
				    .report = r->report,
				    .log = c->log,
				    .recording = recording};
	struct keeper *k = NULL;
	int status = EXIT_USAGE;

	if (!run_sanitizes(c))
		return run_in(dir, r, t, library);
	if (r->suppressions)
		cfg.suppressions = suppressions_read(r->suppressions);
	if (!r->suppressions || cfg.suppressions)
		k = keeper_start(&cfg);
	if (k) {
		status = run_in(dir, r, t, library);
		/* A signal tells more than that something was found. */
		if (keeper_end(k) && c->sanitize != RUN_SANITIZE_LOG && status < 128)
			status = EXIT_FOUND;
	}
	suppressions_free(cfg.suppressions);
	return status;
}

/* run_sanitized(), with somebody who records: findings as well, hence longer than they may come. */
static int run_recorded(const char *dir, const struct run_request *r, const struct target *t,
			const char *library)
{
	struct recording *recording;
	int status;

	if (!r->record)
		return run_sanitized(dir, r, t, library, NULL);
	recording = recording_start(r->record, r->record_limit, dir, r->config.record);
	if (!recording)
		return EXIT_FAILED;
	status = run_sanitized(dir, r, t, library, recording);
	recording_end(recording, status);
	return status;
}

/* The program is there and can be reached; says what is wrong otherwise. */
static int look(const char *program, const char *library, struct target *t)
{
	target_look(program, library, t);
	if (!*t->path) {
		fprintf(stderr, "ioas: cannot run %s: %s\n", program, strerror(t->err));
		return t->err == ENOENT || t->err == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	}
	if (t->cannot)
		fprintf(stderr, "ioas: " RUN_UNREACHABLE "\n", t->path, t->cannot);
	return 0;
}

int cmd_run(int argc, char **argv)
{
	struct run_request r = {0};
	char *library = find_preload(), *dir = NULL;
	struct target t;
	int status;

	request_parse(&r, argc, argv);
	if (!library)
		return EXIT_FAILED;
	status = look(r.program[0], library, &t);
	if (!status)
		status = set_preload(library, t.sanitizer, run_sanitizes(&r.config));
	if (!status)
		status = set_valgrind();
	if (r.record)
		r.config.record = recording_clock();
	if (!status) {
		dir = rundir_make(&r.config);
		status = dir ? run_recorded(dir, &r, &t, library) : EXIT_FAILED;
	}
	if (dir)
		rundir_remove(dir);
	free(dir);
	free(library);
	run_config_free(&r.config);
	return status;
}
