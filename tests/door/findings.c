/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sanitizer finds, in the lives that processes have: each argument does something, one
 * after the other. tests/door/findings-test looks at what `ioas run` makes of it.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "../bugs/driver.h"

#define DST 0x2000000ul
#define SRC 0x3000000ul
/* Of the first channel, in BAR 0, the region at 0. */
#define DMACOUNT 0x86

static struct driver driver;

static void open_driver(void)
{
	driver_open(&driver, IOMMUFD);
	dma_map(&driver, dma_pages(PAGE), PAGE, SRC, MAY_READ);
}

/* Nothing is mapped at DST. */
__attribute__((noinline)) static void bad_copy(void)
{
	dma_copy(&driver, DST, SRC, PAGE);
}

static void many(void)
{
	for (int i = 0; i < 100; i++)
		bad_copy();
}

/* Another place in the program, and so another finding. */
__attribute__((noinline)) static void other_copy(void)
{
	dma_copy(&driver, DST + PAGE, SRC, PAGE);
}

/* What is shared stays what it is, and the device reaches it. */
static void drop_shared(void)
{
	const unsigned char *va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (va == MAP_FAILED)
		err(1, "shared memory");
	dma_map(&driver, (void *)va, PAGE, DST, MAY_WRITE);
	if (madvise((void *)va, PAGE, MADV_DONTNEED))
		err(1, "madvise");
	dma_copy(&driver, DST, SRC, PAGE);
	if (va[0] != 0x5a || va[PAGE - 1] != 0x5a)
		errx(1, "the copy is elsewhere");
	dma_unmap(&driver, DST, PAGE);
}

/* Ends while the device has work, in memory that takes a while to go. */
static void leave_busy(void)
{
	const size_t much = 256ul << 20;
	uint64_t *desc = driver.engine.ring;

	if (mmap(NULL, much, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
	    MAP_FAILED)
		err(1, "memory");
	dma_map(&driver, dma_pages(PAGE), PAGE, DST, MAY_WRITE);
	for (unsigned int n = 0; n < 60; n++, desc += 8) {
		desc[0] = PAGE;
		desc[1] = SRC;
		desc[2] = DST;
	}
	*(volatile uint16_t *)(driver.engine.bar + DMACOUNT) = 60;
	_exit(0);
}

static void deeper(void)
{
	bad_copy();
	bad_copy();
	puts("twice"); /* or the second would be a jump, and leave no frame */
}

static void *thread(void *arg)
{
	(void)arg;
	bad_copy();
	return NULL;
}

/* The first copy, started by a call and not by a store. */
__attribute__((noinline)) static void call_register(void)
{
	const uint16_t count = 1;
	uint64_t *desc = driver.engine.ring;

	desc[0] = PAGE | 1ull << 32 << 3; /* its completion is written */
	desc[1] = SRC;
	desc[2] = DST;
	if (pwrite(driver.road.device, &count, sizeof(count), DMACOUNT) != sizeof(count))
		err(1, "pwrite");
}

static void in_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, thread, NULL) || pthread_join(t, NULL))
		err(1, "thread");
}

/* The child has a machine of its own. */
static void in_child(void)
{
	const pid_t pid = fork();

	if (!pid) {
		open_driver();
		bad_copy();
		printf("child %d\n", (int)getpid());
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* It ends without closing anything. */
static void leave_all(void)
{
	const pid_t pid = fork();

	if (!pid) {
		open_driver();
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void pause_for(long ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static void wait_a_little(void)
{
	pause_for(300);
}

/* `ioas run` ends with the first process, and the second goes on. */
static void become_daemon(void)
{
	int fds[2];
	char c;

	if (pipe(fds))
		err(1, "pipe");
	if (fork()) {
		close(fds[1]);
		(void)!read(fds[0], &c, 1);
		exit(0);
	}
	setsid();
	open_driver();
	close(fds[1]);
	pause_for(500);
	bad_copy();
}

static void on_abort(int sig)
{
	(void)sig;
	(void)!write(STDOUT_FILENO, "handled\n", 8);
}

static void handle_abort(void)
{
	signal(SIGABRT, on_abort);
}

static void close_driver(void)
{
	munmap((void *)driver.engine.bar, 0x4000);
	close(driver.road.device);
	close(driver.road.iommu);
}

static void kill_self(void)
{
	kill(getpid(), SIGKILL);
}

static void leave(void)
{
	_exit(3);
}

static void run_true(void)
{
	execl("/bin/true", "true", NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} deeds[] = {
	{"open", open_driver},	  {"copy", bad_copy},	     {"many", many},
	{"other", other_copy},	  {"deeper", deeper},	     {"thread", in_thread},
	{"child", in_child},	  {"wait", wait_a_little},   {"daemon", become_daemon},
	{"kill", kill_self},	  {"_exit", leave},	     {"exec", run_true},
	{"handle", handle_abort}, {"pwrite", call_register}, {"leaver", leave_all},
	{"close", close_driver},  {"drop", drop_shared},    {"busy", leave_busy},
};

static void act(const char *name)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		if (!strcmp(deeds[i].name, name)) {
			deeds[i].run();
			return;
		}
	}
	errx(1, "%s?", name);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		act(argv[i]);
	puts("went on");
	return 0;
}
