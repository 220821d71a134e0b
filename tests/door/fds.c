/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our files are files: every way to get, duplicate, pass and close an fd.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "door_test.h"

static int open_iommu(void)
{
	const int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	NEED(fd >= 0);
	return fd;
}

/* As a libc function does it that nobody interposes. */
static long raw(long n, long a, long b, long c)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(n), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return rc;
}

static bool same_device(int a, int b)
{
	/* An id made through one is there through the other. */
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_destroy destroy = {.size = sizeof(destroy)};

	if (ioctl(a, IOMMU_IOAS_ALLOC, &alloc))
		return false;
	destroy.id = alloc.out_ioas_id;
	return !ioctl(b, IOMMU_DESTROY, &destroy);
}

static void test_open(void)
{
	static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR};

	for (int i = 0; i < 3; i++) {
		const int fd = open("/dev/iommu", modes[i] | O_NONBLOCK);

		CHECK(fd >= 0);
		CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == modes[i]);
		CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
		CHECK(fcntl(fd, F_GETFD) == 0);
		CHECK(is_live_iommufd(fd));
		CHECK(!close(fd));
	}
	FAILS(open("/dev/iommu", O_RDWR | O_DIRECTORY), ENOTDIR);
	FAILS(open("/dev/iommu", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	FAILS(open("/dev/vfio/4711", O_RDWR), ENOENT);
	FAILS(open("/dev/vfio/devices/vfio4711", O_RDWR), ENOENT);
	FAILS(open("/dev/vfio/vfio/x", O_RDWR), ENOTDIR);
	FAILS(close(4711), EBADF);
}

static void test_file_calls(void)
{
	const int fd = open_iommu();
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	struct epoll_event ev = {.events = EPOLLIN};
	struct iovec iov = {&ev, 1};
	struct stat st;
	int epoll = epoll_create1(0);
	char c;

	FAILS(read(fd, &c, 1), EINVAL);
	FAILS(write(fd, &c, 1), EINVAL);
	FAILS(pread(fd, &c, 1, 0), EINVAL);
	FAILS(pwrite(fd, &c, 1, 0), EINVAL);
	FAILS(readv(fd, &iov, 1), EINVAL);
	FAILS(preadv2(fd, &iov, 1, 0, RWF_NOWAIT), EOPNOTSUPP);
	FAILS(lseek(fd, 0, SEEK_CUR), ESPIPE);
	CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
	FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev), EPERM);
	FAILS(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), ENXIO);
	FAILS(ioctl(fd, TIOCGWINSZ, &st), ENOTTY);
	CHECK(!isatty(fd));
	CHECK(!fstat(fd, &st) && S_ISCHR(st.st_mode) && major(st.st_rdev) == 10);
	close(epoll);
	CHECK(!close(fd));
	FAILS(ioctl(fd, IOMMU_DESTROY, NULL), EBADF);
	FAILS(close(fd), EBADF);
}

static void test_dup(void)
{
	const int a = open_iommu(), b = dup(a), c = fcntl(a, F_DUPFD_CLOEXEC, 100),
		  d = dup2(a, 200);

	CHECK(b >= 0 && same_device(a, b));
	CHECK(c >= 100 && same_device(a, c) && fcntl(c, F_GETFD) == FD_CLOEXEC);
	CHECK(d == 200 && same_device(b, d) && fcntl(d, F_GETFD) == 0);
	CHECK(dup2(a, a) == a && is_live_iommufd(a));
	CHECK(!close(a));
	CHECK(is_live_iommufd(b) && is_live_iommufd(c) && is_live_iommufd(d));
	CHECK(syscall(SYS_dup, b) == a && is_live_iommufd(a));
	CHECK(!close(a) && !close(b) && !close(c) && !close(d));
}

/* Two opens share nothing; dup2() onto one of them closes it. */
static void test_dup_over(void)
{
	const int a = open_iommu(), b = open_iommu(), null = open("/dev/null", O_RDWR);
	char c;

	CHECK(!same_device(a, b));
	CHECK(dup2(a, b) == b && same_device(a, b));
	CHECK(dup3(null, a, O_CLOEXEC) == a);
	CHECK(write(a, "x", 1) == 1 && read(a, &c, 1) == 0);
	FAILS(ioctl(a, IOMMU_DESTROY, &c), ENOTTY);
	CHECK(is_live_iommufd(b));
	CHECK(!close(a) && !close(b) && !close(null));
}

/* libc closes fds where nobody sees it: what then comes by that number is not ours. */
static void test_stale(void)
{
	int fd = open_iommu(), p[2];
	char c = 'x';

	CHECK(!raw(SYS_close, fd, 0, 0));
	NEED(!pipe(p));
	CHECK(p[0] == fd || p[1] == fd);
	CHECK(write(p[1], &c, 1) == 1 && read(p[0], &c, 1) == 1 && c == 'x');
	CHECK(!close(p[0]) && !close(p[1]));
	fd = open_iommu();
	CHECK(is_live_iommufd(fd));
	CHECK(!close(fd));
}

/* A duplicate that came about behind our back is found by its inode. */
static void test_raw_dup(void)
{
	const int a = open_iommu(), b = (int)raw(SYS_dup, a, 0, 0);

	CHECK(b >= 0 && same_device(b, a));
	CHECK(!close(a) && is_live_iommufd(b));
	CHECK(!close(b));
}

static void test_close_range(void)
{
	struct scratch s;
	int fds[3];

	scratch_open(&s);
	for (int i = 0; i < 3; i++)
		fds[i] = fcntl(s.iommufd, F_DUPFD, 300);
	CHECK(!close_range(300, 301, 0));
	FAILS(fcntl(fds[0], F_GETFD), EBADF);
	FAILS(fcntl(fds[1], F_GETFD), EBADF);
	CHECK(is_live_iommufd(fds[2]));
	CHECK(!close_range(302, 302, CLOSE_RANGE_CLOEXEC));
	CHECK(is_live_iommufd(fds[2]) && fcntl(fds[2], F_GETFD) == FD_CLOEXEC);
	/* The door's own fds survive a program that closes everything; so does the mapping. */
	volatile uint8_t *bar = bar_map(&s, PROT_READ | PROT_WRITE);
	CHECK(!close_range(3, ~0u, 0));
	*reg32(bar, 0x10) = 0x1234;
	CHECK(last_write(bar).value == 0x1234);
	CHECK(!munmap((void *)bar, BAR0_SIZE));
	scratch_open(&s);
	closefrom(3);
	scratch_open(&s);
	scratch_close(&s);
}

static void send_fd(int sock, int fd)
{
	char buf[CMSG_SPACE(sizeof(int))] = "", c = 'x';
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = buf,
			   .msg_controllen = sizeof(buf)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	NEED(sendmsg(sock, &m, 0) == 1);
}

static int receive_fd(int sock)
{
	char buf[CMSG_SPACE(sizeof(int))], c;
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = buf,
			   .msg_controllen = sizeof(buf)};
	int fd = -1;

	NEED(recvmsg(sock, &m, MSG_CMSG_CLOEXEC) == 1);
	if (CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

/* Through a socket and back, also when the sender closes its own meanwhile. */
static void test_scm_rights(void)
{
	int sock[2], a = open_iommu(), b;

	NEED(!socketpair(AF_UNIX, SOCK_DGRAM, 0, sock));
	send_fd(sock[0], a);
	b = receive_fd(sock[1]);
	CHECK(b >= 0 && b != a && same_device(a, b));
	CHECK(!close(a));
	send_fd(sock[0], b);
	CHECK(!close(b));
	b = receive_fd(sock[1]);
	CHECK(is_live_iommufd(b));
	CHECK(!close(b) && !close(sock[0]) && !close(sock[1]));
}

/* A device is free again when the last of its fds is closed, in whatever order. */
static void test_last_close(void)
{
	struct scratch s;
	int again;

	scratch_open(&s);
	again = dup(s.device);
	CHECK(!close(s.device));
	CHECK(!close(s.iommufd));
	CHECK(!close(again));
	scratch_open(&s);
	scratch_close(&s);
}

int main(void)
{
	test_open();
	test_file_calls();
	test_dup();
	test_dup_over();
	test_stale();
	test_raw_dup();
	test_scm_rights();
	test_last_close();
	test_close_range();
	return finish();
}
