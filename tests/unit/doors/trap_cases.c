/* SPDX-License-Identifier: BSD-3-Clause */
/* The store trap apart from single instructions: regions, refusals, code forms, threads, fork. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trap_bed.h"
#include "trap_rows.h"

#define CODE 0x20020000ul /* a page for code; none follows it */
#define LAST (DEVICE + DEVICE_SIZE)
#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define NR(a) (sizeof(a) / sizeof(*(a)))

#define ROW(name, text)                                                                            \
	__asm__(".text\ncase_" #name ":\n\t" text "\n\tjmp cpu_leave\n");                          \
	extern const uint8_t case_##name[] __attribute__((visibility("hidden")));
ROW(store8, "movq %rax, (%rdi)")
ROW(xadd, "lock xaddq %rax, (%rdi)")
ROW(vector, "movups %xmm1, (%rdi)")
ROW(rep_movsb, "rep movsb")
ROW(rep_movsq, "rep movsq")
ROW(rep_stosb, "rep stosb")
ROW(rotate, "rolq $1, (%rdi)")
ROW(divl, "divl (%rdi)")
ROW(idivl, "idivl (%rdi)")
ROW(idivb, "idivb (%rdi)")
ROW(idivq, "idivq (%rdi)")
ROW(masked, "vmovdqu32 %zmm1, (%rdi){%k1}")
ROW(load8, "movq (%rdi), %rax")
ROW(jump, "jmpq *(%rdi)")
ROW(call, "callq *(%rdi)")
ROW(flush, "clflush (%rdi)")
#undef ROW

static struct cpu cpu, before;

/* True if every trap was carried out. */
static bool run(const void *code)
{
	cpu_code = code;
	before = cpu;
	log_clear();
	cpu_run(&cpu);
	return !outcome.verdict;
}

static void ready(uintptr_t va, int prot)
{
	bed_arm();
	device_enabled = true;
	device_protect(prot);
	cpu_random(&cpu, va);
}

/* As if the instruction had not begun. */
static void assert_untouched(void)
{
	assert_memory_equal(before.gpr, cpu.gpr, sizeof(cpu.gpr));
	assert_int_equal(before.flags & 0xcd5, cpu.flags & 0xcd5);
	assert_int_equal(device_log.writes, 0);
}

static void assert_signal(int signo, int code, uintptr_t address)
{
	assert_int_equal(outcome.verdict, TRAP_FAULT);
	assert_int_equal(outcome.signo, signo);
	assert_int_equal(outcome.code, code);
	assert_int_equal(outcome.address, address);
}

/* ---- regions ---- */

#define FIELD	    0x30000000ul
#define FIELD_PAGES 48u

static void twin_change(struct trap_region *twin, unsigned first, unsigned n,
			const struct trap_region *r)
{
	for (unsigned p = first; p < first + n; p++) {
		twin[p] = (struct trap_region){0};
		if (!r)
			continue;
		twin[p] = *r;
		twin[p].offset += (p - first) * PAGE;
		twin[p].alias = (void *)((uintptr_t)r->alias + (p - first) * PAGE);
	}
}

static void twin_check(const struct trap_region *twin)
{
	for (unsigned p = 0; p < FIELD_PAGES; p++) {
		uintptr_t va = FIELD + p * PAGE + random64() % PAGE;
		struct trap_region r;
		bool found = trap_region_find(va, &r);

		assert_int_equal(found, twin[p].len != 0);
		if (!found)
			continue;
		assert_true(r.va <= va && va - r.va < r.len);
		assert_int_equal(r.offset + (va / PAGE * PAGE - r.va), twin[p].offset);
		assert_int_equal((uintptr_t)r.alias + (va / PAGE * PAGE - r.va),
				 (uintptr_t)twin[p].alias);
		assert_ptr_equal(r.cookie, twin[p].cookie);
		assert_int_equal(r.flags, twin[p].flags);
	}
}

/* Against an array of pages. */
static void test_regions(void **state)
{
	static struct trap_region twin[FIELD_PAGES];
	struct trap_region r;

	for (unsigned round = 0; round < 4000; round++) {
		unsigned first = (unsigned)(random64() % FIELD_PAGES);
		unsigned n = (unsigned)(1 + random64() % 9 % (FIELD_PAGES - first));

		r = (struct trap_region){FIELD + first * PAGE,
					 n * PAGE,
					 (void *)(uintptr_t)random64(),
					 random64() % 64 * PAGE,
					 (void *)(uintptr_t)(random64() % 1024 * PAGE),
					 random64() & 3};
		if (random64() % 3) {
			assert_int_equal(trap_region_add(&r), 0);
			twin_change(twin, first, n, &r);
		} else {
			assert_int_equal(trap_region_remove(r.va, r.len), 0);
			twin_change(twin, first, n, NULL);
		}
		twin_check(twin);
	}
	assert_int_equal(trap_region_remove(FIELD, FIELD_PAGES * PAGE), 0);
	assert_false(trap_region_find(FIELD - 1, &r));
	assert_false(trap_region_find(0, &r));
	assert_false(trap_region_find(~0ul, &r));
}

/* More than a table first has room for. */
static void test_many_regions(void **state)
{
	struct trap_region r;

	for (unsigned n = 0; n < 1000; n++) {
		r = (struct trap_region){FIELD + 2 * n * PAGE, PAGE, NULL, n * PAGE, NULL, 0};
		assert_int_equal(trap_region_add(&r), 0);
	}
	for (unsigned n = 0; n < 2000; n++) {
		assert_int_equal(trap_region_find(FIELD + n * PAGE + 5, &r), !(n & 1));
		if (!(n & 1))
			assert_int_equal(r.offset, n / 2 * PAGE);
	}
	assert_int_equal(trap_region_remove(FIELD, 2000 * PAGE), 0);
	assert_false(trap_region_find(FIELD, &r));
}

static void test_bad_regions(void **state)
{
	static const struct {
		uintptr_t va;
		size_t len;
	} rows[] = {{FIELD, 0},
		    {FIELD + 1, PAGE},
		    {FIELD, PAGE + 1},
		    {0 - PAGE, PAGE},
		    {0 - PAGE, 2 * PAGE}};

	for (size_t n = 0; n < NR(rows); n++) {
		struct trap_region r = {.va = rows[n].va, .len = rows[n].len};

		assert_int_equal(trap_region_add(&r), -EINVAL);
		assert_int_equal(trap_region_remove(rows[n].va, rows[n].len), -EINVAL);
	}
}

/* A store that crosses from one device into the next. */
static void test_two_devices(void **state)
{
	struct trap_region second = {DEVICE + PAGE, PAGE, &outcome, 0, device_alias + PAGE, 0};

	ready(DEVICE + PAGE - 4, PROT_READ);
	assert_int_equal(trap_region_add(&second), 0);
	cpu.gpr[RAX] = 0x1122334455667788;
	assert_true(run(case_store8));
	assert_int_equal(device_log.writes, 2);
	assert_ptr_equal(device_log.write[0].cookie, &device_log);
	assert_int_equal(device_log.write[0].offset, PAGE - 4);
	assert_int_equal(device_log.write[0].value, 0x55667788);
	assert_ptr_equal(device_log.write[1].cookie, &outcome);
	assert_int_equal(device_log.write[1].offset, 0);
	assert_int_equal(device_log.write[1].value, 0x11223344);
}

/* ---- refusals ---- */

static void test_past_the_end(void **state)
{
	static const void *const codes[] = {case_store8, case_xadd, case_vector, case_rotate};
	static const int prots[] = {PROT_NONE, PROT_READ};

	for (size_t p = 0; p < NR(prots); p++) {
		for (size_t n = 0; n < NR(codes); n++) {
			ready(LAST - 3, PROT_READ);
			assert_int_equal(mprotect((void *)LAST, PAGE, prots[p]), 0);
			assert_false(run(codes[n]));
			assert_signal(SIGSEGV, SEGV_MAPERR, LAST);
			assert_untouched();
		}
	}
	mprotect((void *)LAST, PAGE, PROT_READ | PROT_WRITE);
}

/* Bytes that the mask leaves out do not fault. */
static void test_masked_past_the_end(void **state)
{
	uint64_t k = 0x00ff;
	uint32_t offset = 0, size, b, d;

	if (!cpu_has(NEED_AVX512))
		skip();
	ready(LAST - 32, PROT_READ);
	__asm__("cpuid" : "=a"(size), "=b"(offset), "=c"(b), "=d"(d) : "0"(0xd), "2"(5));
	memcpy(cpu.xsave + offset + 8, &k, 8);
	mprotect((void *)LAST, PAGE, PROT_NONE);
	assert_true(run(case_masked));
	assert_int_equal(device_log.writes, 4);
	mprotect((void *)LAST, PAGE, PROT_READ | PROT_WRITE);
}

static void test_disabled(void **state)
{
	static const void *const codes[] = {case_store8, case_xadd, case_vector, case_rotate,
					    case_rep_stosb};

	for (size_t n = 0; n < NR(codes); n++) {
		ready(DEVICE + 24, PROT_READ);
		device_enabled = false;
		cpu.gpr[RCX] = 5;
		assert_false(run(codes[n]));
		assert_signal(SIGBUS, BUS_ADRERR, DEVICE + 24);
		assert_untouched();
	}
	ready(DEVICE + 24, PROT_NONE);
	device_enabled = false;
	assert_false(run(case_load8));
	assert_signal(SIGBUS, BUS_ADRERR, DEVICE + 24);
	assert_int_equal(device_log.reads, 0);
}

static void test_readonly(void **state)
{
	struct trap_region r = {DEVICE, DEVICE_SIZE,  &device_log,
				0,	device_alias, TRAP_LOADS | TRAP_RDONLY};

	ready(DEVICE, PROT_NONE);
	assert_int_equal(trap_region_add(&r), 0);
	assert_false(run(case_store8));
	assert_signal(SIGSEGV, SEGV_ACCERR, DEVICE);
	assert_untouched();
	assert_true(run(case_load8));
	assert_int_equal(device_log.reads, 1);
}

static void test_division(void **state)
{
	static const struct {
		const void *code;
		uint64_t high, low, divisor;
		bool fault;
	} rows[] = {
		{case_divl, 0, 100, 0, true},
		{case_divl, 0, 100, 7, false},
		{case_divl, 7, 0, 7, true},
		{case_divl, 6, 0xffffffff, 7, false},
		{case_idivl, 0, 100, 0, true},
		{case_idivl, 0xffffffff, 0x80000000, 0xffffffff, true},
		{case_idivl, 0xffffffff, 0x80000000, 1, false},
		{case_idivl, 0, 0x80000000, 1, true},
		{case_idivl, 0xffffffff, (uint32_t)-100, (uint32_t)-7, false},
		{case_idivb, 0, 0x7f, 0xff, false},
		{case_idivb, 0, 0xff80, 0xff, true},
		{case_idivb, 0, 0x4000, 0x7f, true},
		{case_idivq, 1ull << 63, 0, ~0ull, true},
		{case_idivq, ~0ull, 1ull << 63, ~0ull, true},
		{case_idivq, ~0ull, 1ull << 63, 1, false},
	};

	for (size_t n = 0; n < NR(rows); n++) {
		struct cpu native;

		ready(DEVICE, PROT_READ | PROT_WRITE);
		cpu.gpr[RAX] = rows[n].low;
		cpu.gpr[RDX] = rows[n].high;
		memcpy(device_alias, &rows[n].divisor, 8);
		native = cpu;
		cpu_code = rows[n].code;
		if (!rows[n].fault)
			cpu_run(&native);
		device_protect(PROT_NONE);
		assert_int_equal(run(rows[n].code), !rows[n].fault);
		if (rows[n].fault)
			assert_signal(SIGFPE, FPE_INTDIV, (uintptr_t)rows[n].code);
		assert_memory_equal(native.gpr, cpu.gpr, sizeof(cpu.gpr));
	}
}

/* ---- partial progress ---- */

static void test_source_ends(void **state)
{
	for (unsigned ahead = 1; ahead < 150; ahead += 37) {
		ready(DEVICE, PROT_READ);
		cpu.gpr[RSI] = SIDE + PAGE - ahead;
		cpu.gpr[RCX] = 500;
		mprotect((void *)(SIDE + PAGE), PAGE, PROT_NONE);
		assert_false(run(case_rep_movsb));
		mprotect((void *)(SIDE + PAGE), PAGE, PROT_READ | PROT_WRITE);
		assert_signal(SIGSEGV, SEGV_MAPERR, SIDE + PAGE);
		assert_int_equal(cpu.gpr[RCX], 500 - ahead);
		assert_int_equal(cpu.gpr[RSI], SIDE + PAGE);
		assert_int_equal(cpu.gpr[RDI], DEVICE + ahead);
		assert_int_equal(device_log.writes, ahead);
		assert_memory_equal(device_alias, (void *)(SIDE + PAGE - ahead), ahead);
	}
}

/* The first element, half in front of the device, changes what the second is made of. */
static void test_source_overlaps(void **state)
{
	uint8_t want[40], *from = (uint8_t *)DEVICE - 16;

	ready(DEVICE, PROT_READ);
	for (unsigned n = 0; n < 16; n++)
		from[n] = (uint8_t)random64();
	memcpy(want, from, sizeof(want));
	for (unsigned n = 0; n < 3; n++)
		memcpy(want + 12 + 8 * n, want + 8 * n, 8);
	cpu.gpr[RSI] = DEVICE - 16;
	cpu.gpr[RDI] = DEVICE - 4;
	cpu.gpr[RCX] = 3;
	assert_true(run(case_rep_movsq));
	assert_memory_equal(from, want, 12 + 24);
}

/* A turn ends: signals that have come in between would be served. */
static void test_long_repetition(void **state)
{
	ready(DEVICE, PROT_READ);
	cpu.gpr[RCX] = DEVICE_SIZE;
	cpu.gpr[RAX] = 0x77;
	assert_true(run(case_rep_stosb));
	assert_int_equal(cpu.gpr[RCX], 0);
	assert_int_equal(cpu.gpr[RDI], LAST);
	assert_true(outcome.traps >= 2);
	for (size_t n = 0; n < DEVICE_SIZE; n++)
		assert_int_equal(device_alias[n], 0x77);
}

static void test_no_repetition(void **state)
{
	ready(DEVICE, PROT_READ);
	cpu.gpr[RCX] = 0;
	assert_true(run(case_rep_stosb));
	assert_int_equal(outcome.traps, 0);
}

/* ---- code ---- */

static uint8_t *code_page(void)
{
	void *want = (void *)CODE;

	if (mmap(want, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != want)
		fail();
	return want;
}

/* Code that ends where the page ends, or goes on to cpu_leave. */
static void put_leave(uint8_t *at)
{
	static const uint8_t jmp[] = {0xff, 0x25, 0, 0, 0, 0};
	void (*leave)(void) = cpu_leave;

	memcpy(at, jmp, sizeof(jmp));
	memcpy(at + sizeof(jmp), &leave, 8);
}

static void test_rip_relative(void **state)
{
	static const uint8_t mov[] = {0x89, 0x05}, movi[] = {0xc7, 0x05}, rol[] = {0xc1, 0x05};
	uint8_t *code = code_page();
	int32_t distance;
	uint32_t imm = 0xcafef00d;

	ready(DEVICE + 0x40, PROT_READ);
	/* mov %eax, DEVICE+0x40(%rip); movl $imm, DEVICE+0x44(%rip); roll $8, DEVICE+0x44(%rip) */
	memcpy(code, mov, 2);
	distance = (int32_t)(DEVICE + 0x40 - (CODE + 6));
	memcpy(code + 2, &distance, 4);
	memcpy(code + 6, movi, 2);
	distance = (int32_t)(DEVICE + 0x44 - (CODE + 16));
	memcpy(code + 8, &distance, 4);
	memcpy(code + 12, &imm, 4);
	memcpy(code + 16, rol, 2);
	distance = (int32_t)(DEVICE + 0x44 - (CODE + 23));
	memcpy(code + 18, &distance, 4);
	code[22] = 8;
	put_leave(code + 23);
	assert_true(run(code));
	assert_int_equal(device_log.writes, 3);
	assert_int_equal(device_log.write[0].offset, 0x40);
	assert_int_equal(device_log.write[0].value, (uint32_t)cpu.gpr[RAX]);
	assert_int_equal(device_log.write[1].value, imm);
	assert_int_equal(device_log.write[2].offset, 0x44);
	assert_int_equal(device_log.write[2].value, 0xfef00dca);
}

static void test_absolute(void **state)
{
	uint8_t *code = code_page();
	uint64_t address = DEVICE + 0x81;

	ready(DEVICE, PROT_READ);
	code[0] = 0xa2; /* movabs %al, address */
	memcpy(code + 1, &address, 8);
	put_leave(code + 9);
	assert_true(run(code));
	assert_int_equal(device_log.writes, 1);
	assert_int_equal(device_log.write[0].offset, 0x81);
	assert_int_equal(device_log.write[0].value, cpu.gpr[RAX] & 0xff);
}

/* Nothing is mapped behind the page, and what is decoded ends with it. */
static void test_code_at_page_end(void **state)
{
	static const uint8_t add[] = {0x48, 0x01, 0x07}, jmp[] = {0xeb, 0x80};
	uint8_t *code = code_page();

	ready(DEVICE, PROT_READ);
	memcpy(code + PAGE - 5, add, 3);
	memcpy(code + PAGE - 2, jmp, 2);
	put_leave(code + PAGE - 128);
	assert_true(run(code + PAGE - 5));
	assert_int_equal(device_log.writes, 1);
}

static void test_control(void **state)
{
	void (*leave)(void) = cpu_leave;
	uint64_t pushed;

	ready(DEVICE, PROT_NONE);
	memcpy(device_alias, &leave, 8);
	assert_true(run(case_jump));
	assert_int_equal(device_log.reads, 1);
	assert_int_equal(cpu.gpr[RSP], STACK);
	assert_true(run(case_call));
	assert_int_equal(cpu.gpr[RSP], STACK - 8);
	memcpy(&pushed, (void *)(STACK - 8), 8);
	assert_int_equal(pushed, (uintptr_t)case_call + 2);
}

static void test_hint(void **state)
{
	ready(DEVICE, PROT_NONE);
	assert_true(run(case_flush));
	assert_int_equal(device_log.reads + device_log.writes, 0);
}

/* ---- frames made by hand ---- */

struct frame {
	ucontext_t uc;
	siginfo_t info;
};

static enum trap_verdict handle_code(struct frame *f, const void *code, uintptr_t va)
{
	log_clear();
	f->info = (siginfo_t){.si_signo = SIGSEGV, .si_code = SEGV_ACCERR};
	f->info.si_addr = (void *)va;
	f->uc.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)code;
	return trap_handle(SIGSEGV, &f->info, &f->uc);
}

/* Instructions that this CPU may not have. */
static void test_direct_stores(void **state)
{
	static const uint8_t movdir64b[16] = {0x66, 0x0f, 0x38, 0xf8,
					      0x06}; /* movdir64b (%rsi), %rax */
	static const uint8_t movdiri[16] = {0x48, 0x0f, 0x38, 0xf9,
					    0x0f}; /* movdiri %rcx, (%rdi) */
	struct frame f = {0};

	ready(DEVICE, PROT_READ);
	f.uc.uc_mcontext.gregs[REG_RAX] = DEVICE + 64;
	f.uc.uc_mcontext.gregs[REG_RSI] = SOURCE;
	assert_int_equal(handle_code(&f, movdir64b, DEVICE + 64), TRAP_DONE);
	assert_int_equal(f.uc.uc_mcontext.gregs[REG_RIP], (uintptr_t)movdir64b + 5);
	assert_int_equal(device_log.writes, 8);
	assert_memory_equal(device_alias + 64, (void *)SOURCE, 64);
	f.uc.uc_mcontext.gregs[REG_RCX] = 0x123456789abcdef;
	f.uc.uc_mcontext.gregs[REG_RDI] = DEVICE + 8;
	assert_int_equal(handle_code(&f, movdiri, DEVICE + 8), TRAP_DONE);
	assert_int_equal(device_log.writes, 1);
	assert_int_equal(device_log.write[0].value, 0x123456789abcdef);
}

static void test_unknown(void **state)
{
	static const uint8_t invalid[16] = {0x0f, 0xff, 0xff, 0xff};
	static const uint8_t vmovups[16] = {0xc5, 0xfc, 0x11,
					    0x0f}; /* and no frame to find YMM1 in */
	struct frame f = {0};

	ready(DEVICE, PROT_READ);
	f.uc.uc_mcontext.gregs[REG_RDI] = DEVICE;
	assert_int_equal(handle_code(&f, invalid, DEVICE), TRAP_UNKNOWN);
	assert_int_equal(handle_code(&f, vmovups, DEVICE), TRAP_UNKNOWN);
	assert_int_equal(f.info.si_signo, SIGSEGV);
	assert_int_equal(f.uc.uc_mcontext.gregs[REG_RIP], (uintptr_t)vmovups);
	assert_int_equal(device_log.writes, 0);
}

static void test_not_ours(void **state)
{
	struct frame f = {0};

	ready(DEVICE, PROT_READ);
	f.uc.uc_mcontext.gregs[REG_RDI] = DEVICE;
	assert_int_equal(handle_code(&f, case_store8, DEVICE - 1), TRAP_NOT_OURS);
	assert_int_equal(handle_code(&f, case_store8, LAST), TRAP_NOT_OURS);
	f.info.si_addr = (void *)DEVICE;
	f.info.si_code = SI_USER;
	assert_int_equal(trap_handle(SIGSEGV, &f.info, &f.uc), TRAP_NOT_OURS);
	f.info.si_code = SI_KERNEL;
	assert_int_equal(trap_handle(SIGSEGV, &f.info, &f.uc), TRAP_NOT_OURS);
	f.info.si_code = SEGV_ACCERR;
	assert_int_equal(trap_handle(SIGBUS, &f.info, &f.uc), TRAP_NOT_OURS);
	f.uc.uc_mcontext.gregs[REG_ERR] = 0x14; /* user, instruction fetch */
	assert_int_equal(trap_handle(SIGSEGV, &f.info, &f.uc), TRAP_NOT_OURS);
	assert_int_equal(device_log.writes, 0);
}

/* ---- living in a handler ---- */

static void test_errno(void **state)
{
	ready(DEVICE, PROT_NONE);
	errno = EXFULL;
	assert_true(run(case_store8));
	assert_true(run(case_load8));
	assert_int_equal(errno, EXFULL);
}

static void *on_fresh_stack(void *arg)
{
	static const void *const codes[] = {case_store8, case_vector, case_rotate, case_rep_movsb};
	size_t *used = arg;

	bed_stack();
	for (size_t n = 0; n < NR(codes); n++) {
		cpu_random(&cpu, DEVICE);
		run(codes[n]);
	}
	*used = bed_stack_used();
	return NULL;
}

static void test_stack(void **state)
{
	size_t used = 0;
	pthread_t thread;

	ready(DEVICE, PROT_READ);
	assert_int_equal(pthread_create(&thread, NULL, on_fresh_stack, &used), 0);
	pthread_join(thread, NULL);
	print_message("%zu bytes of stack, the kernel's frame included\n", used);
	assert_in_range(used, 1, SANITIZED ? 64 * 1024 : 16 * 1024);
}

/* ---- threads ---- */

#define THREADS 12
#define ROUNDS	400

static void add_locked(uint64_t *counter)
{
	__asm__ volatile("lock addq $1, %0" : "+m"(*counter));
}

/* A shared counter, a register of its own by a handler, and one by the relocator. */
static void *thread_stores(void *arg)
{
	uint64_t *registers = (uint64_t *)DEVICE, *own = registers + 16 + 4 * (uintptr_t)arg;
	uintptr_t wrong = 0;

	bed_stack();
	for (uint64_t n = 0; n < ROUNDS; n++) {
		add_locked(registers);
		__atomic_store_n(&own[0], n, __ATOMIC_RELAXED);
		wrong += __atomic_load_n(&own[0], __ATOMIC_RELAXED) != n;
		__asm__ volatile("rolq $1, %0" : "+m"(own[1]));
		__asm__ volatile("lock btcq $5, %0" : "+m"(registers[1]));
	}
	return (void *)wrong;
}

static bool mapping;

static void *thread_maps(void *arg)
{
	struct trap_region r = {FIELD, 3 * PAGE, &outcome, 0, device_alias, 0};

	while (__atomic_load_n(&mapping, __ATOMIC_RELAXED)) {
		trap_region_add(&r);
		trap_region_remove(FIELD + PAGE, PAGE);
		trap_region_remove(FIELD, 3 * PAGE);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct trap_region r = {DEVICE, DEVICE_SIZE, NULL, 0, device_alias, 0};
	uint64_t *registers = (uint64_t *)DEVICE;
	pthread_t threads[THREADS], mapper;
	void *wrong;

	bed_arm();
	device_protect(PROT_READ);
	assert_int_equal(trap_region_add(&r), 0);
	memset(device_alias, 0, DEVICE_SIZE);
	for (uintptr_t n = 0; n < THREADS; n++)
		((uint64_t *)device_alias)[16 + 4 * n + 1] = 1;
	__atomic_store_n(&mapping, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&mapper, NULL, thread_maps, NULL), 0);
	for (uintptr_t n = 0; n < THREADS; n++)
		assert_int_equal(pthread_create(&threads[n], NULL, thread_stores, (void *)n), 0);
	for (unsigned n = 0; n < THREADS; n++) {
		pthread_join(threads[n], &wrong);
		assert_null(wrong);
		assert_int_equal(registers[16 + 4 * n], ROUNDS - 1);
		assert_int_equal(registers[16 + 4 * n + 1], 1ull << ROUNDS % 64);
	}
	__atomic_store_n(&mapping, false, __ATOMIC_RELAXED);
	pthread_join(mapper, NULL);
	assert_int_equal(registers[0], THREADS * ROUNDS);
	assert_int_equal(registers[1], 0);
}

static void test_fork(void **state)
{
	int status = 0;
	pid_t pid;

	ready(DEVICE, PROT_READ);
	pid = fork();
	if (!pid) {
		trap_fork_child();
		_exit(run(case_rotate) && run(case_xadd) ? 42 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_true(run(case_rotate));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_many_regions),
		cmocka_unit_test(test_bad_regions),
		cmocka_unit_test(test_two_devices),
		cmocka_unit_test(test_past_the_end),
		cmocka_unit_test(test_masked_past_the_end),
		cmocka_unit_test(test_disabled),
		cmocka_unit_test(test_readonly),
		cmocka_unit_test(test_division),
		cmocka_unit_test(test_source_ends),
		cmocka_unit_test(test_source_overlaps),
		cmocka_unit_test(test_long_repetition),
		cmocka_unit_test(test_no_repetition),
		cmocka_unit_test(test_rip_relative),
		cmocka_unit_test(test_absolute),
		cmocka_unit_test(test_code_at_page_end),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_hint),
		cmocka_unit_test(test_direct_stores),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_stack),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_fork),
	};

	return cmocka_run_group_tests(tests, bed_setup, NULL);
}
