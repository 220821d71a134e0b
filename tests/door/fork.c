/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fork, vfork and exec: a child's inherited files work, mapped BARs too, closing them is harmless to
 * the parent, and a child that opens a node gets a machine of its own.
 */
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "door_test.h"

extern char **environ;

static int reap(pid_t pid)
{
	int status;

	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

/* Runs @fn in a child; its stderr comes back in @text. The wait status. */
static int in_child(void (*fn)(const struct scratch *), const struct scratch *s, char *text,
		    size_t room)
{
	int p[2];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	NEED(!pipe(p));
	pid = fork();
	if (!pid) {
		dup2(p[1], 2);
		failures = 0;
		fn(s);
		_exit(finish());
	}
	close(p[1]);
	while (n < room - 1 && (got = read(p[0], text + n, room - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(p[0]);
	return reap(pid);
}

static void use_inherited(const struct scratch *s)
{
	const off_t config = (off_t)bar_offset(VFIO_PCI_CONFIG_REGION_INDEX);
	volatile uint8_t *bar;
	uint16_t vendor = 0, ffff = 0xffff;
	char c;

	CHECK(is_live_iommufd(s->iommufd));
	CHECK(pread(s->device, &vendor, 2, config) == 2 && vendor && vendor != 0xffff);
	CHECK(pwrite(s->device, &ffff, 2, config) == 2); /* read-only */
	CHECK(!ioctl(s->device, VFIO_DEVICE_RESET));
	scratch_memory(s, true);
	FAILS(mmap(NULL, 4096, PROT_READ, MAP_SHARED, s->iommufd, 0), ENXIO);
	FAILS(read(s->iommufd, &c, 1), EINVAL);
	bar = bar_map(s, PROT_READ | PROT_WRITE);
	*reg32(bar, 0x20) = 0x4711;
	CHECK(last_write(bar).value == 0x4711 && *reg32(bar, 0x20) == 0x4711);
	CHECK(!munmap((void *)bar, BAR0_SIZE));
}

static void close_inherited(const struct scratch *s)
{
	CHECK(!close(s->device) && !close(s->iommufd));
}

static void close_all_inherited(const struct scratch *s)
{
	CHECK(!close_range(3, ~0u, 0));
}

/* A machine of its own: the device is free in it, though the parent has its own open. */
static void open_anew(const struct scratch *s)
{
	volatile uint8_t *bar;
	struct scratch mine;

	scratch_open(&mine);
	bar = bar_map(&mine, PROT_READ | PROT_WRITE);
	CHECK(*reg32(bar, 0) == 0);
	*reg32(bar, 0) = 77;
	CHECK(last_write(bar).value == 77);
	scratch_close(&mine);
}

static void open_anew_beside(const struct scratch *s)
{
	open_anew(s);
	use_inherited(s);
}

static volatile uint8_t *parents_bar;

static void store_to_parents_bar(const struct scratch *s)
{
	CHECK(*reg32(parents_bar, 0) == 4);
	*reg32(parents_bar, 0) = 5;
	CHECK(*reg32(parents_bar, 0) == 5 && last_write(parents_bar).value == 5);
	scratch_memory(s, false);
}

static void store_to_disabled_bar(const struct scratch *s)
{
	signal(SIGBUS, SIG_DFL);
	*reg32(parents_bar, 0) = 6;
}

static void test_fork(const struct scratch *s)
{
	char text[4096];

	CHECK(in_child(use_inherited, s, text, sizeof(text)) == 0 && !*text);
	CHECK(in_child(close_inherited, s, text, sizeof(text)) == 0 && !*text);
	CHECK(in_child(close_all_inherited, s, text, sizeof(text)) == 0 && !*text);
	CHECK(in_child(open_anew_beside, s, text, sizeof(text)) == 0 && !*text);
	CHECK(is_live_iommufd(s->iommufd));
	parents_bar = bar_map(s, PROT_READ | PROT_WRITE);
	*reg32(parents_bar, 0) = 4;
	CHECK(in_child(store_to_parents_bar, s, text, sizeof(text)) == 0 && !*text);
	scratch_memory(s, true);
	CHECK(*reg32(parents_bar, 0) == 5);
	scratch_memory(s, false);
	CHECK(WTERMSIG(in_child(store_to_disabled_bar, s, text, sizeof(text))) == SIGBUS);
	scratch_memory(s, true);
	CHECK(!munmap((void *)parents_bar, BAR0_SIZE));
}

/* As programs do it that know only the system call. */
static void test_raw_fork(const struct scratch *s)
{
	const pid_t pid = (pid_t)syscall(SYS_fork);

	if (!pid)
		_exit(is_live_iommufd(s->iommufd) ? 0 : 1);
	CHECK(reap(pid) == 0);
	CHECK(is_live_iommufd(s->iommufd));
}

/* A vfork child shares our memory but has fds of its own. */
static void test_vfork(const struct scratch *s)
{
	pid_t pid = vfork();

	if (!pid) {
		close(s->iommufd);
		close_range(3, ~0u, 0);
		_exit(0);
	}
	CHECK(reap(pid) == 0);
	CHECK(is_live_iommufd(s->iommufd));
	pid = vfork();
	if (!pid) {
		dup2(2, s->iommufd);
		_exit(0);
	}
	CHECK(reap(pid) == 0);
	CHECK(is_live_iommufd(s->iommufd));
}

static void test_exec(const struct scratch *s)
{
	char iommufd[16], device[16];
	char *args[] = {(char *)"/proc/self/exe", iommufd, device, NULL};
	const int a = dup(s->iommufd), b = dup(s->device);
	pid_t pid;

	snprintf(iommufd, sizeof(iommufd), "%d", a);
	snprintf(device, sizeof(device), "%d", b);
	NEED(!posix_spawn(&pid, args[0], NULL, NULL, args, environ));
	CHECK(reap(pid) == 0);
	CHECK(is_live_iommufd(s->iommufd));
	CHECK(!close(a) && !close(b));
}

/* We were executed with two of our parent's files. */
static int executed(char **argv)
{
	const struct scratch s = {atoi(argv[1]), atoi(argv[2])};

	use_inherited(&s);
	close_inherited(&s);
	open_anew(&s);
	return finish();
}

int main(int argc, char **argv)
{
	struct scratch s;

	if (argc > 1)
		return executed(argv);
	scratch_open(&s);
	test_fork(&s);
	test_raw_fork(&s);
	test_vfork(&s);
	test_exec(&s);
	scratch_close(&s);
	return finish();
}
