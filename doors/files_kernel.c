/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/files_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "doors/preload/sys.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

/* The status flags that open() was given. */
static void set_status(int fd, int flags)
{
	if (flags & (O_NONBLOCK | O_APPEND))
		sys_fcntl(fd, F_SETFL, (flags & (O_NONBLOCK | O_APPEND)) | O_LARGEFILE);
}

/* ---- sockets ---- */

#define LABEL_HEAD "ioas "

/* The length of the address. */
static int print_label(const struct label *l, struct sockaddr_un *a)
{
	const unsigned int bits = l->stream | l->watched << 1u | l->mute << 2u;
	int n;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1,
		     LABEL_HEAD "%" PRIx64 " %" PRIx64 " %x %x %x %x %x %.47s", l->server, l->id,
		     l->node.kind, l->node.number, l->abi_kind, bits, l->mode, l->name);
	if (n >= (int)sizeof(a->sun_path) - 1)
		n = (int)sizeof(a->sun_path) - 2;
	return (int)offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

/* A number of @text, and where it goes on; -1 when there is none. */
static const char *number(const char *text, uint64_t *out)
{
	const char *at = text;

	for (*out = 0; at; at++) {
		unsigned int digit = *at >= '0' && *at <= '9'	? (unsigned int)(*at - '0')
				     : *at >= 'a' && *at <= 'f' ? (unsigned int)(*at - 'a') + 10
								: 16;

		if (digit == 16)
			break;
		*out = *out << 4 | digit;
	}
	return at && at > text && *at == ' ' ? at + 1 : NULL;
}

static bool parse_label(const char *text, struct label *l)
{
	uint64_t v[7];

	for (size_t i = 0; i < 7; i++)
		text = number(text, &v[i]);
	if (!text)
		return false;
	*l = (struct label){
		.server = v[0],
		.id = v[1],
		.node = {(enum node_kind)v[2], (unsigned int)v[3]},
		.abi_kind = (uint8_t)v[4],
		.stream = v[5] & 1,
		.watched = v[5] & 2,
		.mute = v[5] & 4,
		.mode = (int)v[6],
	};
	strncpy(l->name, text, sizeof(l->name) - 1);
	return true;
}

bool kernel_read_label(int fd, const struct stat *st, struct label *out)
{
	/* With room for the end of the name. */
	union {
		struct sockaddr_un a;
		char bytes[sizeof(struct sockaddr_un) + 1];
	} u = {0};
	uint32_t len = sizeof(u.a);

	return S_ISSOCK(st->st_mode) && !sys3(SYS_getsockname, fd, (long)&u.a, (long)&len) &&
	       u.a.sun_family == AF_UNIX && !u.a.sun_path[0] &&
	       !strncmp(u.a.sun_path + 1, LABEL_HEAD, sizeof(LABEL_HEAD) - 1) &&
	       parse_label(u.a.sun_path + sizeof(LABEL_HEAD), out);
}

/* Nobody reads what is in it. */
static void fill_up(int fd)
{
	static const char nothing[4096];
	const int least = 1;

	sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, (long)&least, sizeof(least), 0);
	while (sys6(SYS_sendto, fd, (long)nothing, sizeof(nothing), MSG_DONTWAIT, 0, 0) > 0)
		;
}

/* A sandbox may not let it have an address: then it is known in this process only. */
static void set_up(int fd, int wake, const struct label *l)
{
	const int on = 1;
	struct sockaddr_un a;
	int len = print_label(l, &a);

	sys3(SYS_bind, fd, (long)&a, len);
	sys6(SYS_setsockopt, wake, SOL_SOCKET, SO_PASSCRED, (long)&on, sizeof(on), 0);
	if (l->mute)
		fill_up(fd);
	/* Who reads finds the end of a file, and need never wait for it. */
	if (!l->watched)
		sys3(SYS_shutdown, wake, SHUT_WR, 0);
}

int kernel_make_socket(const struct label *l, int flags, int *wake)
{
	int fds[2] = {-1, -1}, rc;

	rc = (int)sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (long)fds);
	if (rc)
		return rc;
	set_up(fds[0], fds[1], l);
	set_status(fds[0], flags);
	if (!(flags & O_CLOEXEC))
		sys_fcntl(fds[0], F_SETFD, 0);
	*wake = fds[1];
	return fds[0];
}

bool kernel_hung_up(int wake)
{
	struct pollfd p = {.fd = wake};

	return sys3(SYS_poll, (long)&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

uint64_t kernel_random(void)
{
	uint64_t n = 0;

	while (sys3(SYS_getrandom, (long)&n, sizeof(n), 0) == -EINTR)
		;
	return n ? n : __builtin_ia32_rdtsc();
}

uint64_t kernel_random_once(uint64_t *where)
{
	uint64_t is = __atomic_load_n(where, __ATOMIC_RELAXED), new;

	if (is)
		return is;
	new = kernel_random();
	return __atomic_compare_exchange_n(where, &is, new, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED)
		       ? new
		       : is;
}

/* ---- memfds ---- */

/* The access mode that open() was given. */
static void set_mode(int fd, int flags)
{
	char path[32];
	int again;

	if ((flags & O_ACCMODE) != O_RDWR) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = sys_openat(AT_FDCWD, path, (flags & O_ACCMODE) | O_CLOEXEC | O_LARGEFILE,
				   0);
		if (again >= 0) {
			/* The number stays the lowest that was free. */
			sys3(SYS_dup3, again, fd, flags & O_CLOEXEC);
			sys_close(again);
		}
	}
	set_status(fd, flags);
}

int kernel_make_memfd(const char *name, int flags, bool seal)
{
	const unsigned int mfd = MFD_ALLOW_SEALING | (flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	int fd = (int)sys3(SYS_memfd_create, (long)name, mfd | MFD_NOEXEC_SEAL, 0);

	if (fd == -EINVAL)
		fd = (int)sys3(SYS_memfd_create, (long)name, mfd, 0);
	if (fd < 0)
		return fd;
	if (seal)
		sys_fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	set_mode(fd, flags);
	return fd;
}

const char *kernel_memfd_name(int fd, char *buf, size_t len)
{
	static const char head[] = "/memfd:", tail[] = " (deleted)";
	char path[32];
	long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = sys_readlink(path, buf, len - 1);
	if (n < (long)(sizeof(head) + sizeof(tail)) || memcmp(buf, head, sizeof(head) - 1))
		return NULL;
	buf[n - (long)sizeof(tail) + 1] = '\0';
	return buf + sizeof(head) - 1;
}
