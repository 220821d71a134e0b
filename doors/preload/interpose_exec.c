/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting other programs. The door goes with them by LD_PRELOAD; one that cannot be reached is
 * named, once in a run, and one that needs a sanitizer's runtime first gets it there.
 */
#include "doors/preload/interpose.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "doors/preload/findings.h"
#include "doors/shared/serve.h"
#include "doors/target.h"

#define PRELOAD	     "LD_PRELOAD="
#define PRELOAD_ROOM 4096

struct launch {
	const char *program;
	bool search;	  /* along PATH */
	int dirfd, flags; /* of execveat() */
	char *const *argv, *const *envp;
	/* posix_spawn() */
	pid_t *pid;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
};

typedef int go_fn(const struct launch *l, char *const envp[]);

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* Copies @envp to @to with the sanitizer's runtime in front of the door; @text holds the new entry.
 */
static void put_in_front(char *const *envp, const char *sanitizer, char **to, char *text)
{
	const size_t head = sizeof(PRELOAD) - 1;

	for (; *envp; envp++, to++) {
		const char *value = *envp + head;

		*to = *envp;
		if (!strncmp(*envp, PRELOAD, head) && !strstr(value, sanitizer) &&
		    strlen(sanitizer) + strlen(*envp) + 2 < PRELOAD_ROOM) {
			*to = text;
			strcpy(stpcpy(stpcpy(stpcpy(text, PRELOAD), sanitizer), ":"), value);
		}
	}
	*to = NULL;
}

static void say_unreachable(const struct target *t)
{
	if (t->cannot && !__atomic_exchange_n(&door.stats->said_unreachable, 1, __ATOMIC_RELAXED))
		door_say(RUN_UNREACHABLE, t->path, t->cannot);
}

static int launch_with(const struct launch *l, const struct target *t, go_fn *go)
{
	char text[PRELOAD_ROOM];
	char *envp[count(l->envp) + 1];

	put_in_front(l->envp, t->sanitizer, envp, text);
	return go(l, envp);
}

static int launch(const struct launch *l, go_fn *go)
{
	struct target t;

	if (!door_active() || !l->program || !(l->search || strchr(l->program, '/')))
		return go(l, l->envp);
	target_look(l->program, NULL, &t);
	say_unreachable(&t);
	return *t.sanitizer && l->envp ? launch_with(l, &t, go) : go(l, l->envp);
}

/* What is this process's business must be done before it becomes another program. */
static int become(const struct launch *l, go_fn *go)
{
	if (door_active() && !door_forked()) {
		files_flush_attrs(0, ~0u);
		engine_count();
		findings_end(false);
	}
	return launch(l, go);
}

static int go_exec(const struct launch *l, char *const envp[])
{
	return l->search ? REAL(execvpe)(l->program, l->argv, envp)
			 : REAL(execve)(l->program, l->argv, envp);
}

static int go_execveat(const struct launch *l, char *const envp[])
{
	return REAL(execveat)(l->dirfd, l->program, l->argv, envp, l->flags);
}

static int go_spawn(const struct launch *l, char *const envp[])
{
	if (door_active())
		serve_others();
	return (l->search ? REAL(posix_spawnp) : REAL(posix_spawn))(l->pid, l->program, l->actions,
								    l->attr, l->argv, envp);
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return become(&(struct launch){.program = path, .argv = argv, .envp = envp}, go_exec);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return become(&(struct launch){.program = path, .argv = argv, .envp = environ}, go_exec);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return become(
		&(struct launch){.program = file, .search = true, .argv = argv, .envp = environ},
		go_exec);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return become(&(struct launch){.program = file, .search = true, .argv = argv, .envp = envp},
		      go_exec);
}

EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	const struct launch l = {
		.program = path, .dirfd = dirfd, .flags = flags, .argv = argv, .envp = envp};

	return become(&l, go_execveat);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	if (door_active() && !door_forked()) {
		files_flush_attrs(0, ~0u);
		engine_count();
		findings_end(false);
	}
	return REAL(fexecve)(fd, argv, envp);
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	const struct launch l = {.program = path,
				 .argv = argv,
				 .envp = envp,
				 .pid = pid,
				 .actions = actions,
				 .attr = attr};

	return launch(&l, go_spawn);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	const struct launch l = {.program = file,
				 .search = true,
				 .argv = argv,
				 .envp = envp,
				 .pid = pid,
				 .actions = actions,
				 .attr = attr};

	return launch(&l, go_spawn);
}

/* ---- the forms with the arguments in a row ---- */

static size_t count_row(va_list ap)
{
	size_t n = 1;

	while (va_arg(ap, char *))
		n++;
	return n;
}

/* Calls EXEC with argv, made of ARG and what follows it; for execle() ENVP picks up what follows
 * the row. */
#define WITH_ROW(arg, ap, envp_expr, call)                                                         \
	do {                                                                                       \
		size_t n_;                                                                         \
		va_start(ap, arg);                                                                 \
		n_ = count_row(ap);                                                                \
		va_end(ap);                                                                        \
		char *argv[n_ + 1];                                                                \
		char *const *envp;                                                                 \
		va_start(ap, arg);                                                                 \
		argv[0] = (char *)arg;                                                             \
		for (size_t i_ = 1; i_ <= n_; i_++)                                                \
			argv[i_] = va_arg(ap, char *);                                             \
		envp = envp_expr;                                                                  \
		va_end(ap);                                                                        \
		return call;                                                                       \
	} while (0)

EXPORT int execl(const char *path, const char *arg, ...)
{
	va_list ap;

	WITH_ROW(arg, ap, environ, execve(path, argv, envp));
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	va_list ap;

	WITH_ROW(arg, ap, environ, execvpe(file, argv, envp));
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	va_list ap;

	WITH_ROW(arg, ap, va_arg(ap, char *const *), execve(path, argv, envp));
}
