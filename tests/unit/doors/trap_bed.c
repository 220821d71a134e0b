/* SPDX-License-Identifier: BSD-3-Clause */
#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "trap_bed.h"
#include "trap_rows.h"

_Static_assert(offsetof(struct cpu, flags) == 128, "trap_cpu.S");
_Static_assert(offsetof(struct cpu, components) == 136, "trap_cpu.S");
_Static_assert(offsetof(struct cpu, xsave) == 192, "trap_cpu.S");

#define STACK_SIZE (128 * 1024)
#define PAINT	   0xa5

struct log device_log;
bool device_enabled = true;
uint8_t *device_alias;
struct outcome outcome;
static _Thread_local uint8_t *alternate;
static uint64_t seed = 88172645463325252ull;

uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 2685821657736338717ull;
}

/* ---- the device ---- */

void log_clear(void)
{
	device_log.writes = device_log.reads = 0;
	memset(&outcome, 0, sizeof(outcome));
}

static void log_add(struct access *log, size_t *n, const struct access *a)
{
	if (*n < LOG_MAX)
		log[(*n)++] = *a;
}

static void device_store(uint64_t offset, unsigned size, uint64_t value)
{
	void *to = device_alias + offset;

	switch (size) {
	case 1:
		__atomic_store_n((uint8_t *)to, (uint8_t)value, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)to, (uint16_t)value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)to, (uint32_t)value, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);
		break;
	}
}

static void bed_write(void *cookie, uint64_t offset, unsigned size, uint64_t value)
{
	struct access a = {cookie, offset, size, value};

	errno = EXDEV;
	if (!cookie) {
		/* Let other threads see what a read-modify-write has not yet written. */
		sched_yield();
		device_store(offset, size, value);
		return;
	}
	log_add(device_log.write, &device_log.writes, &a);
	device_store(offset, size, value);
}

static uint64_t bed_read(void *cookie, uint64_t offset, unsigned size)
{
	struct access a = {cookie, offset, size, 0};

	errno = EXDEV;
	memcpy(&a.value, device_alias + offset, size);
	log_add(device_log.read, &device_log.reads, &a);
	return a.value;
}

static bool bed_enabled(void *cookie)
{
	return device_enabled;
}

bool bed_load(void *dst, const void *src, size_t len)
{
	struct iovec to = {dst, len}, from = {(void *)(uintptr_t)src, len};

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)len;
}

bool bed_store(void *dst, const void *src, size_t len)
{
	struct iovec from = {(void *)(uintptr_t)src, len}, to = {dst, len};

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)len;
}

const struct trap_ops bed_ops = {bed_write, bed_read, bed_enabled, bed_load, bed_store};

void device_protect(int prot)
{
	struct trap_region r = {DEVICE, DEVICE_SIZE, &device_log, 0, device_alias, 0};

	if (prot == PROT_NONE)
		r.flags = TRAP_LOADS;
	if (prot & PROT_WRITE ? trap_region_remove(DEVICE, DEVICE_SIZE) : trap_region_add(&r))
		abort();
	if (mprotect((void *)DEVICE, DEVICE_SIZE, prot))
		abort();
}

/* ---- signals ---- */

size_t bed_stack_used(void)
{
	size_t n = 0;

	while (n < STACK_SIZE && alternate[n] == PAINT)
		n++;
	return STACK_SIZE - n;
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	enum trap_verdict verdict = trap_handle(sig, info, uc);

	__atomic_add_fetch(&outcome.traps, 1, __ATOMIC_RELAXED);
	if (verdict == TRAP_DONE)
		return;
	outcome.verdict = verdict;
	outcome.signo = info->si_signo;
	outcome.code = info->si_code;
	outcome.address = (uintptr_t)info->si_addr;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)cpu_leave;
}

void bed_stack(void)
{
	stack_t ss = {.ss_size = STACK_SIZE};

	alternate =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (alternate == MAP_FAILED)
		abort();
	memset(alternate, PAINT, STACK_SIZE);
	ss.ss_sp = alternate;
	if (sigaltstack(&ss, NULL))
		abort();
}

static void map_at(uintptr_t va, size_t len, int flags, int fd)
{
	void *want = (void *)va;

	if (mmap(want, len, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd, 0) != want)
		abort();
}

int bed_setup(void **state)
{
	int fd = memfd_create("bar", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, DEVICE_SIZE))
		return -1;
	map_at(ARENA, ARENA_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_at(DEVICE, DEVICE_SIZE, MAP_SHARED, fd);
	map_at(SIDE, SIDE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	device_alias = mmap(NULL, DEVICE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (device_alias == MAP_FAILED)
		return -1;
	bed_stack();
	return trap_init(&bed_ops);
}

void bed_arm(void)
{
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigfillset(&sa.sa_mask);
	if (sigaction(SIGSEGV, &sa, NULL))
		abort();
}

/* ---- the CPU ---- */

static uint64_t enabled_components(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low & 0xe7;
}

static unsigned cpu_features(void)
{
	uint32_t a, b, c, d, b7 = 0, c7 = 0, c81 = 0, b88 = 0;
	uint64_t components = enabled_components();
	unsigned has = 0;

	__cpuid(1, a, b, c, d);
	__get_cpuid_count(7, 0, &a, &b7, &c7, &d);
	__get_cpuid(0x80000001, &a, &b, &c81, &d);
	__get_cpuid(0x80000008, &a, &b88, &b, &d);
	__cpuid(1, a, b, c, d);
	has |= c & 1u << 22 ? NEED_MOVBE : 0;
	has |= c & 1u << 19 ? NEED_SSE41 : 0;
	has |= c81 & 1u << 6 ? NEED_SSE4A : 0;
	has |= b88 & 1 ? NEED_CLZERO : 0;
	if ((components & 7) != 7)
		return has;
	has |= c & 1u << 28 ? NEED_AVX : 0;
	has |= c & 1u << 29 ? NEED_F16C : 0;
	has |= b7 & 1u << 5 ? NEED_AVX2 : 0;
	/* F, DQ, BW, VL */
	if ((components & 0xe0) == 0xe0 && (b7 & 0xc0030000) == 0xc0030000) {
		has |= NEED_AVX512;
		has |= c7 & 1u << 6 ? NEED_VBMI2 : 0;
	}
	return has;
}

bool cpu_has(unsigned needs)
{
	return (cpu_features() & needs) == needs;
}

static unsigned component_offset(unsigned n, unsigned *size)
{
	uint32_t a, b, c, d;

	__cpuid_count(0xd, n, a, b, c, d);
	*size = a;
	return b;
}

static void random_bytes(uint8_t *p, size_t len)
{
	for (size_t n = 0; n < len; n++)
		p[n] = (uint8_t)random64();
}

static void cpu_random_vectors(struct cpu *c)
{
	uint64_t header = c->components;
	uint16_t status = (uint16_t)((random64() & 7) << 11), control = 0x37f;
	uint32_t mxcsr = 0x1f80 | (uint32_t)(random64() & 3) << 13;
	unsigned at, size;

	memset(c->xsave, 0, sizeof(c->xsave));
	memcpy(c->xsave, &control, 2);
	memcpy(c->xsave + 2, &status, 2);
	c->xsave[4] = 0xff;
	memcpy(c->xsave + 24, &mxcsr, 4);
	for (unsigned n = 0; n < 8; n++) {
		uint8_t *st = c->xsave + 32 + 16 * n;
		uint16_t exponent =
			(uint16_t)(0x3fff - 3 + random64() % 40) | (uint16_t)(random64() & 0x8000);

		random_bytes(st, 8);
		st[7] |= 0x80;
		memcpy(st + 8, &exponent, 2);
	}
	random_bytes(c->xsave + 160, 256);
	for (unsigned n = 2; n < 8; n++) {
		if (!(c->components & 1u << n))
			continue;
		at = component_offset(n, &size);
		random_bytes(c->xsave + at, size);
	}
	/* Some components in their initial state, as programs leave them. */
	if (random64() & 1)
		header &= random64() | 3;
	memcpy(c->xsave + 512, &header, sizeof(header));
}

/* Indices: ZMM4 has 16 dwords, ZMM5 8 qwords; also as XMM and YMM. */
static void cpu_random_indices(struct cpu *c)
{
	uint32_t dwords[16];
	uint64_t qwords[8];
	unsigned size, high = component_offset(2, &size), zmm = component_offset(6, &size);

	for (unsigned n = 0; n < 16; n++)
		dwords[n] = (uint32_t)(random64() % 256);
	for (unsigned n = 0; n < 8; n++)
		qwords[n] = random64() % 120;
	memcpy(c->xsave + 160 + 16 * 4, dwords, 16);
	memcpy(c->xsave + 160 + 16 * 5, qwords, 16);
	if (c->components & 4) {
		memcpy(c->xsave + high + 16 * 4, dwords + 4, 16);
		memcpy(c->xsave + high + 16 * 5, qwords + 2, 16);
	}
	if (c->components & 0x40) {
		memcpy(c->xsave + zmm + 32 * 4, dwords + 8, 32);
		memcpy(c->xsave + zmm + 32 * 5, qwords + 4, 32);
	}
}

void cpu_random(struct cpu *c, uintptr_t operand)
{
	uint64_t fs_base;

	__asm__ volatile("movq %%fs:0, %0" : "=r"(fs_base));
	for (unsigned n = 0; n < 16; n++)
		c->gpr[n] = random64();
	c->gpr[RCX] = random64() % 24;
	c->gpr[RSP] = STACK;
	c->gpr[RDI] = operand;
	c->gpr[RSI] = SOURCE;
	c->gpr[R11] = random64() % 64;
	c->gpr[R10] = operand - 16 - 4 * c->gpr[R11];
	c->gpr[R12] = random64() % 1600 - 800;
	c->gpr[R13] = operand - fs_base;
	c->flags = (random64() & 0x8d5) | 0x202;
	c->components = enabled_components();
	cpu_random_vectors(c);
	cpu_random_indices(c);
}

void cpu_settle(struct cpu *c)
{
	unsigned at, size;
	uint64_t header;

	memcpy(&header, c->xsave + 512, sizeof(header));
	memset(c->xsave + 6, 0, 18); /* FOP, FIP, FDP */
	memset(c->xsave + 464, 0, 48);
	for (unsigned n = 2; n < 8; n++) {
		if (header & 1u << n || !(c->components & 1u << n))
			continue;
		at = component_offset(n, &size);
		memset(c->xsave + at, 0, size);
	}
	memset(c->xsave + 512, 0, 64);
	c->flags &= 0xcd5;
}
