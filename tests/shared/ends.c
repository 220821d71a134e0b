/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How files of another process come, go and end: exec, SCM_RIGHTS between programs that are not
 * related, the last close wherever it is, and a serving process that is killed.
 *
 * usage: ends type1|iommufd [daemon]
 */
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "hostile.h"

#define IOVA 0x40000000ull
#define LEN  (4 * PAGE)

extern char **environ;

static const struct road_match any;

static void send_fds(int sock, const int *fds, size_t n)
{
	char buf[CMSG_SPACE(4 * sizeof(int))] = "", c = 'x';
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	NEED(sendmsg(sock, &m, 0) == 1);
}

static void receive_fds(int sock, int *fds, size_t n)
{
	char buf[CMSG_SPACE(4 * sizeof(int))], c;
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf)};

	NEED(recvmsg(sock, &m, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&m));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&m)), n * sizeof(int));
}

static int reap(pid_t pid)
{
	int status;

	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void *memory(void)
{
	void *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

/* ---- another program ---- */

static char road_name[16];

/* Runs this executable again with @sock as its fd, and the road's files by that socket. */
static pid_t start_other(const char *what, int sock)
{
	char self[] = "/proc/self/exe", fd[16];
	char *args[] = {self, road_name, (char *)what, fd, NULL};
	pid_t pid;

	snprintf(fd, sizeof(fd), "%d", dup(sock));
	NEED(!posix_spawn(&pid, self, NULL, NULL, args, environ));
	close(atoi(fd));
	return pid;
}

static void map_a_little(struct road *r)
{
	void *va = memory();

	for (int i = 0; i < 100; i++) {
		CHECK(!road_map(r, va, LEN, IOVA, true));
		CHECK(!road_unmap(r, IOVA, LEN));
	}
}

/* The program that was started: receives the files and uses them. */
static int other(const char *road, const char *what, int sock)
{
	struct road r = {.cdev = road_is_cdev(road)};
	uint32_t id;
	int fds[4];

	receive_fds(sock, fds, 3);
	r.iommu = fds[0];
	r.device = fds[1];
	r.ioas = (uint32_t)fds[2];
	NEED(read(sock, &id, sizeof(id)) == sizeof(id));
	r.ioas = id;
	map_a_little(&r);
	CHECK(!strcmp(what, "keep") || !close(fds[0]));
	CHECK(!strcmp(what, "keep") || !close(fds[1]));
	NEED(write(sock, "x", 1) == 1);
	if (!strcmp(what, "keep"))
		pause();
	return failures != 0;
}

static void send_road(const struct road *r, int sock)
{
	const int fds[] = {r->iommu, r->device, 1};

	send_fds(sock, fds, 3);
	NEED(write(sock, &r->ioas, sizeof(r->ioas)) == sizeof(r->ioas));
}

static void await(int sock)
{
	char c;

	NEED(read(sock, &c, 1) == 1);
}

static void test_sent(bool cdev)
{
	int sock[2];
	struct road r;
	pid_t pid;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	road_open(&r, cdev, NULL, &any);
	pid = start_other("use", sock[1]);
	send_road(&r, sock[0]);
	await(sock[0]);
	CHECK(reap(pid) == 0);
	map_a_little(&r);
	road_close(&r);
	close(sock[0]);
	close(sock[1]);
}

/* The last to have it open is another process: the device is free when that one is gone. */
static void test_last_close_elsewhere(bool cdev)
{
	int sock[2];
	struct road r;
	pid_t pid;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	road_open(&r, cdev, NULL, &any);
	pid = start_other("keep", sock[1]);
	send_road(&r, sock[0]);
	await(sock[0]);
	road_close(&r);
	CHECK(!kill(pid, SIGKILL));
	CHECK(WTERMSIG(reap(pid)) == SIGKILL);
	road_open(&r, cdev, NULL, &any);
	map_a_little(&r);
	road_close(&r);
	close(sock[0]);
	close(sock[1]);
}

/* The child closes what its parent closed before it. */
static void test_last_close_in_child(bool cdev)
{
	int up[2], down[2];
	struct road r;
	pid_t pid;
	char c;

	NEED(!pipe(up) && !pipe(down));
	road_open(&r, cdev, NULL, &any);
	pid = fork();
	if (!pid) {
		close(down[1]);
		CHECK(read(down[0], &c, 1) == 1);
		map_a_little(&r);
		road_close(&r);
		CHECK(write(up[1], &c, 1) == 1);
		CHECK(read(down[0], &c, 1) == 0);
		_exit(failures != 0);
	}
	road_close(&r);
	NEED(write(down[1], "x", 1) == 1);
	await(up[0]);
	/* It lives, and the device is free. */
	road_open(&r, cdev, NULL, &any);
	map_a_little(&r);
	road_close(&r);
	close(down[1]);
	CHECK(reap(pid) == 0);
	close(down[0]);
	close(up[0]);
	close(up[1]);
}

/* ---- the server dies ---- */

static bool stop;
static unsigned int errors;

static void *map_for_ever(void *arg)
{
	struct road *r = arg;
	void *va = memory();
	int err = 0;

	while (!err) {
		err = road_map(r, va, LEN, IOVA, true);
		if (!err)
			err = road_unmap(r, IOVA, LEN);
	}
	__atomic_add_fetch(&errors, err == EIO, __ATOMIC_RELAXED);
	return NULL;
}

/* It opens the engine, sends its files, and waits to be killed. */
static void serve(int sock, bool cdev)
{
	struct road r;

	road_open(&r, cdev, NULL, &any);
	send_road(&r, sock);
	for (;;)
		pause();
}

static void test_server_killed(bool cdev)
{
	struct pollfd p = {.events = POLLIN};
	struct road r = {.cdev = cdev};
	pthread_t t;
	int sock[2], fds[3];
	pid_t pid;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	if (!pid)
		serve(sock[1], cdev);
	receive_fds(sock[0], fds, 3);
	r.iommu = fds[0];
	r.device = fds[1];
	NEED(read(sock[0], &r.ioas, sizeof(r.ioas)) == sizeof(r.ioas));
	map_a_little(&r);
	NEED(!pthread_create(&t, NULL, map_for_ever, &r));
	usleep(20000);
	CHECK(!kill(pid, SIGKILL));
	CHECK(WTERMSIG(reap(pid)) == SIGKILL);
	NEED(!pthread_join(t, NULL));
	CHECK(errors == 1);
	CHECK(road_map(&r, memory(), LEN, IOVA, true) == EIO);
	p.fd = r.device;
	CHECK(poll(&p, 1, 1000) == 1 && (p.revents & POLLHUP));
	CHECK(!close(r.iommu) && !close(r.device));
	close(fds[2]);
	/* What is opened anew works. */
	road_open(&r, cdev, NULL, &any);
	map_a_little(&r);
	road_close(&r);
	close(sock[0]);
	close(sock[1]);
}

/* ---- calls that are disturbed ---- */

static struct road *disturbed;

static void on_alarm(int sig)
{
	const int saved = errno;

	if (road_unmap(disturbed, IOVA + LEN, LEN) != (disturbed->cdev ? ENOENT : 0))
		failures++;
	errno = saved;
}

/* Signals in mid-call whose handler makes calls, fd numbers that are reused at once. */
static void be_disturbed(struct road *r)
{
	struct sigaction act = {.sa_handler = on_alarm};
	const timer_t none = NULL;
	struct itimerspec every = {.it_value.tv_nsec = 200000, .it_interval.tv_nsec = 200000};
	timer_t timer = none;

	disturbed = r;
	sigaction(SIGALRM, &act, NULL);
	NEED(!timer_create(CLOCK_MONOTONIC, NULL, &timer) && !timer_settime(timer, 0, &every, NULL));
	for (int i = 0; i < 20; i++)
		map_a_little(r);
	timer_delete(timer);
	for (int i = 0; i < 200; i++) {
		const int copy = dup(r->iommu), null = open("/dev/null", O_RDWR);
		struct road again = *r;

		again.iommu = copy;
		CHECK(road_unmap(&again, IOVA, LEN) == (r->cdev ? ENOENT : 0));
		CHECK(dup2(null, copy) == copy);
		CHECK(road_unmap(&again, IOVA, LEN) == ENOTTY);
		CHECK(!close(null) && !close(copy));
		CHECK(road_unmap(&again, IOVA, LEN) == EBADF);
	}
}

/* A thread changes the struct that a call reads. */
static struct iommu_ioas_map moving;

static void *flip(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(&moving.size, 8, __ATOMIC_RELAXED);
		__atomic_store_n(&moving.length, ~0ull, __ATOMIC_RELAXED);
		__atomic_store_n(&moving.user_va, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&moving.size, (uint32_t)sizeof(moving), __ATOMIC_RELAXED);
		__atomic_store_n(&moving.length, LEN, __ATOMIC_RELAXED);
		__atomic_store_n(&moving.user_va, (uintptr_t)arg, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void be_changed(struct road *r)
{
	pthread_t t;

	if (!r->cdev)
		return;
	moving = (struct iommu_ioas_map){
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE, .ioas_id = r->ioas, .iova = IOVA};
	stop = false;
	NEED(!pthread_create(&t, NULL, flip, memory()));
	for (int i = 0; i < 3000; i++) {
		if (ioctl(r->iommu, IOMMU_IOAS_MAP, &moving))
			CHECK(errno == EINVAL || errno == EOVERFLOW || errno == EFAULT || errno == ENOSPC);
		else
			CHECK(!road_unmap(r, IOVA, LEN));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
}

static void test_disturbed(bool cdev)
{
	struct road r;
	pid_t pid;

	road_open(&r, cdev, NULL, &any);
	pid = fork();
	if (!pid) {
		be_disturbed(&r);
		be_changed(&r);
		_exit(failures != 0);
	}
	CHECK(reap(pid) == 0);
	road_close(&r);
}

/* ---- exec ---- */

static int executed(const char *road, char **fds)
{
	struct road r = {.cdev = road_is_cdev(road), .iommu = atoi(fds[0]), .ioas = (uint32_t)atoi(fds[1])};

	map_a_little(&r);
	return failures != 0;
}

static void test_exec(bool cdev)
{
	char self[] = "/proc/self/exe", what[] = "exec", iommu[16], ioas[16];
	char *args[] = {self, road_name, what, iommu, ioas, NULL};
	struct road r;
	pid_t pid;

	road_open(&r, cdev, NULL, &any);
	snprintf(iommu, sizeof(iommu), "%d", dup(r.iommu));
	snprintf(ioas, sizeof(ioas), "%u", r.ioas);
	pid = fork();
	if (!pid) {
		execv(self, args);
		_exit(1);
	}
	CHECK(reap(pid) == 0);
	pid = vfork();
	if (!pid) {
		execv(self, args);
		_exit(1);
	}
	CHECK(reap(pid) == 0);
	close(atoi(iommu));
	road_close(&r);
}

int main(int argc, char **argv)
{
	bool cdev;

	NEED(argc >= 2);
	cdev = road_is_cdev(argv[1]);
	snprintf(road_name, sizeof(road_name), "%s", argv[1]);
	if (argc == 5)
		return executed(argv[1], argv + 3);
	if (argc == 4)
		return other(argv[1], argv[2], atoi(argv[3]));
	alarm(60);
	test_exec(cdev);
	test_sent(cdev);
	test_last_close_elsewhere(cdev);
	test_last_close_in_child(cdev);
	test_disturbed(cdev);
	/* A daemon is no program's to kill. */
	if (argc == 2)
		test_server_killed(cdev);
	return failures ? 1 : 0;
}
