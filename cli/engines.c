/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/engines.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"

#define PATIENCE_S 10 /* with an engine that does not answer */

/* ---- where they are ---- */

struct places {
	struct engine_place *all;
	size_t n;
};

static bool is_pid(const char *name, pid_t *pid)
{
	char *end;
	long n = strtol(name, &end, 10);

	*pid = (pid_t)n;
	return *name >= '1' && *name <= '9' && !*end && n == *pid;
}

/* A connection; -1 with errno. */
static int connect_to(const char *path)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) &&
	    !connect(fd, (const struct sockaddr *)&a, sizeof(a)))
		return fd;
	if (fd >= 0) {
		const int err = errno;

		close(fd);
		errno = err;
	}
	return -1;
}

/* Is somebody there? Nobody is when the process ended without a chance to clean up. */
static bool listens(const char *path)
{
	const int fd = connect_to(path);

	if (fd < 0) {
		if (errno == ECONNREFUSED)
			unlink(path);
		return false;
	}
	close(fd);
	return true;
}

bool engines_stopped(pid_t pid)
{
	char path[32], text[512] = "";
	const char *behind;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	behind = strrchr(text, ')');
	return behind && (!strncmp(behind, ") T", 3) || !strncmp(behind, ") t", 3));
}

static void add(struct places *p, const char *folder, const char *name)
{
	struct engine_place here, *grown;

	/* One that began and did not get far: its process is gone. */
	if (*name == '.' && is_pid(name + 1, &here.pid) && kill(here.pid, 0) && errno == ESRCH &&
	    (size_t)snprintf(here.path, sizeof(here.path), "%s/%s", folder, name) <
		    sizeof(here.path))
		unlink(here.path);
	if (!is_pid(name, &here.pid) ||
	    (size_t)snprintf(here.path, sizeof(here.path), "%s/%s", folder, name) >=
		    sizeof(here.path) ||
	    (!engines_stopped(here.pid) && !listens(here.path)))
		return;
	grown = realloc(p->all, (p->n + 1) * sizeof(*grown));
	if (!grown)
		return;
	p->all = grown;
	p->all[p->n++] = here;
}

static void look_in(struct places *p, const char *folder)
{
	DIR *d = opendir(folder);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		add(p, folder, e->d_name);
	if (d)
		closedir(d);
}

/* Root looks at everybody's. */
static void look_everywhere(struct places *p)
{
	glob_t found = {0};
	struct stat st;

	if (!glob("/run/user/*/ioas", 0, NULL, &found))
		glob("/tmp/ioas-[0-9]*", GLOB_APPEND, NULL, &found);
	else
		glob("/tmp/ioas-[0-9]*", 0, NULL, &found);
	for (size_t n = 0; n < found.gl_pathc; n++)
		if (!lstat(found.gl_pathv[n], &st) &&
		    look_dir_is_safe(found.gl_pathv[n], st.st_uid))
			look_in(p, found.gl_pathv[n]);
	globfree(&found);
}

static int by_pid(const void *a, const void *b)
{
	const struct engine_place *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

size_t engines_list(struct engine_place **out)
{
	char folder[LOOK_DIR_MAX];
	struct places p = {0};
	size_t kept = 0;

	if (look_dir_runtime(folder) && look_dir_is_safe(folder, geteuid()))
		look_in(&p, folder);
	look_dir_fallback(geteuid(), folder);
	if (geteuid() == 0)
		look_everywhere(&p);
	else if (look_dir_is_safe(folder, geteuid()))
		look_in(&p, folder);
	if (p.n)
		qsort(p.all, p.n, sizeof(*p.all), by_pid);
	for (size_t n = 0; n < p.n; n++)
		if (!kept || p.all[n].pid != p.all[kept - 1].pid)
			p.all[kept++] = p.all[n];
	*out = p.all;
	return kept;
}

/* ---- asking ---- */

int engines_connect(const struct engine_place *place)
{
	return engines_stopped(place->pid) ? -1 : connect_to(place->path);
}

static bool send_all(int fd, const char *text)
{
	size_t len = strlen(text);

	return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len &&
	       send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

static int say_none(pid_t pid)
{
	if (kill(pid, 0) && errno == ESRCH)
		fprintf(stderr, "ioas: there is no process %d\n", pid);
	else if (errno == EPERM)
		fprintf(stderr, "ioas: process %d is another user's\n", pid);
	else
		fprintf(stderr,
			"ioas: process %d has no IOMMU of `ioas run`: it opened none, or --no-inspect was given\n",
			pid);
	return EXIT_FAILED;
}

static int say_stopped(pid_t pid)
{
	fprintf(stderr, "ioas: process %d is stopped, by a signal or a debugger, and cannot answer\n",
		pid);
	return EXIT_FAILED;
}

static int say_which(const struct engine_place *all, size_t n)
{
	fprintf(stderr, "ioas: which process?");
	for (size_t k = 0; k < n; k++)
		fprintf(stderr, " %d", all[k].pid);
	fputs("\n", stderr);
	return EXIT_USAGE;
}

/* A connection to @pid; -1 after a message. */
static int find(pid_t pid, int *status)
{
	const struct engine_place *which = NULL;
	struct engine_place *all;
	const size_t n = engines_list(&all);
	int fd = -1;

	errno = 0;
	for (size_t k = 0; k < n; k++)
		if (all[k].pid == pid || (!pid && n == 1))
			which = &all[k];
	if (which)
		fd = engines_connect(which);
	if (!which && !pid && !n) {
		fputs("ioas: no program is running under `ioas run` with an IOMMU open\n", stderr);
		*status = EXIT_FAILED;
	} else if (!which && !pid) {
		*status = say_which(all, n);
	} else if (fd < 0 && which && engines_stopped(which->pid)) {
		*status = say_stopped(which->pid);
	} else if (fd < 0) {
		*status = say_none(pid ? pid : which->pid);
	}
	free(all);
	return fd;
}

FILE *engines_ask(pid_t pid, const char *request, int *status)
{
	const int fd = find(pid, status);
	FILE *f;

	if (fd < 0)
		return NULL;
	f = send_all(fd, request) ? fdopen(fd, "r") : NULL;
	if (!f) {
		fprintf(stderr, "ioas: the process does not answer\n");
		*status = EXIT_FAILED;
		close(fd);
	}
	return f;
}

static json_t *read_answer(FILE *f)
{
	char *line = NULL;
	size_t room = 0;
	json_t *answer = NULL;
	ssize_t n = getline(&line, &room, f);

	if (n > 0 && line[n - 1] == '\n')
		answer = json_loadb(line, (size_t)n, 0, NULL);
	free(line);
	return answer;
}

static json_t *check(json_t *answer, int *status)
{
	const char *error = answer ? answer_string(answer, "error", NULL) : NULL;

	if (answer && !error)
		return answer;
	fprintf(stderr, "ioas: %s\n",
		error ? error : "the process ended, or takes too long to answer");
	*status = EXIT_FAILED;
	json_decref(answer);
	return NULL;
}

json_t *engines_answer(pid_t pid, const char *request, int *status)
{
	FILE *f = engines_ask(pid, request, status);
	json_t *answer;

	if (!f)
		return NULL;
	answer = check(read_answer(f), status);
	fclose(f);
	return answer;
}

json_t *engines_exchange(int fd, const char *request)
{
	json_t *answer = NULL;
	FILE *f;
	int copy;

	if (!send_all(fd, request))
		return NULL;
	copy = dup(fd);
	f = copy < 0 ? NULL : fdopen(copy, "r");
	if (f) {
		answer = read_answer(f);
		fclose(f);
	}
	return answer;
}

int engines_print(pid_t pid, const char *request)
{
	static const char error[] = "{\"error\"";
	char head[sizeof(error)] = "";
	int status = 0, c = 0;
	size_t n = 0;
	FILE *f = engines_ask(pid, request, &status);

	if (!f)
		return status;
	while (n < sizeof(head) - 1 && (c = getc(f)) != EOF)
		head[n++] = (char)c;
	fwrite(head, 1, n, stdout);
	while (c != EOF && c != '\n' && (c = getc(f)) != EOF)
		putchar(c);
	fclose(f);
	if (c != '\n') {
		fputs("ioas: the process ended, or takes too long to answer\n", stderr);
		return EXIT_FAILED;
	}
	return strcmp(head, error) ? 0 : EXIT_FAILED;
}

bool engines_parse_pid(const char *command, const char *text, pid_t *pid)
{
	if (is_pid(text, pid))
		return true;
	fprintf(stderr, "ioas %s: '%s' is no process ID\n", command, text);
	return false;
}

error_t engines_parse_wish(int key, char *arg, struct argp_state *state)
{
	struct engines_wish *w = state->input;

	switch (key) {
	case 'j':
		w->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "one process at a time; '%s' is another one", arg);
		else if (!engines_parse_pid(w->command, arg, &w->pid))
			exit(EXIT_USAGE);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- words ---- */

const char *answer_string(const json_t *o, const char *key, const char *none)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : none;
}

unsigned long long answer_number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 0);
	return (unsigned long long)json_integer_value(v);
}

/* Three digits are enough. */
static const char *scaled(double n, double step, const char *const *units, char out[WORDS_MAX])
{
	while (n >= step && units[1]) {
		n /= step;
		units++;
	}
	if (n >= 100 || n == (double)(unsigned long long)n)
		snprintf(out, WORDS_MAX, "%.0f%s", n, *units);
	else
		snprintf(out, WORDS_MAX, "%.1f%s", n, *units);
	return out;
}

const char *words_bytes(unsigned long long bytes, char out[WORDS_MAX])
{
	static const char *const units[] = {" B",   " KiB", " MiB", " GiB",
					    " TiB", " PiB", " EiB", NULL};

	return scaled((double)bytes, 1024, units, out);
}

const char *words_count(double n, char out[WORDS_MAX])
{
	static const char *const units[] = {"", "k", "M", "G", "T", NULL};

	return scaled(n, 1000, units, out);
}

const char *words_age(unsigned long long ns, char out[WORDS_MAX])
{
	static const char *const small[] = {" ns", " us", " ms", " s", NULL};
	const double s = (double)ns / 1e9;

	if (s < 120)
		return scaled((double)ns, 1000, small, out);
	if (s < 2 * 3600)
		snprintf(out, WORDS_MAX, "%.0f min", s / 60);
	else if (s < 2 * 86400)
		snprintf(out, WORDS_MAX, "%.0f h", s / 3600);
	else
		snprintf(out, WORDS_MAX, "%.0f d", s / 86400);
	return out;
}
