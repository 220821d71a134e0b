/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the store trap share.
 *
 *   trap.c           the regions' owner: init, decoding, dispatch
 *   trap_region.c    which pages are a BAR
 *   trap_frame.c     the program's registers in the signal frame
 *   trap_memory.c    addresses, loads and stores, cut between device and ordinary memory
 *   trap_table.c     which handler carries out which mnemonic
 *   trap_integer.c, trap_string.c, trap_vector.c   the handlers
 *   trap_relocate.c  any other instruction, run on a scratch page; trap_switch.S goes there and
 * back
 *
 * A handler has one rule: everything that can fault comes before anything that is visible. When it
 * returns STEP_FAULT or STEP_UNKNOWN registers and memory are as if the instruction had not begun
 * (a string instruction, a gather or a scatter: as between two elements).
 */
#ifndef IOAS_DOORS_PRELOAD_TRAP_PRIVATE_H
#define IOAS_DOORS_PRELOAD_TRAP_PRIVATE_H

#include <Zydis/Decoder.h>

#include "trap.h"

#define TRAP_PAGE 4096ul

enum trap_step {
	STEP_DONE,    /* go on behind the instruction */
	STEP_STAY,    /* go on where RIP is: a jump, or a string instruction that has more to do */
	STEP_FAULT,   /* info is set */
	STEP_UNKNOWN, /* not a form that this handler knows */
};

/* One trapped instruction. */
struct trap_insn {
	greg_t *gregs;
	uint8_t *fpu;	   /* FXSAVE image, XSAVE's if features has more than x87 and SSE */
	uint64_t features; /* XSAVE components that the frame holds; 0 without an FPU frame */
	siginfo_t *info;
	uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	uintptr_t line_va; /* MOVS: the line of ordinary memory that has been read ahead, or 0 */
	uint8_t line[64];
};

typedef enum trap_step (*trap_handler)(struct trap_insn *t);

extern const struct trap_ops *trap_ops;

/* Raw: the preload library catches libc's system calls, those of the program. */
static inline long trap_syscall(long number, long a, long b, long c)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "0"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return rc;
}

/* ---- frame ---- */

/* XSAVE components, Intel SDM volume 1, 13.1. */
enum {
	FRAME_X87 = 1 << 0,
	FRAME_SSE = 1 << 1,
	FRAME_AVX = 1 << 2,
	FRAME_OPMASK = 1 << 5,
	FRAME_ZMM_HI = 1 << 6,
	FRAME_HI16 = 1 << 7,
	FRAME_ALL = FRAME_X87 | FRAME_SSE | FRAME_AVX | FRAME_OPMASK | FRAME_ZMM_HI | FRAME_HI16,
};
#define FRAME_FXSAVE_USED 464 /* what follows is the kernel's, XSAVE leaves it alone */
#define FRAME_HEADER	  512 /* XSTATE_BV */
#define FRAME_XSAVE_MAX	  4096

struct frame_layout {
	uint16_t offset[8]; /* of component n in the standard form */
	uint16_t size[8];
	uint32_t xsave_size; /* of all that is enabled in XCR0 */
};
extern struct frame_layout frame_layout;

void frame_init(void);
void frame_open(struct trap_insn *t, ucontext_t *uc);

bool frame_is_gpr(ZydisRegister reg);
unsigned frame_gpr_index(ZydisRegister reg); /* into gregs; the register that holds reg */
unsigned frame_gpr_size(ZydisRegister reg);
uint64_t frame_gpr(const struct trap_insn *t, ZydisRegister reg);
/* 32-bit writes clear the upper half, smaller ones keep the rest. */
void frame_set_gpr(struct trap_insn *t, ZydisRegister reg, uint64_t value);

/* An MMX, XMM, YMM, ZMM or mask register, zero-extended; false if the frame does not hold it. */
bool frame_vector(const struct trap_insn *t, ZydisRegister reg, uint8_t out[64]);
/* Writes as VEX and EVEX do: what lies above len is cleared. The frame must hold the register. */
void frame_set_vector(struct trap_insn *t, ZydisRegister reg, const uint8_t in[64]);
uint64_t frame_mask(const struct trap_insn *t, ZydisRegister reg);
void frame_set_mask(struct trap_insn *t, ZydisRegister reg, uint64_t value);

/* ---- memory ---- */

#define MEMORY_WHOLE (~0ull)

uintptr_t memory_address(const struct trap_insn *t, const ZydisDecodedOperand *op);
uintptr_t memory_segment_base(const struct trap_insn *t, ZydisRegister segment);

/*
 * Which bytes of a memory operand the instruction accesses, one bit for each: not all under a mask.
 * MEMORY_WHOLE for operands of more than 64 bytes, which no instruction masks.
 */
uint64_t memory_bytes(const struct trap_insn *t, const ZydisDecodedOperand *op);

/* bytes has a bit for each byte accessed; MEMORY_WHOLE if len > 64. On false info is set. */
bool memory_load(struct trap_insn *t, uintptr_t va, void *dst, size_t len, uint64_t bytes);
bool memory_store(struct trap_insn *t, uintptr_t va, const void *src, size_t len, uint64_t bytes);
/* Without side effects: the alias's bytes, zeros for ordinary memory. */
void memory_peek(uintptr_t va, void *dst, size_t len);

/* Loads and stores of up to 8 bytes, zero-extended. */
bool memory_load_value(struct trap_insn *t, uintptr_t va, unsigned size, uint64_t *value);
bool memory_store_value(struct trap_insn *t, uintptr_t va, unsigned size, uint64_t value);

/* ---- handlers ---- */

/* NULL: no handler, relocate. */
trap_handler trap_table_find(ZydisMnemonic mnemonic);

enum trap_step integer_move(struct trap_insn *t);
enum trap_step integer_extend(struct trap_insn *t);
enum trap_step integer_set(struct trap_insn *t);
enum trap_step integer_alu(struct trap_insn *t);
enum trap_step integer_unary(struct trap_insn *t);
enum trap_step integer_bit(struct trap_insn *t);
enum trap_step integer_exchange(struct trap_insn *t);
enum trap_step integer_exchange_add(struct trap_insn *t);
enum trap_step integer_compare_exchange(struct trap_insn *t);
enum trap_step integer_compare_exchange_pair(struct trap_insn *t);
enum trap_step integer_translate(struct trap_insn *t);
enum trap_step integer_push(struct trap_insn *t);
enum trap_step integer_pop(struct trap_insn *t);
enum trap_step integer_call(struct trap_insn *t);
enum trap_step integer_jump(struct trap_insn *t);
enum trap_step integer_hint(struct trap_insn *t);
enum trap_step integer_move_line(struct trap_insn *t);

enum trap_step string_move(struct trap_insn *t);
enum trap_step string_store(struct trap_insn *t);
enum trap_step string_load(struct trap_insn *t);
enum trap_step string_compare(struct trap_insn *t);
/* Repeats step for as long as the instruction's prefix says and it touches a region. */
enum trap_step string_repeat(struct trap_insn *t, trap_handler step);

enum trap_step vector_store(struct trap_insn *t);
enum trap_step vector_store_high(struct trap_insn *t);
enum trap_step vector_store_masked(struct trap_insn *t);
enum trap_step vector_scatter(struct trap_insn *t);
enum trap_step vector_gather(struct trap_insn *t);

/* Status flags of a subtraction of that many bytes. */
uint64_t integer_flags_sub(uint64_t a, uint64_t b, unsigned size);

#define TRAP_STATUS_FLAGS 0x8d5ull /* OF SF ZF AF PF CF */

int relocate_init(void);
void relocate_fork_child(void);
enum trap_step relocate(struct trap_insn *t);

void region_fork_child(void);

#endif
