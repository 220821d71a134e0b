/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MOVS, STOS, LODS, CMPS and SCAS, alone and repeated. Every element is an access of its own. A
 * repeated one ends its turn where it leaves the device, and every few thousand elements: RCX, RSI
 * and RDI then say how far it has come, RIP still stands on it, and the CPU goes on, as after an
 * interrupt.
 */
#include <string.h>

#include "trap_private.h"

#define TURN 4096

static unsigned element_size(const struct trap_insn *t)
{
	return t->i.operand_width / 8;
}

static ZydisRegister pointer_width(const struct trap_insn *t, ZydisRegister full,
				   ZydisRegister half)
{
	return t->i.address_width == 32 ? half : full;
}

static ZydisRegister source(const struct trap_insn *t)
{
	return pointer_width(t, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_ESI);
}

static ZydisRegister destination(const struct trap_insn *t)
{
	return pointer_width(t, ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_EDI);
}

static const ZydisDecodedOperand *operand_at(const struct trap_insn *t, ZydisRegister base)
{
	for (unsigned n = 0; n < t->i.operand_count; n++)
		if (t->op[n].type == ZYDIS_OPERAND_TYPE_MEMORY && t->op[n].mem.base == base)
			return &t->op[n];
	return NULL;
}

static uintptr_t address_at(const struct trap_insn *t, ZydisRegister base)
{
	return memory_address(t, operand_at(t, base));
}

static void advance(struct trap_insn *t, ZydisRegister pointer)
{
	uint64_t step = element_size(t);

	frame_set_gpr(t, pointer,
		      frame_gpr(t, pointer) + (t->gregs[REG_EFL] & 0x400 ? -step : step));
}

static void set_status(struct trap_insn *t, uint64_t flags)
{
	t->gregs[REG_EFL] = (greg_t)(((uint64_t)t->gregs[REG_EFL] & ~TRAP_STATUS_FLAGS) | flags);
}

/* ---- single steps ---- */

/*
 * Ordinary memory is read a line at a time: a guarded load costs more than the device's turn. If
 * another thread changes the line while it is copied, either value is right.
 */
static bool load_ahead(struct trap_insn *t, uintptr_t va, unsigned size, uint64_t *value)
{
	uintptr_t line = va & ~(sizeof(t->line) - 1);
	struct trap_region r;

	if (va + size > line + sizeof(t->line) || trap_region_find(va, &r))
		return memory_load_value(t, va, size, value);
	if (t->line_va != line) {
		t->line_va = 0;
		if (!memory_load(t, line, t->line, sizeof(t->line), MEMORY_WHOLE))
			return memory_load_value(t, va, size, value);
		t->line_va = line;
	}
	*value = 0;
	memcpy(value, t->line + (va - line), size);
	return true;
}

static enum trap_step move_one(struct trap_insn *t)
{
	unsigned size = element_size(t);
	uintptr_t to = address_at(t, destination(t));
	uint64_t value;

	if (!load_ahead(t, address_at(t, source(t)), size, &value) ||
	    !memory_store_value(t, to, size, value))
		return STEP_FAULT;
	/* What was stored may be what is to be loaded next. */
	if (to - t->line_va < sizeof(t->line) || t->line_va - to < size)
		t->line_va = 0;
	advance(t, source(t));
	advance(t, destination(t));
	return STEP_DONE;
}

static enum trap_step store_one(struct trap_insn *t)
{
	uint64_t value = frame_gpr(t, ZYDIS_REGISTER_RAX);

	if (!memory_store_value(t, address_at(t, destination(t)), element_size(t), value))
		return STEP_FAULT;
	advance(t, destination(t));
	return STEP_DONE;
}

static enum trap_step load_one(struct trap_insn *t)
{
	uint64_t value;

	if (!memory_load_value(t, address_at(t, source(t)), element_size(t), &value))
		return STEP_FAULT;
	frame_set_gpr(t, t->op[0].reg.value, value);
	advance(t, source(t));
	return STEP_DONE;
}

/* CMPS subtracts the destination's element from the source's, SCAS from the accumulator. */
static enum trap_step compare_one(struct trap_insn *t)
{
	bool scan = t->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
	unsigned size = element_size(t);
	uint64_t a, b;

	if (scan)
		a = frame_gpr(t, t->op[0].reg.value);
	else if (!memory_load_value(t, address_at(t, source(t)), size, &a))
		return STEP_FAULT;
	if (!memory_load_value(t, address_at(t, destination(t)), size, &b))
		return STEP_FAULT;
	set_status(t, integer_flags_sub(a, b, size));
	if (!scan)
		advance(t, source(t));
	advance(t, destination(t));
	return STEP_DONE;
}

/* ---- repetition ---- */

/* 0, 0xf2 or 0xf3: the last one counts. Where no flag is compared both mean REP. */
static uint8_t repeat_prefix(const struct trap_insn *t)
{
	uint8_t prefix = 0;

	for (unsigned n = 0; n < t->i.raw.prefix_count; n++)
		if (t->i.raw.prefixes[n].value == 0xf2 || t->i.raw.prefixes[n].value == 0xf3)
			prefix = t->i.raw.prefixes[n].value;
	return prefix;
}

static bool compares(const struct trap_insn *t)
{
	switch (t->i.opcode) {
	case 0xa6:
	case 0xa7:
	case 0xae:
	case 0xaf:
		return true;
	default:
		return false;
	}
}

static bool touches_device(const struct trap_insn *t)
{
	struct trap_region r;

	for (unsigned n = 0; n < t->i.operand_count; n++)
		if (t->op[n].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    trap_region_find(memory_address(t, &t->op[n]), &r))
			return true;
	return false;
}

enum trap_step string_repeat(struct trap_insn *t, trap_handler step)
{
	ZydisRegister counter = pointer_width(t, ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_ECX);
	uint8_t prefix = repeat_prefix(t);
	enum trap_step result;

	if (!prefix)
		return step(t);
	for (unsigned turn = 0; frame_gpr(t, counter); turn++) {
		if (turn == TURN || (turn && !touches_device(t)))
			return STEP_STAY;
		result = step(t);
		if (result != STEP_DONE)
			return result;
		frame_set_gpr(t, counter, frame_gpr(t, counter) - 1);
		if (compares(t) && !(t->gregs[REG_EFL] & 0x40) == (prefix == 0xf3))
			break;
	}
	return STEP_DONE;
}

/* MOVSD and CMPSD are also the names of SSE instructions. */
enum trap_step string_move(struct trap_insn *t)
{
	if (t->i.meta.category != ZYDIS_CATEGORY_STRINGOP)
		return vector_store(t);
	return string_repeat(t, move_one);
}

enum trap_step string_store(struct trap_insn *t)
{
	return string_repeat(t, store_one);
}

enum trap_step string_load(struct trap_insn *t)
{
	return string_repeat(t, load_one);
}

enum trap_step string_compare(struct trap_insn *t)
{
	if (t->i.meta.category != ZYDIS_CATEGORY_STRINGOP)
		return STEP_UNKNOWN;
	return string_repeat(t, compare_one);
}
