/* SPDX-License-Identifier: BSD-3-Clause */
/* What a trapped access to a BAR costs, beside an empty SIGSEGV, which no trap can do without. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench.h"
#include "doors/preload/trap.h"

#define PAGE	  4096ul
#define BAR_SIZE  (2 * PAGE)
#define STACK	  (64 * 1024)
#define STORE_LEN 2 /* of movl %eax, (%rdi) */

static uint8_t *alias, *bar;

static void write_register(void *cookie, uint64_t offset, unsigned size, uint64_t value)
{
	memcpy(alias + offset, &value, size);
}

static uint64_t read_register(void *cookie, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, alias + offset, size);
	return value;
}

static bool enabled(void *cookie)
{
	return true;
}

static bool load(void *dst, const void *src, size_t len)
{
	struct iovec to = {dst, len}, from = {(void *)(uintptr_t)src, len};

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)len;
}

static bool store(void *dst, const void *src, size_t len)
{
	struct iovec from = {(void *)(uintptr_t)src, len}, to = {dst, len};

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)len;
}

static const struct trap_ops ops = {write_register, read_register, enabled, load, store};

static void on_segv_trap(int sig, siginfo_t *info, void *uc)
{
	if (trap_handle(sig, info, uc) != TRAP_DONE)
		abort();
}

/* Steps over the one store that bench_empty makes. */
static void on_segv_empty(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_RIP] += STORE_LEN;
}

static void arm(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigfillset(&sa.sa_mask);
	if (sigaction(SIGSEGV, &sa, NULL))
		abort();
}

static void store_4(void *arg, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		__asm__ volatile("movl %%eax, (%%rdi)" : : "D"(arg), "a"((uint32_t)i) : "memory");
}

static void store_16(void *arg, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		__asm__ volatile("movups %%xmm1, (%0)" : : "r"(arg) : "memory");
}

static void add_locked(void *arg, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		__asm__ volatile("lock addl $1, (%0)" : : "r"(arg) : "memory", "cc");
}

static void rotate(void *arg, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		__asm__ volatile("roll $1, (%0)" : : "r"(arg) : "memory", "cc");
}

static void copy_256(void *arg, uint64_t n)
{
	static uint8_t source[256];

	for (uint64_t i = 0; i < n; i++) {
		void *to = arg, *from = source;
		uint64_t count = sizeof(source);

		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	}
}

static void load_4(void *arg, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t value;

		__asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(arg) : "memory");
		bench_use(value);
	}
}

static void set_up(void)
{
	stack_t ss = {.ss_sp = malloc(STACK), .ss_size = STACK};
	int fd = memfd_create("bar", MFD_CLOEXEC);
	struct trap_region r = {.len = PAGE};

	if (fd < 0 || !ss.ss_sp || ftruncate(fd, BAR_SIZE) || sigaltstack(&ss, NULL) ||
	    trap_init(&ops))
		abort();
	alias = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bar = mmap(NULL, BAR_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (alias == MAP_FAILED || bar == MAP_FAILED || mprotect(bar + PAGE, PAGE, PROT_NONE))
		abort();
	r.va = (uintptr_t)bar;
	r.alias = alias;
	if (trap_region_add(&r))
		abort();
	r = (struct trap_region){(uintptr_t)bar + PAGE, PAGE, NULL, PAGE, alias + PAGE, TRAP_LOADS};
	if (trap_region_add(&r))
		abort();
}

int main(int argc, char **argv)
{
	const char *limit = "an empty SIGSEGV";
	struct bench_cost empty;
	struct bench b;

	set_up();
	bench_begin(&b, argc, argv);
	arm(on_segv_empty);
	empty = bench_run(&b, store_4, bar, 100000);
	bench_row(&b, limit, empty, NULL, (struct bench_cost){0});
	arm(on_segv_trap);
	bench_row(&b, "store of 4 bytes", bench_run(&b, store_4, bar, 100000), limit, empty);
	bench_row(&b, "store of 16 bytes", bench_run(&b, store_16, bar, 100000), limit, empty);
	bench_row(&b, "locked add", bench_run(&b, add_locked, bar, 100000), limit, empty);
	bench_row(&b, "relocated rotate", bench_run(&b, rotate, bar, 50000), limit, empty);
	bench_row(&b, "rep movsb of 256 bytes", bench_run(&b, copy_256, bar, 20000), limit, empty);
	bench_row(&b, "load of 4 bytes where loads trap", bench_run(&b, load_4, bar + PAGE, 100000),
		  limit, empty);
	return bench_end(&b);
}
