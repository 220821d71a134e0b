/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"
#include "observe/record.h"

/* Who writes the file maps it as well, and must not find it shorter one day. */
static int make_ring(struct ring *out)
{
	int fd = (int)sys3(SYS_memfd_create, (long)"ioas-record", MFD_CLOEXEC | MFD_ALLOW_SEALING,
			   0);
	long rc = fd;

	if (fd >= 0)
		rc = sys3(SYS_ftruncate, fd, RING_FILE_SIZE, 0);
	if (!rc)
		rc = sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (!rc)
		rc = ring_map(fd, out);
	if (!rc)
		return fd;
	if (fd >= 0)
		sys_close(fd);
	return (int)rc;
}

static int send_ring(int sock, int fd)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {
			     .cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS,
		     }};
	const struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	long rc;

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	rc = sys3(SYS_sendmsg, sock, (long)&msg, MSG_NOSIGNAL);
	return rc < 0 ? (int)rc : 0;
}

static int hand_over(int fd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int sock = (int)sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int rc = sock;

	if (sock < 0)
		return rc;
	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/" RUN_RECORD, door.run_dir) >=
	    sizeof(a.sun_path))
		rc = -ENAMETOOLONG;
	else
		rc = (int)sys3(SYS_connect, sock, (long)&a, sizeof(a));
	if (!rc)
		rc = send_ring(sock, fd);
	sys_close(sock);
	return rc;
}

void door_record_begin(struct machine_config *cfg, struct recorder **out)
{
	struct recorder_config rcfg = {
		.start = door.run.record,
		.memory_ops = cfg->memory_ops,
		.memory_arg = cfg->memory_arg,
		.memlock = door_memlock,
	};
	int fd, rc;

	*out = NULL;
	if (!door.run.record)
		return;
	fd = rc = make_ring(&rcfg.ring);
	if (fd >= 0) {
		rc = recorder_create(&rcfg, out);
		if (rc)
			ring_unmap(&rcfg.ring);
		else
			rc = hand_over(fd);
		sys_close(fd);
	}
	if (rc) {
		door_say("this process is not recorded: %s", strerror(-rc));
		if (*out)
			recorder_destroy(*out);
		*out = NULL;
		return;
	}
	cfg->memory_ops = &recorder_memory_ops;
	cfg->memory_arg = *out;
}

int door_record_attach(struct recorder *rec, struct machine *m)
{
	return rec ? recorder_attach(rec, m->host) : 0;
}
