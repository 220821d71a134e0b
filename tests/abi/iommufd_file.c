/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The iommufd as a file: how it may be opened, what is not offered on it, what two descriptors
 * share, mmap of it where no region was handed out (sections 1.1, 2.6, 6.3).
 */
#include "abi_iommufd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

static void opening(void)
{
	static const struct {
		const char *name;
		int flags;
	} modes[] = {
		{ "read-only", O_RDONLY },
		{ "write-only", O_WRONLY },
		{ "read-write", O_RDWR },
		{ "non-blocking", O_RDWR | O_NONBLOCK },
	};
	uint64_t iova = 0x100000;
	uint32_t ioas;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!abi_row("1.1", "opened %s every ioctl works", modes[i].name))
			continue;
		fd = open("/dev/iommu", modes[i].flags | O_CLOEXEC);
		if (!abi_true(fd >= 0, "open: %s", strerror(errno)))
			continue;
		ioas = ioas_alloc_ok(fd);
		abi_equal(ioas, 1);
		abi_errno(ioas_map(fd, ioas, FIXED_RW, world_memory(), 4096, &iova), 0);
		abi_equal(ioas_empty(fd, ioas), 4096);
		close(fd);
	}
}

static void not_offered(void)
{
	struct pollfd pollfd;
	char byte = 0;
	int fd = iommufd_open();

	if (abi_row("1.1", "read and write are not offered")) {
		abi_errno(read(fd, &byte, 1) < 0 ? errno : 0, EINVAL);
		abi_errno(write(fd, &byte, 1) < 0 ? errno : 0, EINVAL);
		abi_errno(pread(fd, &byte, 1, 0) < 0 ? errno : 0, EINVAL);
		abi_errno(pwrite(fd, &byte, 1, 0) < 0 ? errno : 0, EINVAL);
	}
	if (abi_row("1.1", "lseek is refused"))
		abi_errno(lseek(fd, 0, SEEK_SET) < 0 ? errno : 0, ESPIPE);
	if (abi_row("1.1", "poll says always ready")) {
		pollfd = (struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT };
		abi_equal((uint64_t)poll(&pollfd, 1, 0), 1);
		abi_equal((uint64_t)pollfd.revents, POLLIN | POLLOUT);
	}
	close(fd);
}

/* Sends a descriptor to this very process. */
static int pass(int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int pair[2], got = -1;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || sendmsg(pair[0], &msg, 0) != 1 ||
	    recvmsg(pair[1], &msg, 0) != 1)
		abi_broken("SCM_RIGHTS: %s", strerror(errno));
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg)
		memcpy(&got, CMSG_DATA(cmsg), sizeof(int));
	close(pair[0]);
	close(pair[1]);
	return got;
}

static void sharing(void)
{
	uint32_t ioas;
	int fd, other;

	if (abi_row("1.1", "two opens share nothing")) {
		fd = iommufd_open();
		other = iommufd_open();
		abi_equal(ioas_alloc_ok(fd), 1);
		abi_errno(object_destroy(other, 1), ENOENT);
		abi_equal(ioas_alloc_ok(other), 1);
		close(fd);
		abi_errno(object_destroy(other, 1), 0);
		close(other);
	}
	if (abi_row("1.1 2.6", "dup shares the context, which lives until the last close")) {
		fd = iommufd_open();
		ioas = ioas_alloc_ok(fd);
		other = dup(fd);
		close(fd);
		ioas_map_ok(other, ioas, FIXED_RW, world_memory(), 4096, 0x100000);
		abi_equal(ioas_empty(other, ioas), 4096);
		abi_errno(object_destroy(other, ioas), 0);
		close(other);
	}
	if (abi_row("1.1", "SCM_RIGHTS shares the context")) {
		fd = iommufd_open();
		ioas = ioas_alloc_ok(fd);
		other = pass(fd);
		if (abi_true(other >= 0, "nothing was passed")) {
			close(fd);
			abi_errno(object_destroy(other, ioas), 0);
			fd = other;
		}
		close(fd);
	}
}

/* close() of the iommufd with a device still bound leaves the context to the device. */
static void close_order(void)
{
	struct bound bound;
	uint32_t ioas, pt;

	if (!abi_row("2.6", "the iommufd is closed before the device") || !bound_open(&bound))
		return;
	ioas = ioas_alloc_ok(bound.fd);
	ioas_map_ok(bound.fd, ioas, FIXED_RW, world_memory(), 4096, 0x100000);
	pt = ioas;
	abi_errno(cdev_attach(bound.dev_fd, &pt), 0);
	close(bound.fd);
	bound.fd = -1;
	abi_errno(cdev_detach(bound.dev_fd), 0);
	pt = ioas;
	abi_errno(cdev_attach(bound.dev_fd, &pt), 0);
	bound_close(&bound);

	/* All of it is gone: the device can be had again. */
	if (bound_open(&bound)) {
		abi_equal(bound.dev, 1);
		bound_close(&bound);
	}
}

static int try_mmap(int fd, size_t len, int prot, int flags, off_t offset)
{
	void *at = mmap(NULL, len, prot, flags, fd, offset);
	int err = at == MAP_FAILED ? errno : 0;

	if (!err)
		munmap(at, len);
	return err;
}

static void mapping(void)
{
	int fd = world_setup();

	if (abi_row("6.3", "mmap that is not shared"))
		abi_errno(try_mmap(fd, abi_page, PROT_READ, MAP_PRIVATE, 0), EINVAL);
	if (abi_row("6.3", "mmap to execute"))
		abi_errno(try_mmap(fd, abi_page, PROT_READ | PROT_EXEC, MAP_SHARED, 0), EPERM);
	if (abi_row("6.3", "mmap of what nobody handed out")) {
		abi_errno(try_mmap(fd, abi_page, PROT_READ | PROT_WRITE, MAP_SHARED, 0), ENXIO);
		abi_errno(try_mmap(fd, 1, PROT_READ, MAP_SHARED, 0), ENXIO);
		abi_errno(try_mmap(fd, abi_page, PROT_READ, MAP_SHARED, 1 << 20), ENXIO);
	}
	if (abi_row("6.3", "mmap, not shared before to execute"))
		abi_errno(try_mmap(fd, abi_page, PROT_EXEC, MAP_PRIVATE, 0), EINVAL);
	if (abi_row("6.3", "mmap, to execute before nobody handed it out"))
		abi_errno(try_mmap(fd, abi_page, PROT_EXEC, MAP_SHARED, 1 << 20), EPERM);
	if (abi_row("6.3", "a refused mmap changes nothing")) {
		abi_errno(try_mmap(fd, abi_page, PROT_READ, MAP_SHARED, 0), ENXIO);
		world_audit(fd);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(opening), ABI_PART(not_offered), ABI_PART(sharing), ABI_PART(close_order),
		ABI_PART(mapping),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
