/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stores of SSE, AVX, AVX-512 and mask registers, and accesses by a vector of addresses. A masked
 * store touches, and faults on, only the bytes that its mask selects. Left to the relocator are
 * vector *loads*, rare where loads trap, and MMX, of which every instruction also changes the state
 * of the x87 stack.
 */
#include <string.h>

#include "trap_private.h"

/* Stores the operand's size in bytes of a register, from lane on, counted in operand sizes. */
static enum trap_step store_lane(struct trap_insn *t, const ZydisDecodedOperand *to,
				 ZydisRegister from, unsigned lane)
{
	size_t len = to->size / 8;
	uint8_t v[64];

	if (to->type != ZYDIS_OPERAND_TYPE_MEMORY || !len || (lane + 1) * len > sizeof(v))
		return STEP_UNKNOWN;
	if ((from >= ZYDIS_REGISTER_MM0 && from <= ZYDIS_REGISTER_MM7) || !frame_vector(t, from, v))
		return STEP_UNKNOWN;
	if (!memory_store(t, memory_address(t, to), v + lane * len, len, memory_bytes(t, to)))
		return STEP_FAULT;
	return STEP_DONE;
}

/* In bits. The operand's own size is not always the register's. */
static unsigned register_width(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_ZMM0 ? 512 : reg >= ZYDIS_REGISTER_YMM0 ? 256 : 128;
}

/* Operands: memory, the mask if there is one, the source, an immediate that chooses the lane. */
enum trap_step vector_store(struct trap_insn *t)
{
	const ZydisDecodedOperand *from = &t->op[1];
	unsigned lane = 0;

	if (from->encoding == ZYDIS_OPERAND_ENCODING_MASK)
		from++;
	if (from->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return STEP_UNKNOWN;
	if (from[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		lane = (unsigned)from[1].imm.value.u &
		       (register_width(from->reg.value) / t->op[0].size - 1);
	return store_lane(t, &t->op[0], from->reg.value, lane);
}

/* MOVHPS, MOVHPD. */
enum trap_step vector_store_high(struct trap_insn *t)
{
	return store_lane(t, &t->op[0], t->op[1].reg.value, 1);
}

/* VMASKMOV and VPMASKMOV: memory, mask, source. MASKMOVDQU: source, mask, memory. */
enum trap_step vector_store_masked(struct trap_insn *t)
{
	if (t->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
		return store_lane(t, &t->op[0], t->op[2].reg.value, 0);
	if (t->op[2].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
		return store_lane(t, &t->op[2], t->op[0].reg.value, 0);
	return STEP_UNKNOWN;
}

/* ---- vectors of addresses ---- */

struct indices {
	unsigned n;
	unsigned index_size, size; /* of an index, of an element */
	uint8_t index[64];
};

static bool indexed_by_dwords(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_VPSCATTERDD:
	case ZYDIS_MNEMONIC_VPSCATTERDQ:
	case ZYDIS_MNEMONIC_VSCATTERDPS:
	case ZYDIS_MNEMONIC_VSCATTERDPD:
	case ZYDIS_MNEMONIC_VPGATHERDD:
	case ZYDIS_MNEMONIC_VPGATHERDQ:
	case ZYDIS_MNEMONIC_VGATHERDPS:
	case ZYDIS_MNEMONIC_VGATHERDPD:
		return true;
	default:
		return false;
	}
}

static bool indices_read(const struct trap_insn *t, const ZydisDecodedOperand *memory,
			 struct indices *x)
{
	x->index_size = indexed_by_dwords(t->i.mnemonic) ? 4 : 8;
	x->size = memory->element_size / 8;
	x->n = t->i.avx.vector_length / 8 / (x->size > x->index_size ? x->size : x->index_size);
	return frame_vector(t, memory->mem.index, x->index);
}

static uintptr_t indices_address(const struct trap_insn *t, const ZydisDecodedOperand *memory,
				 const struct indices *x, unsigned e)
{
	uint64_t address = frame_gpr(t, memory->mem.base) + (uint64_t)memory->mem.disp.value;
	int64_t index;
	int32_t dword;

	if (x->index_size == 4) {
		memcpy(&dword, x->index + 4 * e, 4);
		index = dword;
	} else {
		memcpy(&index, x->index + 8 * e, 8);
	}
	address += (uint64_t)index * memory->mem.scale;
	if (t->i.address_width == 32)
		address = (uint32_t)address;
	return address + memory_segment_base(t, memory->mem.segment);
}

/* Elements go in order; each clears its mask bit, so that a fault in the middle can be resumed. */
enum trap_step vector_scatter(struct trap_insn *t)
{
	const ZydisDecodedOperand *memory = &t->op[0];
	ZydisRegister mask = t->op[1].reg.value;
	struct indices x;
	uint8_t v[64];
	uint64_t k;

	if (!indices_read(t, memory, &x) || !frame_vector(t, t->op[2].reg.value, v))
		return STEP_UNKNOWN;
	k = frame_mask(t, mask);
	for (unsigned e = 0; e < x.n; e++) {
		if (!(k >> e & 1))
			continue;
		if (!memory_store(t, indices_address(t, memory, &x, e), v + e * x.size, x.size,
				  MEMORY_WHOLE))
			return STEP_FAULT;
		k &= ~(1ull << e);
		frame_set_mask(t, mask, k);
	}
	frame_set_mask(t, mask, 0);
	return STEP_DONE;
}

/* The mask of a gather: a mask register, or (AVX2) the top bits of a vector. */
struct gather_mask {
	ZydisRegister reg;
	bool vector;
	unsigned size;
	uint8_t v[64];
};

static bool gather_selected(const struct trap_insn *t, const struct gather_mask *m, unsigned e)
{
	if (m->vector)
		return m->v[(e + 1) * m->size - 1] & 0x80;
	return frame_mask(t, m->reg) >> e & 1;
}

static void gather_clear(struct trap_insn *t, struct gather_mask *m, unsigned e)
{
	if (m->vector) {
		memset(m->v + e * m->size, 0, m->size);
		frame_set_vector(t, m->reg, m->v);
	} else {
		frame_set_mask(t, m->reg, frame_mask(t, m->reg) & ~(1ull << e));
	}
}

enum trap_step vector_gather(struct trap_insn *t)
{
	bool evex = t->op[1].encoding == ZYDIS_OPERAND_ENCODING_MASK;
	const ZydisDecodedOperand *memory = evex ? &t->op[2] : &t->op[1];
	struct gather_mask m = {.reg = t->op[evex ? 1 : 2].reg.value, .vector = !evex};
	ZydisRegister to = t->op[0].reg.value;
	struct indices x;
	uint8_t v[64];

	if (!indices_read(t, memory, &x) || !frame_vector(t, to, v) || !frame_vector(t, m.reg, m.v))
		return STEP_UNKNOWN;
	m.size = x.size;
	for (unsigned e = 0; e < x.n; e++) {
		if (!gather_selected(t, &m, e))
			continue;
		if (!memory_load(t, indices_address(t, memory, &x, e), v + e * x.size, x.size,
				 MEMORY_WHOLE))
			return STEP_FAULT;
		frame_set_vector(t, to, v);
		gather_clear(t, &m, e);
	}
	memset(v + x.n * x.size, 0, sizeof(v) - x.n * x.size);
	frame_set_vector(t, to, v);
	memset(m.v, 0, sizeof(m.v));
	if (m.vector)
		frame_set_vector(t, m.reg, m.v);
	else
		frame_set_mask(t, m.reg, 0);
	return STEP_DONE;
}
