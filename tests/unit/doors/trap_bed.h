/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of two pages between two pages of ordinary memory, a CPU whose whole state can be set
 * and read, and a SIGSEGV handler that calls the trap and nothing else.
 */
#ifndef TRAP_BED_H
#define TRAP_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doors/preload/trap.h"

#define PAGE	    4096ul
#define ARENA	    0x20000000ul /* below 4 GiB, so that 32-bit addresses reach it */
#define ARENA_SIZE  (4 * PAGE)
#define DEVICE	    (ARENA + PAGE)
#define DEVICE_SIZE (2 * PAGE)
#define SIDE	    0x20010000ul /* ordinary: what MOVS reads, and the stack */
#define SIDE_SIZE   (4 * PAGE)
#define SOURCE	    (SIDE + PAGE)
#define STACK	    (SIDE + 3 * PAGE)

/* The order of the instruction encoding. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct cpu {
	uint64_t gpr[16];
	uint64_t flags;
	uint64_t components; /* XSAVE's */
	uint8_t fill[192 - 18 * 8];
	uint8_t xsave[4096];
} __attribute__((aligned(64)));

struct access {
	void *cookie;
	uint64_t offset;
	unsigned size;
	uint64_t value;
};

#define LOG_MAX 4096

/* What the device has seen since log_clear(), if its cookie is not NULL; for one thread. */
struct log {
	size_t writes, reads;
	struct access write[LOG_MAX], read[LOG_MAX];
};
extern struct log device_log;
extern bool device_enabled;
extern uint8_t *device_alias;

/* The last trap's outcome, unless TRAP_DONE; the code that trapped was then left. */
struct outcome {
	enum trap_verdict verdict;
	int signo, code;
	uintptr_t address;
	size_t traps;
};
extern struct outcome outcome;

extern const void *cpu_code;
void cpu_run(struct cpu *c);
void cpu_leave(void);

bool bed_load(void *dst, const void *src, size_t len);
bool bed_store(void *dst, const void *src, size_t len);
extern const struct trap_ops bed_ops;

/* cmocka's group set-up: maps the arena and starts the trap. */
int bed_setup(void **state);
/* The handler, which cmocka replaces before each test. */
void bed_arm(void);
/* An alternate stack for the calling thread. */
void bed_stack(void);
/* The deepest use of the calling thread's so far. */
size_t bed_stack_used(void);
void log_clear(void);
/* How the program has it: PROT_READ | PROT_WRITE (no region then), PROT_READ or PROT_NONE. */
void device_protect(int prot);

uint64_t random64(void);
/* Random registers and vectors; pointers to this operand as trap_rows.h has them. */
void cpu_random(struct cpu *c, uintptr_t operand);
/* Clears what may differ: components in their initial state, x87's instruction pointers. */
void cpu_settle(struct cpu *c);
bool cpu_has(unsigned needs);

#endif
