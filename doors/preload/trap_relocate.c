/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any instruction, carried out by the CPU itself.
 *
 * The instruction is copied to a slot of ours with its memory operands moved into the slot's data:
 * an operand in ModRM becomes RIP-relative, an implicit one ([RSI], [RDI]) gets a pointer register
 * that points there. Memory that it reads is fetched first; it runs with the program's registers,
 * vector state included; then the bytes that it can have written are delivered, and only then do
 * the registers change.
 *
 * Inside the handler there is no second signal: all are blocked, nothing that the instruction
 * touches can fault, and a division that would trap is found before it runs. The code page of a
 * slot is never writable and executable at once. Slots are private memory, so a fork takes none
 * away.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "trap_private.h"

#define SLOTS	     8
#define CODE_SIZE    TRAP_PAGE
#define DATA_SIZE    (4 * TRAP_PAGE)
#define SECOND_SIZE  256ul /* the last bytes of data: the second operand, at most 64 bytes */
#define OPERAND_MAX  2
#define FLAG_TF	     0x100ull
#define RESULT_FLAGS (TRAP_STATUS_FLAGS | 0x400)

/* What the code below shares with run_in_slot, which knows the offsets. */
struct context {
	uint64_t gpr[16]; /* in the encoding's order: RAX RCX RDX RBX RSP RBP RSI RDI R8.. */
	uint64_t flags;
	uint64_t host_sp;
	uint64_t code;
	uint64_t leave;
	uint64_t state_in, state_out; /* XSAVE images, 64-byte aligned; FXSAVE's if no mask */
	uint64_t state_mask;
};

struct slot {
	uint8_t code[CODE_SIZE];
	uint8_t data[DATA_SIZE];
	uint8_t state[FRAME_XSAVE_MAX] __attribute__((aligned(64)));
	struct context context;
	uint8_t fill[TRAP_PAGE - sizeof(struct context)];
} __attribute__((aligned(4096)));

static struct slot *slots;
static bool slot_taken[SLOTS];

/* One memory operand and its place in the slot. */
struct moved {
	const ZydisDecodedOperand *op;
	uintptr_t va;
	uint8_t *at;
	size_t len;
	uint64_t bytes;
};

struct relocation {
	struct trap_insn *t;
	struct slot *slot;
	unsigned n;
	struct moved m[OPERAND_MAX];
	/* For each operand, a register that does not hold the program's value meanwhile. */
	struct {
		unsigned number; /* as in context.gpr */
		uint64_t value;
		bool used;
	} lent[OPERAND_MAX];
};

static const uint8_t gregs_order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
					REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
					REG_R12, REG_R13, REG_R14, REG_R15};

int relocate_init(void)
{
	void *p;

	if (slots)
		return 0;
	p = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	slots = p;
	return 0;
}

void relocate_fork_child(void)
{
	memset(slot_taken, 0, sizeof(slot_taken));
}

static struct slot *slot_take(void)
{
	for (;;) {
		for (unsigned n = 0; n < SLOTS; n++)
			if (!__atomic_test_and_set(&slot_taken[n], __ATOMIC_ACQUIRE))
				return &slots[n];
		trap_syscall(SYS_sched_yield, 0, 0, 0);
	}
}

static void slot_give(struct slot *s)
{
	__atomic_clear(&slot_taken[s - slots], __ATOMIC_RELEASE);
}

/* ---- the switch ---- */

_Static_assert(__builtin_offsetof(struct context, flags) == 128, "run_in_slot");
_Static_assert(__builtin_offsetof(struct context, host_sp) == 136, "run_in_slot");
_Static_assert(__builtin_offsetof(struct context, code) == 144, "run_in_slot");
_Static_assert(__builtin_offsetof(struct context, leave) == 152, "run_in_slot");
_Static_assert(__builtin_offsetof(struct context, state_in) == 160, "run_in_slot");
_Static_assert(__builtin_offsetof(struct context, state_out) == 168, "run_in_slot");
_Static_assert(__builtin_offsetof(struct context, state_mask) == 176, "run_in_slot");

/*
 * Loads the program's state, jumps to the slot's code, and saves it again. The code begins by
 * loading RAX, which until then points at the context, and ends by jumping to run_leave with it
 * pointing there again.
 */
void run_in_slot(struct context *c);
void run_leave(void);

/* ---- what can be moved ---- */

/* Zydis gives XSAVE's legacy part only. */
static size_t operand_length(const struct trap_insn *t, const ZydisDecodedOperand *op)
{
	switch (t->i.meta.category) {
	case ZYDIS_CATEGORY_XSAVE:
	case ZYDIS_CATEGORY_XSAVEOPT:
		return frame_layout.xsave_size;
	default:
		return op->size / 8;
	}
}

static bool may_relocate(const struct trap_insn *t)
{
	switch (t->i.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_AMX_TILE:
		return false;
	default:
		break;
	}
	/* The frame must hold every component that the instruction may use. */
	return t->i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY || t->features & FRAME_AVX;
}

static bool is_explicit(const ZydisDecodedOperand *op)
{
	return op->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
}

static unsigned gpr_number(ZydisRegister reg)
{
	unsigned index = frame_gpr_index(reg), n = 0;

	while (gregs_order[n] != index)
		n++;
	return n;
}

/* An implicit operand can be moved if it is just where a register says, but not RSP. */
static bool lend_pointer(struct relocation *r, struct moved *m, unsigned n)
{
	const ZydisDecodedOperand *op = m->op;

	if (!frame_is_gpr(op->mem.base) || op->mem.index || op->mem.disp.value)
		return false;
	r->lent[n].number = gpr_number(op->mem.base);
	if (gregs_order[r->lent[n].number] == REG_RSP)
		return false;
	r->lent[n].value = (uint64_t)(uintptr_t)m->at;
	r->lent[n].used = true;
	return true;
}

/* BT and its kin, bit offset in a register: the operand is the word that holds the bit. */
static void settle_bit_offset(struct relocation *r, struct moved *m)
{
	const struct trap_insn *t = r->t;
	const ZydisDecodedOperand *bit = &t->op[1];
	unsigned bits = m->op->size;
	int64_t offset;

	switch (t->i.mnemonic) {
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		break;
	default:
		return;
	}
	if (bit->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return;
	offset = (int64_t)(frame_gpr(t, bit->reg.value) << (64 - bits)) >> (64 - bits);
	m->va += (uint64_t)(offset >> __builtin_ctz(bits)) * (bits / 8);
	r->lent[1].number = gpr_number(bit->reg.value);
	r->lent[1].value = (uint64_t)offset & (bits - 1);
	r->lent[1].used = true;
}

/* The operand keeps its alignment: instructions that insist on one find it. */
static bool place_operand(struct relocation *r, const ZydisDecodedOperand *op)
{
	unsigned n = r->n;
	struct moved *m = &r->m[n];
	size_t room = n ? SECOND_SIZE : DATA_SIZE - SECOND_SIZE;

	if (op->mem.type != ZYDIS_MEMOP_TYPE_MEM || n == OPERAND_MAX)
		return false;
	m->op = op;
	m->len = operand_length(r->t, op);
	m->va = memory_address(r->t, op);
	settle_bit_offset(r, m);
	if (!m->len || m->len + 64 > room)
		return false;
	m->at = r->slot->data + (n ? DATA_SIZE - SECOND_SIZE : 0) + (m->va & 63);
	m->bytes = memory_bytes(r->t, op);
	r->n++;
	return is_explicit(op) || lend_pointer(r, m, n);
}

static bool place_operands(struct relocation *r)
{
	const struct trap_insn *t = r->t;

	for (unsigned n = 0; n < t->i.operand_count; n++)
		if (t->op[n].type == ZYDIS_OPERAND_TYPE_MEMORY && !place_operand(r, &t->op[n]))
			return false;
	return r->n;
}

/* ---- code ---- */

struct code {
	uint8_t *at;
};

static void emit(struct code *c, const void *bytes, size_t len)
{
	memcpy(c->at, bytes, len);
	c->at += len;
}

/* An instruction that ends in the displacement from its end, and what follows, to its target. */
static void emit_relative(struct code *c, const void *opcode, size_t len, const void *target,
			  size_t behind)
{
	int32_t distance;

	emit(c, opcode, len);
	distance = (int32_t)((const uint8_t *)target - (c->at + sizeof(distance) + behind));
	emit(c, &distance, sizeof(distance));
}

/*
 * Without REP (a string instruction runs one element at a time), without an address size (implicit
 * pointers are ours, 64 bits wide), and without a segment (addresses are complete).
 */
static void emit_prefixes(struct code *c, const struct trap_insn *t, size_t len)
{
	bool string = t->i.meta.category == ZYDIS_CATEGORY_STRINGOP;

	for (size_t n = 0; n < len; n++) {
		bool legacy = n < t->i.raw.prefix_count;

		switch (legacy ? t->bytes[n] : 0) {
		case 0xf2:
		case 0xf3:
			if (string)
				continue;
			break;
		case 0x67:
		case 0x64:
		case 0x65:
			continue;
		default:
			break;
		}
		emit(c, &t->bytes[n], 1);
	}
}

/* The instruction with ModRM's operand, if it has one, at target. */
static void emit_instruction(struct code *c, const struct trap_insn *t, const void *target)
{
	size_t modrm = t->i.raw.modrm.offset, tail;
	uint8_t byte;

	if (!target) {
		emit_prefixes(c, t, t->i.length);
		return;
	}
	tail = modrm + 1 + (t->i.raw.sib.offset != 0) + t->i.raw.disp.size / 8;
	emit_prefixes(c, t, modrm);
	byte = (uint8_t)((t->bytes[modrm] & 0x38) | 5); /* mod 0, r/m 5: RIP-relative */
	emit_relative(c, &byte, 1, target, t->i.length - tail);
	emit(c, t->bytes + tail, t->i.length - tail);
}

static const void *explicit_target(const struct relocation *r)
{
	for (unsigned n = 0; n < r->n; n++)
		if (is_explicit(r->m[n].op))
			return r->m[n].at;
	return NULL;
}

/* False if the system does not let memory become executable. */
static bool write_code(struct relocation *r)
{
	static const uint8_t load_rax[] = {0x48, 0x8b, 0x05}, save_rax[] = {0x48, 0x89, 0x05};
	static const uint8_t lea_rax[] = {0x48, 0x8d, 0x05}, jmp_rax[] = {0xff, 0xa0};
	const uint32_t leave = __builtin_offsetof(struct context, leave);
	struct slot *s = r->slot;
	struct code c = {s->code};

	if (trap_syscall(SYS_mprotect, (long)s->code, CODE_SIZE, PROT_READ | PROT_WRITE))
		return false;
	emit_relative(&c, load_rax, 3, &s->context.gpr[0], 0);
	emit_instruction(&c, r->t, explicit_target(r));
	emit_relative(&c, save_rax, 3, &s->context.gpr[0], 0);
	emit_relative(&c, lea_rax, 3, &s->context, 0);
	emit(&c, jmp_rax, sizeof(jmp_rax));
	emit(&c, &leave, sizeof(leave));
	/* To take away the right to write is to flush the TLB, which serialises this CPU. */
	return !trap_syscall(SYS_mprotect, (long)s->code, CODE_SIZE, PROT_READ | PROT_EXEC);
}

/* ---- running ---- */

static bool fetch_operands(struct relocation *r)
{
	for (unsigned n = 0; n < r->n; n++) {
		struct moved *m = &r->m[n];
		bool reads = m->op->actions & ZYDIS_OPERAND_ACTION_MASK_READ;

		memory_peek(m->va, m->at, m->len);
		if (reads && !memory_load(r->t, m->va, m->at, m->len, m->bytes))
			return false;
	}
	return true;
}

static bool deliver_operands(struct relocation *r)
{
	for (unsigned n = 0; n < r->n; n++) {
		const struct moved *m = &r->m[n];

		if (m->op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    !memory_store(r->t, m->va, m->at, m->len, m->bytes))
			return false;
	}
	return true;
}

/* A quotient that does not fit raises #DE, which could not be handled here. */
static bool divides(const struct relocation *r)
{
	const struct trap_insn *t = r->t;
	unsigned size = r->m[0].op->size / 8, shift = 64 - size * 8;
	bool is_signed = t->i.mnemonic == ZYDIS_MNEMONIC_IDIV;
	uint64_t divisor = 0, low = (uint64_t)t->gregs[REG_RAX], high = (uint64_t)t->gregs[REG_RDX];
	__int128 dividend, by, quotient;

	if (t->i.mnemonic != ZYDIS_MNEMONIC_DIV && !is_signed)
		return true;
	memcpy(&divisor, r->m[0].at, size);
	if (size == 1)
		high = low >> 8; /* of AX */
	low = low << shift >> shift;
	high = high << shift >> shift;
	if (!is_signed)
		return high < divisor; /* of which a divisor of zero is a case */
	if (!divisor)
		return false;
	by = (int64_t)(divisor << shift) >> shift;
	dividend = (__int128)((unsigned __int128)high << (size * 8) | low);
	if (size < 8)
		dividend = (int64_t)((uint64_t)dividend << (64 - size * 16)) >> (64 - size * 16);
	if (by == -1 && dividend == (__int128)((unsigned __int128)1 << 127))
		return false;
	quotient = dividend / by;
	return quotient == (int64_t)((uint64_t)quotient << shift) >> shift;
}

static void load_state(struct relocation *r)
{
	struct context *c = &r->slot->context;
	struct trap_insn *t = r->t;

	for (unsigned n = 0; n < 16; n++)
		c->gpr[n] = (uint64_t)t->gregs[gregs_order[n]];
	for (unsigned n = 0; n < OPERAND_MAX; n++)
		if (r->lent[n].used)
			c->gpr[r->lent[n].number] = r->lent[n].value;
	c->flags = (uint64_t)t->gregs[REG_EFL] & ~FLAG_TF;
	c->code = (uint64_t)(uintptr_t)r->slot->code;
	c->leave = (uint64_t)(uintptr_t)run_leave;
	c->state_in = (uint64_t)(uintptr_t)t->fpu;
	c->state_out = (uint64_t)(uintptr_t)r->slot->state;
	/* An FXSAVE image has no header to restore from. */
	c->state_mask = t->features == (FRAME_X87 | FRAME_SSE) ? 0 : t->features;
	memset(r->slot->state + FRAME_HEADER, 0, 64);
}

static void save_vectors(struct relocation *r)
{
	const uint8_t *from = r->slot->state;
	struct trap_insn *t = r->t;
	uint64_t old, new, mask = r->slot->context.state_mask;

	memcpy(t->fpu, from, FRAME_FXSAVE_USED);
	if (!mask)
		return;
	for (unsigned n = 2; n < 8; n++)
		if (mask & 1ull << n)
			memcpy(t->fpu + frame_layout.offset[n], from + frame_layout.offset[n],
			       frame_layout.size[n]);
	memcpy(&old, t->fpu + FRAME_HEADER, sizeof(old));
	memcpy(&new, from + FRAME_HEADER, sizeof(new));
	new = (old & ~mask) | (new &mask);
	memcpy(t->fpu + FRAME_HEADER, &new, sizeof(new));
}

static void save_state(struct relocation *r)
{
	const struct context *c = &r->slot->context;
	struct trap_insn *t = r->t;
	uint64_t flags = (uint64_t)t->gregs[REG_EFL];

	for (unsigned n = 0; n < 16; n++) {
		uint64_t value = c->gpr[n], old = (uint64_t)t->gregs[gregs_order[n]];

		/* A lent register has moved by as much as the program's would have. */
		for (unsigned l = 0; l < OPERAND_MAX; l++) {
			if (!r->lent[l].used || r->lent[l].number != n)
				continue;
			value = old + (value - r->lent[l].value);
			if (t->i.address_width == 32 && value != old)
				value = (uint32_t)value;
		}
		t->gregs[gregs_order[n]] = (greg_t)value;
	}
	t->gregs[REG_EFL] = (greg_t)((flags & ~RESULT_FLAGS) | (c->flags & RESULT_FLAGS));
	save_vectors(r);
}

static enum trap_step divide_fault(struct trap_insn *t)
{
	t->info->si_signo = SIGFPE;
	t->info->si_code = FPE_INTDIV;
	t->info->si_addr = (void *)t->gregs[REG_RIP];
	return STEP_FAULT;
}

static enum trap_step relocate_one(struct trap_insn *t)
{
	struct relocation r = {.t = t, .slot = slot_take()};
	enum trap_step step = STEP_UNKNOWN;

	if (!place_operands(&r))
		goto out_give;
	step = STEP_FAULT;
	if (!fetch_operands(&r))
		goto out_give;
	if (!divides(&r)) {
		step = divide_fault(t);
		goto out_give;
	}
	step = STEP_UNKNOWN;
	if (!write_code(&r))
		goto out_give;
	load_state(&r);
	run_in_slot(&r.slot->context);
	step = STEP_FAULT;
	if (!deliver_operands(&r))
		goto out_give;
	save_state(&r);
	step = STEP_DONE;
out_give:
	slot_give(r.slot);
	return step;
}

enum trap_step relocate(struct trap_insn *t)
{
	if (!t->fpu || !may_relocate(t))
		return STEP_UNKNOWN;
	if (t->i.meta.category == ZYDIS_CATEGORY_STRINGOP)
		return string_repeat(t, relocate_one);
	return relocate_one(t);
}
