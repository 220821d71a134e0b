/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's registers, as the kernel has saved them for the signal handler and will load them
 * again.
 *
 * The vector registers lie in an FXSAVE image that the kernel extends to XSAVE's standard form
 * where the CPU has it; where a component lies is the CPU's choice (Intel SDM volume 1, 13.4.3). A
 * component whose bit in XSTATE_BV is clear is in its initial state, all zeros, whatever its bytes
 * say.
 */
#include <cpuid.h>
#include <string.h>

#include "trap_private.h"

#define FXSAVE_ST  32
#define FXSAVE_XMM 160
#define FXSAVE_FSW 2

struct frame_layout frame_layout;

void frame_init(void)
{
	uint32_t a, b, c, d;

	if (__get_cpuid_max(0, NULL) < 0xd || !__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return;
	__cpuid_count(0xd, 0, a, b, c, d);
	frame_layout.xsave_size = b;
	for (unsigned n = 2; n < 8; n++) {
		__cpuid_count(0xd, n, a, b, c, d);
		frame_layout.size[n] = (uint16_t)a;
		frame_layout.offset[n] = (uint16_t)b;
	}
}

void frame_open(struct trap_insn *t, ucontext_t *uc)
{
	const struct _fpx_sw_bytes *sw;

	t->gregs = uc->uc_mcontext.gregs;
	t->fpu = (uint8_t *)uc->uc_mcontext.fpregs;
	t->features = t->fpu ? FRAME_X87 | FRAME_SSE : 0;
	if (!t->fpu)
		return;
	sw = (const struct _fpx_sw_bytes *)(t->fpu + FRAME_FXSAVE_USED);
	if (sw->magic1 == FP_XSTATE_MAGIC1 && frame_layout.xsave_size)
		t->features = sw->xstate_bv & FRAME_ALL;
}

/* ---- general registers ---- */

static const uint8_t gpr_index[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				      REG_RSI, REG_RDI, REG_R8,	 REG_R9,  REG_R10, REG_R11,
				      REG_R12, REG_R13, REG_R14, REG_R15};

struct gpr {
	unsigned number, size, shift;
};

/* Zydis counts AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8B..R15B, then AX.., EAX.., RAX.. */
static bool gpr_find(ZydisRegister reg, struct gpr *g)
{
	unsigned n;

	*g = (struct gpr){0};
	if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_R15B) {
		n = reg - ZYDIS_REGISTER_AL;
		g->size = 1;
		g->shift = n >= 4 && n < 8 ? 8 : 0;
		g->number = n < 4 ? n : n - 4;
	} else if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W) {
		*g = (struct gpr){.number = reg - ZYDIS_REGISTER_AX, .size = 2};
	} else if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) {
		*g = (struct gpr){.number = reg - ZYDIS_REGISTER_EAX, .size = 4};
	} else if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) {
		*g = (struct gpr){.number = reg - ZYDIS_REGISTER_RAX, .size = 8};
	}
	return g->size;
}

bool frame_is_gpr(ZydisRegister reg)
{
	struct gpr g;

	return gpr_find(reg, &g);
}

unsigned frame_gpr_index(ZydisRegister reg)
{
	struct gpr g;

	gpr_find(reg, &g);
	return gpr_index[g.number];
}

unsigned frame_gpr_size(ZydisRegister reg)
{
	struct gpr g;

	gpr_find(reg, &g);
	return g.size;
}

static uint64_t size_mask(unsigned size)
{
	return size < 8 ? (1ull << size * 8) - 1 : ~0ull;
}

uint64_t frame_gpr(const struct trap_insn *t, ZydisRegister reg)
{
	struct gpr g;

	if (!gpr_find(reg, &g))
		return 0;
	return (uint64_t)t->gregs[gpr_index[g.number]] >> g.shift & size_mask(g.size);
}

void frame_set_gpr(struct trap_insn *t, ZydisRegister reg, uint64_t value)
{
	uint64_t mask, old;
	struct gpr g;

	if (!gpr_find(reg, &g))
		return;
	old = (uint64_t)t->gregs[gpr_index[g.number]];
	mask = (g.size < 4 ? size_mask(g.size) : ~0ull) << g.shift;
	value = (value & size_mask(g.size)) << g.shift;
	t->gregs[gpr_index[g.number]] = (greg_t)((old & ~mask) | value);
}

/* ---- vector and mask registers ---- */

static uint64_t *frame_bv(const struct trap_insn *t)
{
	return (uint64_t *)(t->fpu + FRAME_HEADER);
}

/* XSTATE_BV means nothing in a frame that is only an FXSAVE image. */
static bool component_live(const struct trap_insn *t, unsigned n)
{
	return n < 2 || *frame_bv(t) & 1ull << n;
}

/* A piece of a register: which component holds it, and where. */
struct piece {
	unsigned component, offset, size;
};

/* XMM, YMM and ZMM n, cut as the frame cuts them; returns the number of pieces. */
static unsigned vector_pieces(unsigned n, unsigned len, struct piece p[3])
{
	if (n >= 16) {
		p[0] = (struct piece){7, frame_layout.offset[7] + 64 * (n - 16), len};
		return 1;
	}
	p[0] = (struct piece){1, FXSAVE_XMM + 16 * n, 16};
	p[1] = (struct piece){2, frame_layout.offset[2] + 16 * n, 16};
	p[2] = (struct piece){6, frame_layout.offset[6] + 32 * n, 32};
	return len > 32 ? 3 : len > 16 ? 2 : 1;
}

static bool register_pieces(const struct trap_insn *t, ZydisRegister reg, struct piece p[3],
			    unsigned *n)
{
	if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM31) {
		*n = vector_pieces(reg - ZYDIS_REGISTER_XMM0, 16, p);
	} else if (reg >= ZYDIS_REGISTER_YMM0 && reg <= ZYDIS_REGISTER_YMM31) {
		*n = vector_pieces(reg - ZYDIS_REGISTER_YMM0, 32, p);
	} else if (reg >= ZYDIS_REGISTER_ZMM0 && reg <= ZYDIS_REGISTER_ZMM31) {
		*n = vector_pieces(reg - ZYDIS_REGISTER_ZMM0, 64, p);
	} else if (reg >= ZYDIS_REGISTER_K0 && reg <= ZYDIS_REGISTER_K7) {
		p[0] = (struct piece){5, frame_layout.offset[5] + 8 * (reg - ZYDIS_REGISTER_K0), 8};
		*n = 1;
	} else if (reg >= ZYDIS_REGISTER_MM0 && reg <= ZYDIS_REGISTER_MM7 && t->fpu) {
		/* FXSAVE's order begins at the top of the x87 stack, MMX's at register 0. */
		unsigned top = t->fpu[FXSAVE_FSW + 1] >> 3 & 7;

		p[0] = (struct piece){0, FXSAVE_ST + 16 * ((reg - ZYDIS_REGISTER_MM0 - top) & 7),
				      8};
		*n = 1;
	} else {
		return false;
	}
	return true;
}

bool frame_vector(const struct trap_insn *t, ZydisRegister reg, uint8_t out[64])
{
	struct piece p[3];
	unsigned n, at = 0;

	memset(out, 0, 64);
	if (!register_pieces(t, reg, p, &n))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!(t->features & 1ull << p[i].component))
			return false;
		if (component_live(t, p[i].component))
			memcpy(out + at, t->fpu + p[i].offset, p[i].size);
		at += p[i].size;
	}
	return true;
}

static void component_wake(struct trap_insn *t, unsigned n)
{
	if (component_live(t, n))
		return;
	memset(t->fpu + frame_layout.offset[n], 0, frame_layout.size[n]);
	*frame_bv(t) |= 1ull << n;
}

void frame_set_vector(struct trap_insn *t, ZydisRegister reg, const uint8_t in[64])
{
	unsigned number = reg >= ZYDIS_REGISTER_ZMM0   ? reg - ZYDIS_REGISTER_ZMM0
			  : reg >= ZYDIS_REGISTER_YMM0 ? reg - ZYDIS_REGISTER_YMM0
						       : reg - ZYDIS_REGISTER_XMM0;
	unsigned n, at = 0;
	struct piece p[3];

	n = vector_pieces(number, 64, p);
	for (unsigned i = 0; i < n; i++) {
		if (t->features & 1ull << p[i].component) {
			component_wake(t, p[i].component);
			memcpy(t->fpu + p[i].offset, in + at, p[i].size);
		}
		at += p[i].size;
	}
}

uint64_t frame_mask(const struct trap_insn *t, ZydisRegister reg)
{
	uint8_t bytes[64];
	uint64_t value;

	frame_vector(t, reg, bytes);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

void frame_set_mask(struct trap_insn *t, ZydisRegister reg, uint64_t value)
{
	component_wake(t, 5);
	memcpy(t->fpu + frame_layout.offset[5] + 8 * (reg - ZYDIS_REGISTER_K0), &value,
	       sizeof(value));
}
