/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instructions on general registers with one operand in memory, which may be the source or the
 * destination.
 *
 * Status flags that the manuals leave undefined get the value that current CPUs give them. A
 * handler that meets an operand it does not expect (a segment register, for one) leaves the
 * instruction to the relocator.
 */
#include "trap_private.h"

enum {
	FLAG_CF = 1 << 0,
	FLAG_PF = 1 << 2,
	FLAG_AF = 1 << 4,
	FLAG_ZF = 1 << 6,
	FLAG_SF = 1 << 7,
	FLAG_OF = 1 << 11,
};

/* ---- operands ---- */

static bool is_memory(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

/* A general register or an immediate. */
static bool value_of(const struct trap_insn *t, const ZydisDecodedOperand *op, uint64_t *value)
{
	if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		*value = op->imm.value.u;
	else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && frame_is_gpr(op->reg.value))
		*value = frame_gpr(t, op->reg.value);
	else
		return false;
	return true;
}

static bool is_gpr(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && frame_is_gpr(op->reg.value);
}

static bool load_operand(struct trap_insn *t, const ZydisDecodedOperand *op, uint64_t *value)
{
	return memory_load_value(t, memory_address(t, op), op->size / 8, value);
}

static bool store_operand(struct trap_insn *t, const ZydisDecodedOperand *op, uint64_t value)
{
	return memory_store_value(t, memory_address(t, op), op->size / 8, value);
}

/* ---- flags ---- */

static uint64_t top_bit(unsigned size)
{
	return 1ull << (size * 8 - 1);
}

static uint64_t cut(uint64_t value, unsigned size)
{
	return value & (top_bit(size) | (top_bit(size) - 1));
}

static uint64_t flags_result(uint64_t r, unsigned size)
{
	uint64_t flags = 0;

	if (!cut(r, size))
		flags |= FLAG_ZF;
	if (r & top_bit(size))
		flags |= FLAG_SF;
	if (!__builtin_parity((unsigned)r & 0xff))
		flags |= FLAG_PF;
	return flags;
}

static uint64_t flags_add(uint64_t a, uint64_t b, uint64_t r, unsigned size)
{
	uint64_t flags = flags_result(r, size), top = top_bit(size);

	if (((a & b) | ((a | b) & ~r)) & top)
		flags |= FLAG_CF;
	if ((a ^ r) & (b ^ r) & top)
		flags |= FLAG_OF;
	return flags | ((a ^ b ^ r) & FLAG_AF);
}

static uint64_t flags_subtract(uint64_t a, uint64_t b, uint64_t r, unsigned size)
{
	uint64_t flags = flags_result(r, size), top = top_bit(size);

	if (((~a & b) | ((~a | b) & r)) & top)
		flags |= FLAG_CF;
	if ((a ^ b) & (a ^ r) & top)
		flags |= FLAG_OF;
	return flags | ((a ^ b ^ r) & FLAG_AF);
}

uint64_t integer_flags_sub(uint64_t a, uint64_t b, unsigned size)
{
	return flags_subtract(a, b, a - b, size);
}

static void set_flags(struct trap_insn *t, uint64_t which, uint64_t flags)
{
	t->gregs[REG_EFL] = (greg_t)(((uint64_t)t->gregs[REG_EFL] & ~which) | (flags & which));
}

/* ---- moves ---- */

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
	return __builtin_bswap64(value) >> (64 - size * 8);
}

/* MOV, MOVNTI, MOVDIRI, MOVBE; either way. */
enum trap_step integer_move(struct trap_insn *t)
{
	const ZydisDecodedOperand *to = &t->op[0], *from = &t->op[1];
	bool swap = t->i.mnemonic == ZYDIS_MNEMONIC_MOVBE;
	uint64_t value;

	if (is_memory(to)) {
		if (!value_of(t, from, &value))
			return STEP_UNKNOWN;
		value = swap ? swap_bytes(value, to->size / 8) : value;
		return store_operand(t, to, value) ? STEP_DONE : STEP_FAULT;
	}
	if (!is_memory(from) || !is_gpr(to))
		return STEP_UNKNOWN;
	if (!load_operand(t, from, &value))
		return STEP_FAULT;
	frame_set_gpr(t, to->reg.value, swap ? swap_bytes(value, from->size / 8) : value);
	return STEP_DONE;
}

/* MOVZX, MOVSX, MOVSXD. */
enum trap_step integer_extend(struct trap_insn *t)
{
	unsigned size = t->op[1].size / 8;
	uint64_t value;

	if (!load_operand(t, &t->op[1], &value))
		return STEP_FAULT;
	if (t->i.mnemonic != ZYDIS_MNEMONIC_MOVZX && value & top_bit(size))
		value |= ~(top_bit(size) - 1);
	frame_set_gpr(t, t->op[0].reg.value, value);
	return STEP_DONE;
}

/* Intel SDM volume 1, appendix B: the low four bits of the opcode. */
static bool condition(uint64_t flags, unsigned code)
{
	bool cf = flags & FLAG_CF, zf = flags & FLAG_ZF,
	     less = !(flags & FLAG_SF) != !(flags & FLAG_OF);
	bool met;

	switch (code >> 1) {
	case 0:
		met = flags & FLAG_OF;
		break;
	case 1:
		met = cf;
		break;
	case 2:
		met = zf;
		break;
	case 3:
		met = cf || zf;
		break;
	case 4:
		met = flags & FLAG_SF;
		break;
	case 5:
		met = flags & FLAG_PF;
		break;
	case 6:
		met = less;
		break;
	default:
		met = less || zf;
		break;
	}
	return met != (code & 1);
}

enum trap_step integer_set(struct trap_insn *t)
{
	bool met = condition((uint64_t)t->gregs[REG_EFL], t->i.opcode & 15);

	return store_operand(t, &t->op[0], met) ? STEP_DONE : STEP_FAULT;
}

/* ---- arithmetic ---- */

struct result {
	uint64_t value, flags;
	bool keep; /* compared only */
};

static struct result alu(ZydisMnemonic mnemonic, uint64_t a, uint64_t b, unsigned size,
			 uint64_t carry)
{
	struct result r = {0};

	switch (mnemonic) {
	case ZYDIS_MNEMONIC_ADC:
	case ZYDIS_MNEMONIC_ADD:
		r.value = a + b + (mnemonic == ZYDIS_MNEMONIC_ADC ? carry : 0);
		r.flags = flags_add(a, b, r.value, size);
		return r;
	case ZYDIS_MNEMONIC_SBB:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_CMP:
		r.value = a - b - (mnemonic == ZYDIS_MNEMONIC_SBB ? carry : 0);
		r.flags = flags_subtract(a, b, r.value, size);
		r.keep = mnemonic == ZYDIS_MNEMONIC_CMP;
		return r;
	case ZYDIS_MNEMONIC_OR:
		r.value = a | b;
		break;
	case ZYDIS_MNEMONIC_XOR:
		r.value = a ^ b;
		break;
	default:
		r.value = a & b;
		r.keep = mnemonic == ZYDIS_MNEMONIC_TEST;
		break;
	}
	r.flags = flags_result(r.value, size);
	return r;
}

/* ADD ADC SUB SBB AND OR XOR CMP TEST; the memory operand first or second. */
enum trap_step integer_alu(struct trap_insn *t)
{
	const ZydisDecodedOperand *to = &t->op[0], *from = &t->op[1];
	uint64_t a, b, carry = (uint64_t)t->gregs[REG_EFL] & FLAG_CF;
	struct result r;

	if (is_memory(to)) {
		if (!value_of(t, from, &b))
			return STEP_UNKNOWN;
		if (!load_operand(t, to, &a))
			return STEP_FAULT;
	} else {
		if (!is_memory(from) || !value_of(t, to, &a))
			return STEP_UNKNOWN;
		if (!load_operand(t, from, &b))
			return STEP_FAULT;
	}
	r = alu(t->i.mnemonic, a, b, to->size / 8, carry);
	if (!r.keep && is_memory(to) && !store_operand(t, to, r.value))
		return STEP_FAULT;
	if (!r.keep && !is_memory(to))
		frame_set_gpr(t, to->reg.value, r.value);
	set_flags(t, TRAP_STATUS_FLAGS, r.flags);
	return STEP_DONE;
}

/* INC DEC NEG NOT. */
enum trap_step integer_unary(struct trap_insn *t)
{
	unsigned size = t->op[0].size / 8;
	uint64_t a, r, flags, which = TRAP_STATUS_FLAGS;

	if (!load_operand(t, &t->op[0], &a))
		return STEP_FAULT;
	switch (t->i.mnemonic) {
	case ZYDIS_MNEMONIC_INC:
		r = a + 1;
		flags = flags_add(a, 1, r, size);
		which &= ~(uint64_t)FLAG_CF;
		break;
	case ZYDIS_MNEMONIC_DEC:
		r = a - 1;
		flags = flags_subtract(a, 1, r, size);
		which &= ~(uint64_t)FLAG_CF;
		break;
	case ZYDIS_MNEMONIC_NEG:
		r = -a;
		flags = flags_subtract(0, a, r, size);
		break;
	default:
		r = ~a;
		flags = 0;
		which = 0;
		break;
	}
	if (!store_operand(t, &t->op[0], r))
		return STEP_FAULT;
	set_flags(t, which, flags);
	return STEP_DONE;
}

/* BT BTS BTR BTC. A bit offset in a register reaches beyond the operand, in both directions. */
enum trap_step integer_bit(struct trap_insn *t)
{
	unsigned size = t->op[0].size / 8;
	uintptr_t va = memory_address(t, &t->op[0]);
	uint64_t bit, a, r;

	if (!value_of(t, &t->op[1], &bit))
		return STEP_UNKNOWN;
	if (t->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int64_t offset = size == 8 ? (int64_t)bit : size == 4 ? (int32_t)bit : (int16_t)bit;

		va += (uint64_t)(offset >> __builtin_ctz(size * 8)) * size;
	}
	bit &= size * 8 - 1;
	if (!memory_load_value(t, va, size, &a))
		return STEP_FAULT;
	switch (t->i.mnemonic) {
	case ZYDIS_MNEMONIC_BTS:
		r = a | 1ull << bit;
		break;
	case ZYDIS_MNEMONIC_BTR:
		r = a & ~(1ull << bit);
		break;
	case ZYDIS_MNEMONIC_BTC:
		r = a ^ 1ull << bit;
		break;
	default:
		r = a;
		break;
	}
	if (t->i.mnemonic != ZYDIS_MNEMONIC_BT && !memory_store_value(t, va, size, r))
		return STEP_FAULT;
	set_flags(t, FLAG_CF, a >> bit & 1);
	return STEP_DONE;
}

/* ---- exchanges ---- */

enum trap_step integer_exchange(struct trap_insn *t)
{
	const ZydisDecodedOperand *memory = is_memory(&t->op[0]) ? &t->op[0] : &t->op[1];
	const ZydisDecodedOperand *reg = is_memory(&t->op[0]) ? &t->op[1] : &t->op[0];
	uint64_t old;

	if (!load_operand(t, memory, &old) ||
	    !store_operand(t, memory, frame_gpr(t, reg->reg.value)))
		return STEP_FAULT;
	frame_set_gpr(t, reg->reg.value, old);
	return STEP_DONE;
}

enum trap_step integer_exchange_add(struct trap_insn *t)
{
	uint64_t old, addend = frame_gpr(t, t->op[1].reg.value);

	if (!load_operand(t, &t->op[0], &old) || !store_operand(t, &t->op[0], old + addend))
		return STEP_FAULT;
	frame_set_gpr(t, t->op[1].reg.value, old);
	set_flags(t, TRAP_STATUS_FLAGS, flags_add(old, addend, old + addend, t->op[0].size / 8));
	return STEP_DONE;
}

/* If the comparison fails the destination is written too, with its old value (Intel SDM). */
enum trap_step integer_compare_exchange(struct trap_insn *t)
{
	unsigned size = t->op[0].size / 8;
	ZydisRegister accumulator = t->op[2].reg.value;
	uint64_t old, expected = frame_gpr(t, accumulator);
	bool equal;

	if (!load_operand(t, &t->op[0], &old))
		return STEP_FAULT;
	equal = old == expected;
	if (!store_operand(t, &t->op[0], equal ? frame_gpr(t, t->op[1].reg.value) : old))
		return STEP_FAULT;
	if (!equal)
		frame_set_gpr(t, accumulator, old);
	set_flags(t, TRAP_STATUS_FLAGS, flags_subtract(expected, old, expected - old, size));
	return STEP_DONE;
}

/* CMPXCHG8B, CMPXCHG16B: high and low half, twice. */
enum trap_step integer_compare_exchange_pair(struct trap_insn *t)
{
	ZydisRegister high = t->op[1].reg.value, low = t->op[2].reg.value;
	uintptr_t va = memory_address(t, &t->op[0]);
	unsigned half = t->op[0].size / 16;
	uint8_t old[16], new[16];
	uint64_t value[2] = {0};
	bool equal;

	if (!memory_load(t, va, old, half * 2, MEMORY_WHOLE))
		return STEP_FAULT;
	__builtin_memcpy(&value[0], old, half);
	__builtin_memcpy(&value[1], old + half, half);
	equal = value[0] == frame_gpr(t, low) && value[1] == frame_gpr(t, high);
	if (equal) {
		uint64_t with[2] = {frame_gpr(t, t->op[4].reg.value),
				    frame_gpr(t, t->op[3].reg.value)};

		__builtin_memcpy(new, &with[0], half);
		__builtin_memcpy(new + half, &with[1], half);
	}
	if (!memory_store(t, va, equal ? new : old, half * 2, MEMORY_WHOLE))
		return STEP_FAULT;
	if (!equal) {
		frame_set_gpr(t, low, value[0]);
		frame_set_gpr(t, high, value[1]);
	}
	set_flags(t, FLAG_ZF, equal ? FLAG_ZF : 0);
	return STEP_DONE;
}

/* ---- stack and control ---- */

static bool push(struct trap_insn *t, unsigned size, uint64_t value)
{
	uint64_t sp = (uint64_t)t->gregs[REG_RSP] - size;

	if (!memory_store_value(t, sp, size, value))
		return false;
	t->gregs[REG_RSP] = (greg_t)sp;
	return true;
}

enum trap_step integer_push(struct trap_insn *t)
{
	uint64_t value;

	if (is_memory(&t->op[0])) {
		if (!load_operand(t, &t->op[0], &value))
			return STEP_FAULT;
	} else if (!value_of(t, &t->op[0], &value)) {
		return STEP_UNKNOWN;
	}
	return push(t, t->i.operand_width / 8, value) ? STEP_DONE : STEP_FAULT;
}

/* An address that is made from RSP is made from its new value. */
enum trap_step integer_pop(struct trap_insn *t)
{
	unsigned size = t->i.operand_width / 8;
	greg_t sp = t->gregs[REG_RSP];
	uint64_t value;

	if (!is_memory(&t->op[0]) && !is_gpr(&t->op[0]))
		return STEP_UNKNOWN;
	if (!memory_load_value(t, (uintptr_t)sp, size, &value))
		return STEP_FAULT;
	t->gregs[REG_RSP] += size;
	if (!is_memory(&t->op[0])) {
		frame_set_gpr(t, t->op[0].reg.value, value);
		return STEP_DONE;
	}
	if (store_operand(t, &t->op[0], value))
		return STEP_DONE;
	t->gregs[REG_RSP] = sp;
	return STEP_FAULT;
}

/* Near jumps and calls through memory; far ones need privileges that no BAR grants. */
static enum trap_step near_target(struct trap_insn *t, uint64_t *target)
{
	if (!is_memory(&t->op[0]) || t->i.meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR ||
	    t->op[0].size != 64)
		return STEP_UNKNOWN;
	return load_operand(t, &t->op[0], target) ? STEP_DONE : STEP_FAULT;
}

enum trap_step integer_jump(struct trap_insn *t)
{
	uint64_t target;
	enum trap_step step = near_target(t, &target);

	if (step != STEP_DONE)
		return step;
	t->gregs[REG_RIP] = (greg_t)target;
	return STEP_STAY;
}

enum trap_step integer_call(struct trap_insn *t)
{
	uint64_t target;
	enum trap_step step = near_target(t, &target);

	if (step != STEP_DONE)
		return step;
	if (!push(t, 8, (uint64_t)t->gregs[REG_RIP] + t->i.length))
		return STEP_FAULT;
	t->gregs[REG_RIP] = (greg_t)target;
	return STEP_STAY;
}

/* ---- the rest ---- */

/* XLAT: AL indexes a table at RBX, which Zydis leaves out of the operand. */
enum trap_step integer_translate(struct trap_insn *t)
{
	uint64_t value, address = frame_gpr(t, t->op[0].mem.base) + frame_gpr(t, ZYDIS_REGISTER_AL);

	if (t->i.address_width == 32)
		address = (uint32_t)address;
	address += memory_segment_base(t, t->op[0].mem.segment);
	if (!memory_load_value(t, address, 1, &value))
		return STEP_FAULT;
	frame_set_gpr(t, ZYDIS_REGISTER_AL, value);
	return STEP_DONE;
}

/* Cache line write-backs and prefetches: a device has no line to write back. */
enum trap_step integer_hint(struct trap_insn *t)
{
	return STEP_DONE;
}

/* MOVDIR64B: from memory to where a register points; CLZERO: zeros to the line around RAX. */
enum trap_step integer_move_line(struct trap_insn *t)
{
	uint64_t to = frame_gpr(t, t->op[0].reg.value);
	uint8_t line[64] = {0};

	if (t->i.address_width == 32)
		to = (uint32_t)to;
	if (t->i.mnemonic == ZYDIS_MNEMONIC_CLZERO)
		to &= ~63ull;
	else if (!memory_load(t, memory_address(t, &t->op[1]), line, sizeof(line), MEMORY_WHOLE))
		return STEP_FAULT;
	return memory_store(t, to, line, sizeof(line), MEMORY_WHOLE) ? STEP_DONE : STEP_FAULT;
}
