/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program with habits of its own, whose copies must come out right all the same.
 *
 * usage: stranger type1|iommufd plain|blocked|handler|signal|affinity|nofile|memory|closefrom|close_range|close_all
 */
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>

#include "hostile.h"

static bool cdev;

/* Opens everything, copies a page by the engine, checks every byte. */
static void copies(struct ring *r, uint8_t pattern)
{
	uint64_t src_iova, dst_iova;
	uint8_t *src = road_alloc(&r->road, PAGE, &src_iova);
	uint8_t *dst = road_alloc(&r->road, PAGE, &dst_iova);

	memset(src, pattern, PAGE);
	ring_aim(r, src_iova, 0, dst_iova, 0, PAGE);
	ring_reset(r, 0);
	ring_go(r, RING);
	CHECK(EVENTUALLY(ring_done(r) == RING - 1 && ring_idle(r)));
	CHECK(!ring_errors(r) && !memcmp(src, dst, PAGE));
	road_free(&r->road, src, PAGE, src_iova);
	road_free(&r->road, dst, PAGE, dst_iova);
}

static void whole_life(uint8_t pattern)
{
	struct ring r;

	ring_open(&r, cdev, NULL);
	copies(&r, pattern);
	ring_close(&r);
}

static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void on_fault(int sig)
{
	caught++;
	siglongjmp(back, sig);
}

static void own_fault(void)
{
	const int before = caught;
	volatile char *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!sigsetjmp(back, 1)) {
		*hole = 1;
		CHECK(!"a fault of the program's own is one");
	}
	CHECK(caught == before + 1);
	munmap((void *)hole, PAGE);
}

static void replaces_handler(bool by_signal)
{
	struct sigaction act = {.sa_handler = on_fault}, old;
	struct ring r;

	for (int late = 0; late < 2; late++) {
		if (late)
			ring_open(&r, cdev, NULL);
		if (by_signal)
			CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
		else
			CHECK(!sigaction(SIGSEGV, &act, NULL));
		if (!late)
			ring_open(&r, cdev, NULL);
		own_fault();
		copies(&r, 1);
		own_fault();
		copies(&r, 2);
		CHECK(!sigaction(SIGSEGV, NULL, &old) && old.sa_handler == on_fault);
		CHECK(signal(SIGSEGV, SIG_IGN) == on_fault);
		copies(&r, 3);
		CHECK(signal(SIGSEGV, SIG_DFL) == SIG_IGN);
		copies(&r, 4);
		ring_close(&r);
	}
}

/* Processors that the thread of this ID may use. */
static cpu_set_t cpus_of(pid_t tid)
{
	cpu_set_t set;

	NEED(!sched_getaffinity(tid, sizeof(set), &set));
	return set;
}

/* The program pins itself; the engine's threads keep the processors that the process started with, and have names. */
static void pins_itself(void)
{
	cpu_set_t start = cpus_of(0), one;
	unsigned int others = 0;
	char path[300], name[32];
	struct ring r;
	DIR *dir;

	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &start))
			CPU_SET(cpu, &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	ring_open(&r, cdev, NULL);
	copies(&r, 7);
	dir = opendir("/proc/self/task");
	NEED(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		const pid_t tid = atoi(e->d_name);
		cpu_set_t set;
		FILE *f;

		if (!tid || tid == gettid())
			continue;
		set = cpus_of(tid);
		CHECK(CPU_EQUAL(&set, &start));
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)tid);
		f = fopen(path, "r");
		NEED(f && fgets(name, sizeof(name), f));
		fclose(f);
		CHECK(!strncmp(name, "ioat ", 5) || !strcmp(name, "ioas-look\n"));
		others++;
	}
	closedir(dir);
	CHECK(others == 2);
	ring_close(&r);
}

static void limit(int what, rlim_t value)
{
	const struct rlimit l = {value, value};

	CHECK(!setrlimit(what, &l));
}

/* Its files go, its memory and its maps of registers stay; new files work. */
static void closes(const char *how)
{
	struct ring r;

	ring_open(&r, cdev, NULL);
	copies(&r, 5);
	ring_go(&r, 60000);
	if (!strcmp(how, "closefrom"))
		closefrom(3);
	else if (!strcmp(how, "close_range"))
		CHECK(!close_range(3, ~0u, 0));
	else
		for (int fd = 3; fd < 65536; fd++)
			close(fd);
	errno = 0;
	CHECK(fcntl(r.road.device, F_GETFD) == -1 && errno == EBADF);
	munmap((void *)r.bar, BAR_LEN);
	munmap(r.desc, 2 * PAGE);
	whole_life(6);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "plain";
	sigset_t every;

	cdev = argc > 1 && road_is_cdev(argv[1]);
	if (!strcmp(how, "blocked")) {
		sigfillset(&every);
		CHECK(!pthread_sigmask(SIG_BLOCK, &every, NULL));
	} else if (!strcmp(how, "handler") || !strcmp(how, "signal")) {
		replaces_handler(!strcmp(how, "signal"));
	} else if (!strcmp(how, "affinity")) {
		pins_itself();
	} else if (!strcmp(how, "nofile")) {
		limit(RLIMIT_NOFILE, 64);
	} else if (!strcmp(how, "memory")) {
		limit(RLIMIT_AS, (rlim_t)4 << 30);
	} else if (!strncmp(how, "close", 5)) {
		closes(how);
	}
	for (unsigned int i = 0; i < 20; i++)
		whole_life((uint8_t)(i + 1));
	return !!failures;
}
