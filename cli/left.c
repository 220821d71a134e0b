/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes that a program leaves behind, such as a daemon that put itself into the background: the
 * run ends with the program, and they go on without it. They are known by their environment.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/plain.h"

#define ENVIRON_MAX (256 << 10)
#define NAMED	    4 /* so many are told by name */

/* What ends with the program has this long to do it, in so many looks. */
#define LOOKS	10
#define LOOK_NS 20000000

static size_t read_file(int proc, const char *pid, const char *name, char *buf, size_t room)
{
	char path[64];
	size_t len = 0;
	ssize_t n = 1;
	int fd;

	snprintf(path, sizeof(path), "%.16s/%s", pid, name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && len < room && n > 0) {
		n = read(fd, buf + len, room - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	return len;
}

/* @word: "NAME=value", with its NUL. */
static bool is_of_run(int proc, const char *pid, const char *word, char *buf)
{
	const size_t len = read_file(proc, pid, "environ", buf, ENVIRON_MAX);
	const char *found = memmem(buf, len, word, strlen(word) + 1);

	return found && (found == buf || !found[-1]);
}

static void add_name(int proc, const char *pid, struct text *t)
{
	char name[32];
	size_t len = read_file(proc, pid, "comm", name, sizeof(name) - 1);
	char *plain;

	while (len && name[len - 1] == '\n')
		len--;
	name[len] = '\0';
	plain = plain_text(name);
	text_add(t, "%s%s %s", t->len ? ", " : "", pid, plain ? plain : "");
	free(plain);
}

/* How many there are; the names of some of them. */
static size_t look_around(const char *word, char *buf, struct text *names)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	struct stat st;
	size_t n = 0;

	names->len = 0;
	while (d && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9' &&
		    !fstatat(dirfd(d), e->d_name, &st, 0) && st.st_uid == geteuid() &&
		    is_of_run(dirfd(d), e->d_name, word, buf) && n++ < NAMED)
			add_name(dirfd(d), e->d_name, names);
	if (d)
		closedir(d);
	return n;
}

void say_left(const char *dir)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	char *word = NULL, *buf = malloc(ENVIRON_MAX), list[256] = "";
	struct text names = TEXT_IN(list);
	size_t n = 0;

	if (!buf || asprintf(&word, RUN_DIR_ENV "=%s", dir) < 0)
		goto out;
	n = look_around(word, buf, &names);
	for (int i = 1; n && i < LOOKS; i++) {
		nanosleep(&pause, NULL);
		n = look_around(word, buf, &names);
	}
	if (n)
		fprintf(stderr,
			"ioas: the run ends with its program, but %zu process%s of it go%s on: %s%s. Its reports and "
			"recordings do not have what they do, and they have no /sys of its devices: keep the program in "
			"the foreground\n",
			n, n == 1 ? "" : "es", n == 1 ? "es" : "", list, n > NAMED ? ", ..." : "");
out:
	free(word);
	free(buf);
}
