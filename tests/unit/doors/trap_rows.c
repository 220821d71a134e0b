/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every row of trap_rows.h runs twice from the same random state: on memory that may be written, by
 * the CPU alone, and on the device, by the trap. Registers, flags, vector state and memory must be
 * the same after both, wherever the operand lies: inside, across pages, across either end of the
 * device.
 *
 * This file is linked twice: with the trap's table of handlers, and with one (trap_relocated.c)
 * that has hardly any, so that the same rows run relocated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "trap_bed.h"
#include "trap_rows.h"

#define X(name, text, ...)                                                                         \
	__asm__(".text\nrow_" #name ":\n\t" text "\n\tjmp cpu_leave\n");                           \
	extern const uint8_t row_##name[] __attribute__((visibility("hidden")));
ROWS_STORE(X)
ROWS_LOAD(X)
#undef X

struct row {
	const char *name;
	const void *code;
	unsigned needs, align;
	int bytes, calls;
	unsigned flags;
};

#define X(name, text, needs, align, bytes, calls, flags)                                           \
	{#name, row_##name, needs, align, bytes, calls, flags},
static const struct row stores[] = {ROWS_STORE(X)};
static const struct row loads[] = {ROWS_LOAD(X)};
#undef X

/* Distances from the device's start. */
static const int places[] = {0,	   64,	 640,  1,    2,	   3,	 4,    7,    8,	   13,
			     -1,   -2,	 -3,   -5,   -8,   -16,	 -31,  -48,  4095, 4094,
			     4093, 4092, 4088, 4080, 4064, 4071, 4033, 8191, 8190, 8189,
			     8188, 8184, 8176, 8160, 8165, 8128, 8131, 4096, 4160, 7000};

struct memory {
	uint8_t arena[ARENA_SIZE], side[SIDE_SIZE];
} __attribute__((aligned(8)));

struct trial {
	const struct row *row;
	int place;
	uintptr_t operand;
	int prot;
	struct cpu start, native, trapped;
	struct memory before, after;
};

static struct trial trial;

static void memory_save(struct memory *m)
{
	memcpy(m->arena, (const void *)ARENA, PAGE);
	memcpy(m->arena + PAGE, device_alias, DEVICE_SIZE);
	memcpy(m->arena + PAGE + DEVICE_SIZE, (const void *)(DEVICE + DEVICE_SIZE), PAGE);
	memcpy(m->side, (const void *)SIDE, SIDE_SIZE);
}

static void memory_restore(const struct memory *m)
{
	memcpy((void *)ARENA, m->arena, PAGE);
	memcpy(device_alias, m->arena + PAGE, DEVICE_SIZE);
	memcpy((void *)(DEVICE + DEVICE_SIZE), m->arena + PAGE + DEVICE_SIZE, PAGE);
	memcpy((void *)SIDE, m->side, SIDE_SIZE);
}

/* Half the time few different bytes, so that comparisons meet equal ones. */
static void trial_memory(bool few)
{
	uint64_t *p = (uint64_t *)&trial.before;

	for (size_t n = 0; n < sizeof(trial.before) / sizeof(*p); n++)
		p[n] = few && random64() & 3 ? 0x5a5a5a5a5a5a5a5a : random64();
}

static void trial_registers(const struct row *row, bool few)
{
	const uint8_t *at = trial.before.arena + (trial.operand - ARENA);
	struct cpu *c = &trial.start;

	cpu_random(c, trial.operand);
	if (few) {
		c->gpr[RAX] = 0x5a5a5a5a5a5a5a5a;
	} else if (random64() & 1 && trial.operand + 16 <= ARENA + ARENA_SIZE) {
		/* What CMPXCHG compares with. */
		memcpy(&c->gpr[RAX], at, 8);
		memcpy(&c->gpr[RDX], strcmp(row->name, "cmpxchg8b") ? at + 8 : at + 4, 8);
	}
	if (row->flags & ROW_SELF)
		c->gpr[RSI] = trial.operand + 128;
	if (row->flags & ROW_RBX)
		c->gpr[RBX] = trial.operand - (c->gpr[RAX] & 0xff);
	if (row->flags & ROW_RAX)
		c->gpr[RAX] = trial.operand;
	if (row->flags & ROW_STACK)
		c->gpr[RSP] = trial.operand + 8;
	if (row->flags & ROW_DF && random64() & 1)
		c->flags |= 0x400;
}

static void report(const char *what, uint64_t want, uint64_t got)
{
	fail_msg("%s at device%+d, prot %d: %s is %#llx, on ordinary memory %#llx", trial.row->name,
		 trial.place, trial.prot, what, (unsigned long long)got, (unsigned long long)want);
}

static void compare_registers(void)
{
	static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
					      "rsi", "rdi", "r8",  "r9",  "r10", "r11",
					      "r12", "r13", "r14", "r15"};
	char what[40];

	for (unsigned n = 0; n < 16; n++)
		if (trial.native.gpr[n] != trial.trapped.gpr[n])
			report(names[n], trial.native.gpr[n], trial.trapped.gpr[n]);
	if (trial.native.flags != trial.trapped.flags)
		report("rflags", trial.native.flags, trial.trapped.flags);
	for (unsigned n = 0; n < sizeof(trial.native.xsave); n++) {
		if (trial.native.xsave[n] == trial.trapped.xsave[n])
			continue;
		snprintf(what, sizeof(what), "XSAVE byte %u", n);
		report(what, trial.native.xsave[n], trial.trapped.xsave[n]);
	}
}

static void compare_memory(void)
{
	const uint8_t *want = (const uint8_t *)&trial.after;
	static struct memory got;
	char what[40];

	memory_save(&got);
	if (trial.row->flags & ROW_FXSAVE) {
		size_t at = trial.operand - ARENA;

		/* Where the last x87 instruction was. */
		memcpy(got.arena + at + 6, trial.after.arena + at + 6, 22);
	}
	if (!memcmp(&got, want, sizeof(got)))
		return;
	for (size_t n = 0; n < sizeof(got); n++) {
		if (((const uint8_t *)&got)[n] == want[n])
			continue;
		snprintf(what, sizeof(what), "byte operand%+ld", (long)(ARENA + n - trial.operand));
		report(what, want[n], ((const uint8_t *)&got)[n]);
	}
}

/* What the device saw: whole, in order, once, in natural pieces. */
static void check_accesses(const struct access *log, size_t n, bool ordered)
{
	uint64_t next = 0;

	for (size_t a = 0; a < n; a++) {
		assert_true(log[a].size && log[a].size <= 8 && !(log[a].size & (log[a].size - 1)));
		assert_int_equal(log[a].offset % log[a].size, 0);
		assert_true(log[a].offset + log[a].size <= DEVICE_SIZE);
		assert_ptr_equal(log[a].cookie, &device_log);
		if (ordered && log[a].offset < next)
			report("order of offsets", next, log[a].offset);
		next = log[a].offset + log[a].size;
	}
}

static void check_count(const struct access *log, size_t n)
{
	const struct row *row = trial.row;
	size_t bytes = 0;

	if (trial.place % 64 || trial.place < 0 || trial.place + 64 > (int)DEVICE_SIZE)
		return;
	if (row->flags & ROW_SELF && trial.place + 192 > (int)DEVICE_SIZE)
		return;
	for (size_t a = 0; a < n; a++)
		bytes += log[a].size;
	if (row->bytes != ANY && bytes != (size_t)row->bytes)
		report("bytes accessed", (uint64_t)row->bytes, bytes);
	if (row->calls != ANY && n != (size_t)row->calls)
		report("accesses", (uint64_t)row->calls, n);
}

/* Such an instruction may touch the other side of an end. */
static bool by_bit_offset(const struct row *row)
{
	return strstr(row->name, "bt") && row->align > 1;
}

static void check_log(bool load)
{
	const struct row *row = trial.row;
	bool ordered = !(row->flags & (ROW_RANDOM | ROW_SELF)) && !(trial.start.flags & 0x400);

	if (outcome.verdict)
		fail_msg("%s at device%+d, prot %d: verdict %d, signal %d at %#lx", row->name,
			 trial.place, trial.prot, (int)outcome.verdict, outcome.signo,
			 (unsigned long)outcome.address);
	check_accesses(device_log.write, device_log.writes, ordered);
	check_accesses(device_log.read, device_log.reads, ordered && !strstr(row->name, "gather"));
	if (!load && (trial.prot == PROT_READ || !(row->flags & ROW_READS)))
		assert_int_equal(device_log.reads, 0);
	if (load)
		assert_int_equal(device_log.writes, 0);
	if (by_bit_offset(row) && (trial.place < 128 || trial.place + 128 > (int)DEVICE_SIZE))
		return;
	if (load)
		check_count(device_log.read, device_log.reads);
	else
		check_count(device_log.write, device_log.writes);
}

static void trial_run(bool load, bool few)
{
	const struct row *row = trial.row;

	trial.operand = DEVICE + (uintptr_t)(intptr_t)trial.place;
	trial_memory(few);
	trial_registers(row, few);
	cpu_code = row->code;

	device_protect(PROT_READ | PROT_WRITE);
	memory_restore(&trial.before);
	trial.native = trial.start;
	cpu_run(&trial.native);
	memory_save(&trial.after);

	memory_restore(&trial.before);
	device_protect(trial.prot);
	log_clear();
	trial.trapped = trial.start;
	cpu_run(&trial.trapped);

	cpu_settle(&trial.native);
	cpu_settle(&trial.trapped);
	check_log(load);
	compare_registers();
	compare_memory();
}

static void rows_run(const struct row *rows, size_t n, int prot, bool load)
{
	unsigned skipped = 0;

	bed_arm();
	for (size_t r = 0; r < n; r++) {
		if (!cpu_has(rows[r].needs)) {
			skipped++;
			continue;
		}
		for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++) {
			trial.row = &rows[r];
			trial.place = places[p];
			trial.prot = prot;
			if ((unsigned)(trial.place + 4096) % rows[r].align)
				continue;
			if (rows[r].flags & ROW_DEVICE && (trial.place < 0 || trial.place > 1024))
				continue;
			trial_run(load, false);
			trial_run(load, true);
			trial_run(load, false);
		}
	}
	if (skipped)
		printf("%u of %zu instructions are not this CPU's\n", skipped, n);
}

static void test_stores(void **state)
{
	rows_run(stores, sizeof(stores) / sizeof(*stores), PROT_READ, false);
}

static void test_stores_where_loads_trap(void **state)
{
	rows_run(stores, sizeof(stores) / sizeof(*stores), PROT_NONE, false);
}

static void test_loads(void **state)
{
	rows_run(loads, sizeof(loads) / sizeof(*loads), PROT_NONE, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_stores_where_loads_trap),
		cmocka_unit_test(test_loads),
	};

	return cmocka_run_group_tests(tests, bed_setup, NULL);
}
