/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/status.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "doors/preload/sys.h"
#include "doors/shared/client.h"
#include "doors/shared/serve.h"

#define STATUS_ROOM 8192

static bool starts(const char *s, const char *with, const char **rest)
{
	const size_t n = strlen(with);

	*rest = s + n;
	return !strncmp(s, with, n);
}

bool status_pid(const char *name, int *pid)
{
	const char *rest;
	char *end;

	if (!name || !starts(name, "/proc/", &name))
		return false;
	*pid = sys_getpid();
	if (starts(name, "self/", &rest) || starts(name, "thread-self/", &rest))
		return !strcmp(rest, "status");
	*pid = (int)strtol(name, &end, 10);
	return end != name && !strcmp(end, "/status");
}

/* The line that begins with @key at @line, a number of KiB, with @pages more. The bytes written. */
static size_t write_line(char *out, size_t room, const char *key, const char *line, uint64_t pages)
{
	const uint64_t kib = strtoull(line + strlen(key), NULL, 10) + (pages << PAGE_SHIFT >> 10);
	const int n = snprintf(out, room, "%s\t%8llu kB\n", key, (unsigned long long)kib);

	return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* @text with the two lines changed, in @out. Its length, or 0. */
static size_t rewrite(const char *text, const struct status_pins *pins, char *out, size_t room)
{
	size_t n = 0;

	while (*text) {
		const char *end = strchr(text, '\n'), *rest;
		const size_t len = end ? (size_t)(end - text) + 1 : strlen(text);
		size_t written = 0;

		if (starts(text, "VmLck:", &rest)) {
			written = write_line(out + n, room - n, "VmLck:", text, pins->locked);
		} else if (starts(text, "VmPin:", &rest)) {
			written = write_line(out + n, room - n, "VmPin:", text, pins->pinned);
		} else if (len < room - n) {
			memcpy(out + n, text, len);
			written = len;
		}
		if (!written)
			return 0;
		n += written;
		text += len;
	}
	return n;
}

static long read_all(int fd, char *buf, size_t room)
{
	size_t n = 0;
	long rc;

	while ((rc = sys3(SYS_read, fd, (long)(buf + n), (long)(room - n - 1))) > 0)
		n += (size_t)rc;
	buf[n] = '\0';
	return rc < 0 ? rc : (long)n;
}

/* Something that reads as @text. */
static int make_file(const char *text, size_t len, int flags)
{
	const int fd =
		(int)sys3(SYS_memfd_create, (long)"status", flags & O_CLOEXEC ? MFD_CLOEXEC : 0, 0);

	if (fd < 0)
		return fd;
	if (sys3(SYS_write, fd, (long)text, (long)len) != (long)len ||
	    sys3(SYS_lseek, fd, 0, SEEK_SET)) {
		sys_close(fd);
		return -1;
	}
	return fd;
}

int status_show(int fd, int pid, int flags)
{
	char text[STATUS_ROOM], shown[STATUS_ROOM];
	struct status_pins pins = {0};
	size_t len = 0;
	int made = -1;

	peer_pins(pid, &pins);
	client_pins(pid, &pins);
	if (!pins.pinned && !pins.locked)
		return fd;
	if (read_all(fd, text, sizeof(text)) > 0)
		len = rewrite(text, &pins, shown, sizeof(shown));
	if (len)
		made = make_file(shown, len, flags);
	if (made < 0) {
		sys3(SYS_lseek, fd, 0, SEEK_SET);
		return fd;
	}
	sys_close(fd);
	return made;
}
