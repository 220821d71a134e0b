/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mapped BARs: stores reach the model, and every call of the mmap family leaves the mapping as a
 * device's would be.
 */
#include <setjmp.h>
#include <signal.h>

#include "door_test.h"

static sigjmp_buf out;
static volatile int caught, caught_code;
static void *volatile caught_at;

static void catch (int sig, siginfo_t *info, void *ctx)
{
	caught = sig;
	caught_code = info->si_code;
	caught_at = info->si_addr;
	siglongjmp(out, 1);
}

static void catch_faults(void)
{
	struct sigaction act = {.sa_sigaction = catch, .sa_flags = SA_SIGINFO};

	CHECK(!sigaction(SIGSEGV, &act, NULL) && !sigaction(SIGBUS, &act, NULL));
}

/* Which signal the store, or the load, raises; 0: none. */
static int store(volatile void *at, uint32_t value)
{
	caught = 0;
	if (!sigsetjmp(out, 1))
		*(volatile uint32_t *)at = value;
	return caught;
}

static int load(const volatile void *at)
{
	caught = 0;
	if (!sigsetjmp(out, 1))
		(void)*(const volatile uint32_t *)at;
	return caught;
}

static bool reaches_model(volatile uint8_t *bar, volatile uint8_t *log, uint32_t off,
			  uint32_t value)
{
	struct log_entry e;

	if (store(bar + off, value))
		return false;
	e = last_write(log);
	return e.offset == off && e.size == 4 && e.value == value && *reg32(log, off) == value;
}

static void test_stores(const struct scratch *s)
{
	volatile uint8_t *a = bar_map(s, PROT_READ | PROT_WRITE),
			 *b = bar_map(s, PROT_READ | PROT_WRITE);
	uint64_t value = 0x1122334455667788;

	CHECK(reaches_model(a, b, 0x10, 0xabcd));
	CHECK(reaches_model(b, a, 0x7ffc, 1));
	*reg64(a, 0x20) = value;
	CHECK(last_write(a).size == 8 && last_write(a).value == value);
	a[0x31] = 7;
	CHECK(last_write(a).offset == 0x31 && last_write(a).size == 1);
	memcpy((void *)(a + 0x100), "0123456789abcdef0123456789abcdef", 32);
	CHECK(!memcmp((void *)(b + 0x100), "0123456789abcdef0123456789abcdef", 32));
	CHECK(pwrite(s->device, &value, 4, (off_t)bar_offset(0) + 0x40) == 4);
	CHECK(*reg32(a, 0x40) == (uint32_t)value);
	/* A system call that writes there gets EFAULT, as from read-only memory, or does it; it
	 * never dies. */
	CHECK(!munmap((void *)a, BAR0_SIZE) && !munmap((void *)b, BAR0_SIZE));
	CHECK(store(a, 1) == SIGSEGV && caught_at == a);
}

/* A page whose loads have side effects. */
static void test_trapped_loads(const struct scratch *s)
{
	volatile uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, s->device,
				   (off_t)bar_offset(2));
	uint32_t n;

	NEED(p != MAP_FAILED);
	n = *reg32(p, 0);
	CHECK(*reg32(p, 0) == n + 1 && *reg32(p, 0) == n + 2);
	*reg64(p, 8) = 0x55aa55aa55aa;
	CHECK(*reg64(p, 8) == 0x55aa55aa55aa);
	CHECK(!munmap((void *)p, 4096));
}

static void test_requests(const struct scratch *s)
{
	const off_t at = (off_t)bar_offset(0);

	FAILS(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, s->device, at), EINVAL);
	FAILS(mmap(NULL, BAR0_SIZE + 4096, PROT_READ, MAP_SHARED, s->device, at), EINVAL);
	FAILS(mmap(NULL, 4096, PROT_READ, MAP_SHARED, s->device, (off_t)bar_offset(7)), EINVAL);
	FAILS(mmap(NULL, 4096, PROT_READ, MAP_SHARED, s->device, at + 1), EINVAL);
	FAILS(mmap(NULL, 0, PROT_READ, MAP_SHARED, s->device, at), EINVAL);
}

static void test_fixed(const struct scratch *s)
{
	char *room = mmap(NULL, 8 * BAR0_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint8_t *bar;
	void *p;

	NEED(room != MAP_FAILED);
	bar = mmap(room, BAR0_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->device,
		   (off_t)bar_offset(0));
	CHECK((char *)bar == room && reaches_model(bar, bar, 8, 99));
	FAILS(mmap(room, 4096, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, s->device,
		   (off_t)bar_offset(0)),
	      EEXIST);
	/* Other memory comes over a page of it. */
	p = mmap(room + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0);
	CHECK(p == room + 4096 && !store(room + 4096, 5) && *(int *)(room + 4096) == 5);
	CHECK(*reg32((volatile uint8_t *)room, 0x1000) == 5 && reaches_model(bar, bar, 12, 98));
	CHECK(reaches_model(bar, bar, 0x2000, 97));
	CHECK(!munmap(room, 8 * BAR0_SIZE));
}

static void test_partial_unmap(const struct scratch *s)
{
	volatile uint8_t *bar = bar_map(s, PROT_READ | PROT_WRITE);

	CHECK(!munmap((void *)(bar + 0x3000), 0x1000));
	CHECK(store(bar + 0x3000, 1) == SIGSEGV);
	CHECK(reaches_model(bar, bar, 0x2ffc, 3) && reaches_model(bar, bar, 0x4000, 4));
	FAILS(munmap((void *)(bar + 1), 0x1000), EINVAL);
	CHECK(reaches_model(bar, bar, 0, 5));
	CHECK(!munmap((void *)bar, BAR0_SIZE));
}

static void test_protection(const struct scratch *s)
{
	volatile uint8_t *bar = bar_map(s, PROT_READ), *log = bar_map(s, PROT_READ | PROT_WRITE);

	CHECK(!load(bar) && store(bar + 4, 1) == SIGSEGV && caught_code == SEGV_ACCERR &&
	      caught_at == bar + 4);
	CHECK(!mprotect((void *)bar, 0x2000, PROT_READ | PROT_WRITE));
	CHECK(reaches_model(bar, log, 0x1ffc, 11));
	CHECK(store(bar + 0x2000, 1) == SIGSEGV);
	CHECK(!mprotect((void *)bar, BAR0_SIZE, PROT_NONE));
	CHECK(load(bar) == SIGSEGV && store(bar + 4, 1) == SIGSEGV);
	CHECK(!mprotect((void *)bar, BAR0_SIZE, PROT_READ | PROT_WRITE));
	CHECK(!load(bar) && reaches_model(bar, log, 0x5000, 12));
	FAILS(mprotect((void *)(bar + 1), 4096, PROT_READ), EINVAL);
	CHECK(!munmap((void *)bar, BAR0_SIZE) && !munmap((void *)log, BAR0_SIZE));
	/* Doorbells are often mapped for writing only. */
	bar = bar_map(s, PROT_WRITE);
	CHECK(!store(bar + 0x18, 13) && last_write(bar).value == 13);
	CHECK(!munmap((void *)bar, BAR0_SIZE));
}

/* One call over a BAR and the memory beside it. */
static void test_mixed_protection(const struct scratch *s)
{
	char *room = mmap(NULL, 3 * BAR0_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	volatile uint8_t *bar = (volatile uint8_t *)room + BAR0_SIZE;

	NEED(mmap((void *)bar, BAR0_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->device,
		  (off_t)bar_offset(0)) == bar);
	CHECK(!mprotect(room, 3 * BAR0_SIZE, PROT_READ));
	CHECK(store(room, 1) == SIGSEGV && store(bar, 1) == SIGSEGV &&
	      store(room + 2 * BAR0_SIZE, 1) == SIGSEGV);
	CHECK(!mprotect(room, 3 * BAR0_SIZE, PROT_READ | PROT_WRITE));
	CHECK(!store(room, 1) && reaches_model(bar, bar, 4, 21) && !store(room + 2 * BAR0_SIZE, 1));
	CHECK(!munmap(room, 3 * BAR0_SIZE));
}

static void test_remap(const struct scratch *s)
{
	volatile uint8_t *bar = bar_map(s, PROT_READ | PROT_WRITE);
	char *to = mmap(NULL, BAR0_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	FAILS(mremap((void *)bar, BAR0_SIZE, 2 * BAR0_SIZE, MREMAP_MAYMOVE), EFAULT);
	CHECK(mremap((void *)bar, BAR0_SIZE, 0x9000, 0) == bar);
	CHECK(store(bar + 0x9000, 1) == SIGSEGV && reaches_model(bar, bar, 0, 31));
	CHECK(mremap((void *)bar, 0x9000, 0x9000, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(store(bar, 1) == SIGSEGV);
	CHECK(reaches_model((volatile uint8_t *)to, (volatile uint8_t *)to, 0x40, 32));
	CHECK(!munmap(to, BAR0_SIZE));
}

static void test_advice(const struct scratch *s)
{
	volatile uint8_t *bar = bar_map(s, PROT_READ | PROT_WRITE);

	CHECK(reaches_model(bar, bar, 0x60, 41));
	FAILS(madvise((void *)bar, BAR0_SIZE, MADV_DONTNEED), EINVAL);
	FAILS(madvise((void *)bar, BAR0_SIZE, MADV_REMOVE), EINVAL);
	CHECK(!madvise((void *)bar, BAR0_SIZE, MADV_DONTFORK));
	CHECK(*reg32(bar, 0x60) == 41);
	CHECK(!munmap((void *)bar, BAR0_SIZE));
}

/* Memory decoding off: every access is a bus error, until it is on again. */
static void test_disabled(const struct scratch *s)
{
	volatile uint8_t *bar = bar_map(s, PROT_READ | PROT_WRITE), *other;
	uint32_t v;

	CHECK(reaches_model(bar, bar, 0x70, 51));
	scratch_memory(s, false);
	CHECK(load(bar + 0x70) == SIGBUS && caught_at == bar + 0x70);
	CHECK(store(bar + 0x70, 1) == SIGBUS);
	FAILS(pread(s->device, &v, 4, (off_t)bar_offset(0)), EIO);
	other = bar_map(s, PROT_READ);
	CHECK(load(other) == SIGBUS);
	scratch_memory(s, true);
	CHECK(!load(bar + 0x70) && !load(other) && reaches_model(bar, other, 0x70, 52));
	CHECK(!munmap((void *)bar, BAR0_SIZE) && !munmap((void *)other, BAR0_SIZE));
}

/* A mapping holds its device, as any mapping holds its file. */
static void test_outlives_fd(void)
{
	struct scratch s;
	volatile uint8_t *bar;

	scratch_open(&s);
	bar = bar_map(&s, PROT_READ | PROT_WRITE);
	scratch_close(&s);
	CHECK(reaches_model(bar, bar, 0x80, 61));
	CHECK(!munmap((void *)bar, BAR0_SIZE));
	scratch_open(&s);
	scratch_close(&s);
}

int main(void)
{
	struct scratch s;

	scratch_open(&s);
	catch_faults();
	test_stores(&s);
	test_trapped_loads(&s);
	test_requests(&s);
	test_fixed(&s);
	test_partial_unmap(&s);
	test_protection(&s);
	test_mixed_protection(&s);
	test_remap(&s);
	test_advice(&s);
	test_disabled(&s);
	scratch_close(&s);
	test_outlives_fd();
	return finish();
}
