/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses, and the one way in which handlers reach memory.
 *
 * An access is cut at page boundaries into spans, each in a device or in ordinary memory. All that
 * can refuse comes first (disabled or read-only device spans, then the guarded copies of ordinary
 * memory), then what the device sees, so that a fault leaves the device untouched.
 */
#include <asm/prctl.h>
#include <string.h>
#include <sys/syscall.h>

#include "trap_private.h"

/* ---- addresses ---- */

uintptr_t memory_segment_base(const struct trap_insn *t, ZydisRegister segment)
{
	uintptr_t base = 0;

	/* Like all code of a process the handler runs with the thread's own FS and GS. */
	if (segment == ZYDIS_REGISTER_FS)
		trap_syscall(SYS_arch_prctl, ARCH_GET_FS, (long)&base, 0);
	else if (segment == ZYDIS_REGISTER_GS)
		trap_syscall(SYS_arch_prctl, ARCH_GET_GS, (long)&base, 0);
	return base;
}

uintptr_t memory_address(const struct trap_insn *t, const ZydisDecodedOperand *op)
{
	uint64_t address = (uint64_t)op->mem.disp.value;

	if (op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP)
		address += (uint64_t)t->gregs[REG_RIP] + t->i.length;
	else
		address += frame_gpr(t, op->mem.base);
	if (op->mem.type != ZYDIS_MEMOP_TYPE_VSIB)
		address += frame_gpr(t, op->mem.index) * op->mem.scale;
	if (t->i.address_width == 32)
		address = (uint32_t)address;
	return address + memory_segment_base(t, op->mem.segment);
}

/* ---- which bytes ---- */

static uint64_t low_bits(unsigned n)
{
	return n < 64 ? (1ull << n) - 1 : ~0ull;
}

/* One bit for each element becomes size bits. */
static uint64_t spread(uint64_t elements, unsigned n, unsigned size)
{
	uint64_t bytes = 0;

	for (unsigned e = 0; e < n && e * size < 64; e++)
		if (elements >> e & 1)
			bytes |= low_bits(size) << e * size;
	return bytes;
}

/* The elements' top bits, as VMASKMOV and MASKMOVDQU take them. */
static uint64_t sign_mask(const struct trap_insn *t, const ZydisDecodedOperand *reg, unsigned size,
			  unsigned len)
{
	uint64_t bytes = 0;
	uint8_t v[64];

	if (!frame_vector(t, reg->reg.value, v))
		return 0;
	for (unsigned at = 0; at < len; at += size)
		if (v[at + size - 1] & 0x80)
			bytes |= low_bits(size) << at;
	return bytes;
}

static bool is_mask(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_K0 && reg <= ZYDIS_REGISTER_K7;
}

/* How many elements the mask is for: those of the first operand that is not a mask itself. */
static unsigned masked_elements(const struct trap_insn *t)
{
	for (unsigned n = 0; n < t->i.operand_count_visible; n++)
		if (t->op[n].type != ZYDIS_OPERAND_TYPE_REGISTER || !is_mask(t->op[n].reg.value))
			return t->op[n].element_count;
	return 1;
}

static uint64_t opmask_bytes(const struct trap_insn *t, const ZydisDecodedOperand *op)
{
	unsigned size = op->element_size / 8, n = op->element_count, len = op->size / 8;
	uint64_t k = frame_mask(t, t->i.avx.mask.reg);

	switch (t->i.meta.category) {
	case ZYDIS_CATEGORY_COMPRESS:
	case ZYDIS_CATEGORY_EXPAND:
		/* Packed: as many elements as are selected, from the first on. */
		return low_bits((unsigned)__builtin_popcountll(k & low_bits(n)) * size);
	default:
		break;
	}
	/* A scalar takes bit 0; its register has elements that do not matter. */
	if (n == 1 && !t->i.avx.broadcast.mode)
		return k & 1 ? low_bits(len) : 0;
	if (n == masked_elements(t))
		return spread(k, n, size);
	/* A broadcast, or a conversion whose elements do not pair: read whole if at all. */
	return k & low_bits(masked_elements(t)) ? low_bits(len) : 0;
}

uint64_t memory_bytes(const struct trap_insn *t, const ZydisDecodedOperand *op)
{
	unsigned len = op->size / 8;

	if (len > 64)
		return MEMORY_WHOLE;
	if (t->i.avx.mask.mode > ZYDIS_MASK_MODE_DISABLED && t->i.avx.mask.reg != ZYDIS_REGISTER_K0)
		return opmask_bytes(t, op);
	switch (t->i.mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
		return sign_mask(t, &t->op[1], op->element_size / 8, len);
	case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
	case ZYDIS_MNEMONIC_MASKMOVQ:
		return sign_mask(t, &t->op[1], 1, len);
	default:
		return low_bits(len);
	}
}

/* ---- spans ---- */

struct span {
	bool device;
	struct trap_region r;
	uintptr_t va;
	size_t at, len; /* of the access */
	uint64_t bytes; /* those of this span, from its first */
};

/* 64 bytes touch at most two pages. */
#define SPAN_MAX 2

static unsigned spans_cut(uintptr_t va, size_t len, uint64_t bytes, struct span s[SPAN_MAX])
{
	size_t at = 0;
	unsigned n = 0;

	while (at < len) {
		size_t room = TRAP_PAGE - ((va + at) & (TRAP_PAGE - 1));

		s[n] = (struct span){
			.va = va + at, .at = at, .len = room < len - at ? room : len - at};
		s[n].bytes = bytes >> at & low_bits((unsigned)s[n].len);
		at += s[n].len;
		if (!s[n].bytes)
			continue;
		s[n].device = trap_region_find(s[n].va, &s[n].r);
		n++;
	}
	return n;
}

/* The next run of bytes that are accessed, from *at on. */
static bool span_run(const struct span *s, size_t *at, size_t *len)
{
	uint64_t rest = *at < 64 ? s->bytes >> *at : 0;

	if (!rest)
		return false;
	*at += (unsigned)__builtin_ctzll(rest);
	rest = ~(s->bytes >> *at);
	*len = rest ? (unsigned)__builtin_ctzll(rest) : 64;
	return true;
}

static bool memory_fault(struct trap_insn *t, int signo, int code, uintptr_t va)
{
	t->info->si_signo = signo;
	t->info->si_code = code;
	t->info->si_addr = (void *)va;
	return false;
}

static bool span_allowed(struct trap_insn *t, const struct span *s, bool write)
{
	uintptr_t va = s->va + (unsigned)__builtin_ctzll(s->bytes);

	if (write && s->r.flags & TRAP_RDONLY)
		return memory_fault(t, SIGSEGV, SEGV_ACCERR, va);
	if (!trap_ops->enabled(s->r.cookie))
		return memory_fault(t, SIGBUS, BUS_ADRERR, va);
	return true;
}

/* The widest access that is naturally aligned and no longer than len. */
static unsigned piece_size(uint64_t distance, size_t len)
{
	unsigned size = 1u << __builtin_ctzll(distance | 8);

	while (size > len)
		size /= 2;
	return size;
}

static void device_write(const struct span *s, size_t at, size_t len, const uint8_t *src)
{
	uint64_t distance = s->va - s->r.va + at;

	while (len) {
		unsigned size = piece_size(distance, len);
		uint64_t value = 0;

		memcpy(&value, src, size);
		trap_ops->write(s->r.cookie, s->r.offset + distance, size, value);
		distance += size;
		src += size;
		len -= size;
	}
}

/* One load for each piece: another thread's store to a register is seen whole or not at all. */
static uint64_t alias_read(const uint8_t *p, unsigned size)
{
	switch (size) {
	case 1:
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
	}
}

static void device_read(const struct span *s, size_t at, size_t len, uint8_t *dst, bool peek)
{
	uint64_t distance = s->va - s->r.va + at;

	while (len) {
		unsigned size = piece_size(distance, len);
		uint64_t value;

		if (s->r.flags & TRAP_LOADS && !peek)
			value = trap_ops->read(s->r.cookie, s->r.offset + distance, size);
		else
			value = alias_read((const uint8_t *)s->r.alias + distance, size);
		memcpy(dst, &value, size);
		distance += size;
		dst += size;
		len -= size;
	}
}

/* ---- accesses ---- */

static bool load_line(struct trap_insn *t, uintptr_t va, uint8_t *dst, size_t len, uint64_t bytes)
{
	struct span s[SPAN_MAX];
	unsigned n = spans_cut(va, len, bytes, s);
	size_t at, run;

	for (unsigned i = 0; i < n; i++)
		if (s[i].device && !span_allowed(t, &s[i], false))
			return false;
	for (unsigned i = 0; i < n; i++)
		for (at = 0; !s[i].device && span_run(&s[i], &at, &run); at += run)
			if (!trap_ops->load(dst + s[i].at + at, (const void *)(s[i].va + at), run))
				return memory_fault(t, SIGSEGV, SEGV_MAPERR, s[i].va + at);
	for (unsigned i = 0; i < n; i++)
		for (at = 0; s[i].device && span_run(&s[i], &at, &run); at += run)
			device_read(&s[i], at, run, dst + s[i].at + at, false);
	return true;
}

static bool store_line(struct trap_insn *t, uintptr_t va, const uint8_t *src, size_t len,
		       uint64_t bytes)
{
	struct span s[SPAN_MAX];
	unsigned n = spans_cut(va, len, bytes, s);
	size_t at, run;

	for (unsigned i = 0; i < n; i++)
		if (s[i].device && !span_allowed(t, &s[i], true))
			return false;
	for (unsigned i = 0; i < n; i++)
		for (at = 0; !s[i].device && span_run(&s[i], &at, &run); at += run)
			if (!trap_ops->store((void *)(s[i].va + at), src + s[i].at + at, run))
				return memory_fault(t, SIGSEGV, SEGV_MAPERR, s[i].va + at);
	for (unsigned i = 0; i < n; i++)
		for (at = 0; s[i].device && span_run(&s[i], &at, &run); at += run)
			device_write(&s[i], at, run, src + s[i].at + at);
	return true;
}

bool memory_load(struct trap_insn *t, uintptr_t va, void *dst, size_t len, uint64_t bytes)
{
	uint8_t *to = dst;

	for (size_t at = 0; at < len; at += 64)
		if (!load_line(t, va + at, to + at, len - at < 64 ? len - at : 64, bytes))
			return false;
	return true;
}

bool memory_store(struct trap_insn *t, uintptr_t va, const void *src, size_t len, uint64_t bytes)
{
	const uint8_t *from = src;

	for (size_t at = 0; at < len; at += 64)
		if (!store_line(t, va + at, from + at, len - at < 64 ? len - at : 64, bytes))
			return false;
	return true;
}

void memory_peek(uintptr_t va, void *dst, size_t len)
{
	uint8_t *to = dst;

	memset(dst, 0, len);
	for (size_t at = 0; at < len; at += 64) {
		struct span s[SPAN_MAX];
		unsigned n = spans_cut(va + at, len - at < 64 ? len - at : 64, MEMORY_WHOLE, s);

		for (unsigned i = 0; i < n; i++)
			if (s[i].device)
				device_read(&s[i], 0, s[i].len, to + at + s[i].at, true);
	}
}

bool memory_load_value(struct trap_insn *t, uintptr_t va, unsigned size, uint64_t *value)
{
	*value = 0;
	return memory_load(t, va, value, size, MEMORY_WHOLE);
}

bool memory_store_value(struct trap_insn *t, uintptr_t va, unsigned size, uint64_t value)
{
	return memory_store(t, va, &value, size, MEMORY_WHOLE);
}
