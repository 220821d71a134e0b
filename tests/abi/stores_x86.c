/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store forms of x86-64 (Intel SDM volume 2). What an instruction asks of its CPU is looked up
 * at run time. Flags are taken by LAHF and SETO, which touch no memory; AF is left out, since many
 * of the instructions leave it undefined.
 */
#include "stores.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

#define ARITHMETIC_FLAGS 0xc501ull /* SF, ZF, PF, CF in AH; OF in AL */

/* p is %0, in RDI; the value is %1, in RDX. */
#define PLAIN(name, code)                                                                          \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		__asm__ volatile(code                                                              \
				 :                                                                 \
				 : "D"(p), "d"(v)                                                  \
				 : "memory", "cc", "rax", "rsi", "r12", "r13");                    \
		return 0;                                                                          \
	}

/* p is %1, the value %2; the flags are the result. */
#define FLAGS(name, code)                                                                          \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		uint64_t f;                                                                        \
		__asm__ volatile(code "\n\tlahf\n\tseto %%al\n\tmovzwl %%ax, %k0"                  \
				 : "=&a"(f)                                                        \
				 : "r"(p), "q"(v)                                                  \
				 : "memory", "cc");                                                \
		return f & ARITHMETIC_FLAGS;                                                       \
	}

/* p is %2, the value %1, which the instruction changes. */
#define SWAP(name, code)                                                                           \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		uint64_t f;                                                                        \
		__asm__ volatile(code "\n\tlahf\n\tseto %%al\n\tmovzwl %%ax, %k0"                  \
				 : "=&a"(f), "+q"(v)                                               \
				 : "r"(p)                                                          \
				 : "memory", "cc");                                                \
		return v ^ (f & ARITHMETIC_FLAGS) << 32;                                           \
	}

/* p is %0, 64 bytes of data %1; the data's register is loaded first. */
#define VECTOR(name, code)                                                                         \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		uint64_t data[8] __attribute__((aligned(64)));                                     \
		for (int i = 0; i < 8; i++)                                                        \
			data[i] = v * (2 * i + 1);                                                 \
		__asm__ volatile(code                                                              \
				 :                                                                 \
				 : "r"(p), "r"(data)                                               \
				 : "memory", "cc", "rax", "xmm0", "xmm1", "xmm2");                 \
		return 0;                                                                          \
	}

/* The same operation in four sizes. */
#define SIZES(make, name, before, op, operand)                                                     \
	make(name##8, before op "b " operand(b)) make(name##16, before op "w " operand(w))         \
		make(name##32, before op "l " operand(k))                                          \
			make(name##64, before op "q " operand(q))

#define TO_MEMORY(size)	    "%" #size "1, (%0)"
#define TO_MEMORY_RMW(size) "%" #size "2, (%1)"
#define MEMORY_ONLY(size)   "(%1)"
#define SWAPPED(size)	    "%" #size "1, (%2)"

/* ---- plain stores ---- */

SIZES(PLAIN, mov, "", "mov", TO_MEMORY)
PLAIN(imm8, "movb $0x5a, (%0)")
PLAIN(imm16, "movw $0x5aa5, (%0)")
PLAIN(imm32, "movl $0x12345678, (%0)")
PLAIN(imm64, "movq $-0x12345678, (%0)")
PLAIN(zero32, "movl $0, (%0)")
PLAIN(indexed, "mov $-3, %%rax\n\tmovl %k1, 12(%0,%%rax,4)")
PLAIN(displaced, "lea -0x100000(%0), %%rax\n\tmovw %w1, 0x100000(%%rax)")
PLAIN(base_r12, "mov %0, %%r12\n\tmovq %1, (%%r12)")
PLAIN(base_r13, "mov %0, %%r13\n\tmovw %w1, (%%r13)")
PLAIN(rex_byte, "mov %1, %%rax\n\tmov %%al, %%sil\n\tmovb %%sil, (%0)")
PLAIN(high_byte, "mov %1, %%rax\n\tmovb %%ah, 0(%0)")
PLAIN(movnti32, "movnti %k1, (%0)")
PLAIN(movnti64, "movnti %q1, (%0)")
PLAIN(movbe16, "movbe %w1, (%0)")
PLAIN(movbe32, "movbe %k1, (%0)")
PLAIN(movbe64, "movbe %q1, (%0)")
PLAIN(setcc, "test %1, %1\n\tsetnz (%0)")
PLAIN(segment, "mov %%ds, (%0)")
/* The stack's red zone is the compiler's. */
PLAIN(pop64, "lea -128(%%rsp), %%rsp\n\tpush %1\n\tpopq (%0)\n\tlea 128(%%rsp), %%rsp")
PLAIN(pop16, "lea -128(%%rsp), %%rsp\n\tpushw %w1\n\tpopw (%0)\n\tlea 128(%%rsp), %%rsp")
PLAIN(movdiri32, "movdiri %k1, (%0)")
PLAIN(movdiri64, "movdiri %q1, (%0)")

static uint64_t movdir64b(void *p, uint64_t v)
{
	uint64_t data[8];

	for (int i = 0; i < 8; i++)
		data[i] = v * (2 * i + 1);
	__asm__ volatile("movdir64b (%1), %0" : : "r"(p), "r"(data) : "memory");
	return 0;
}

/* ---- strings; what is left of the registers is the result ---- */

#define STRING_COUNT 9

#define STOS(name, code, count)                                                                    \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		uint64_t n = (count);                                                              \
		char *at = p;                                                                      \
		__asm__ volatile(code : "+D"(at), "+c"(n) : "a"(v) : "memory", "cc");              \
		return (at - (char *)p) ^ n << 32;                                                 \
	}

STOS(stos8, "stosb", 5)
STOS(stos32, "stosl", 5)
STOS(stos64, "stosq", 5)
STOS(rep_stos8, "rep stosb", STRING_COUNT)
STOS(rep_stos16, "rep stosw", STRING_COUNT)
STOS(rep_stos32, "rep stosl", STRING_COUNT)
STOS(rep_stos64, "rep stosq", STRING_COUNT)
STOS(rep_stos_none, "rep stosq", 0)
STOS(rep_stos_long, "rep stosb", 5000)
STOS(stos_down, "std\n\tadd $64, %0\n\trep stosq\n\tcld", STRING_COUNT)

#define MOVS(name, code, count)                                                                    \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		static uint64_t data[1024];                                                        \
		uint64_t n = (count);                                                              \
		char *at = p, *from = (char *)data;                                                \
		for (int i = 0; i < 1024; i++)                                                     \
			data[i] = v * (2 * i + 1);                                                 \
		__asm__ volatile(code : "+D"(at), "+S"(from), "+c"(n) : : "memory", "cc");         \
		return (at - (char *)p) ^ n << 16 ^ (uint64_t)(from - (char *)data) << 32;         \
	}

MOVS(movs8, "movsb", 5)
MOVS(movs32, "movsl", 5)
MOVS(movs64, "movsq", 5)
MOVS(rep_movs8, "rep movsb", STRING_COUNT)
MOVS(rep_movs16, "rep movsw", STRING_COUNT)
MOVS(rep_movs32, "rep movsl", STRING_COUNT)
MOVS(rep_movs64, "rep movsq", STRING_COUNT)
MOVS(rep_movs_none, "rep movsb", 0)
MOVS(rep_movs_long, "rep movsb", 5000)
MOVS(rep_movs_long64, "rep movsq", 600)
MOVS(movs_down, "std\n\tadd $64, %0\n\tadd $64, %1\n\trep movsq\n\tcld", STRING_COUNT)

/* From the device to itself, to a place 40 bytes on. */
static uint64_t rep_movs_within(void *p, uint64_t v)
{
	char *from = p, *at = from + 40;
	uint64_t n = 5;

	__asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(n) : : "memory", "cc");
	return (at - (char *)p) ^ n << 16 ^ (uint64_t)(from - (char *)p) << 32;
}

/* ---- read, modify, write ---- */

SIZES(FLAGS, add, "", "add", TO_MEMORY_RMW)
SIZES(FLAGS, sub, "", "sub", TO_MEMORY_RMW)
SIZES(FLAGS, adc, "stc\n\t", "adc", TO_MEMORY_RMW)
SIZES(FLAGS, sbb, "stc\n\t", "sbb", TO_MEMORY_RMW)
SIZES(FLAGS, and, "", "and", TO_MEMORY_RMW)
SIZES(FLAGS, or, "", "or", TO_MEMORY_RMW)
SIZES(FLAGS, xor, "", "xor", TO_MEMORY_RMW)
SIZES(FLAGS, inc, "stc\n\t", "inc", MEMORY_ONLY)
SIZES(FLAGS, dec, "clc\n\t", "dec", MEMORY_ONLY)
SIZES(FLAGS, neg, "", "neg", MEMORY_ONLY)
SIZES(FLAGS, not, "xor %%eax, %%eax\n\t", "not", MEMORY_ONLY)
SIZES(FLAGS, shl, "", "shl", MEMORY_ONLY)
SIZES(FLAGS, sar, "", "sar", MEMORY_ONLY)
/* These leave the other flags as they were. */
SIZES(FLAGS, rcl, "xor %%eax, %%eax\n\tstc\n\t", "rcl", MEMORY_ONLY)
FLAGS(or_imm8, "orl $0x40, (%1)")
FLAGS(and_imm32, "andl $0xffff00ff, (%1)")
FLAGS(add_imm64, "addq $-0x7fffffff, (%1)")
FLAGS(shld, "shldl $1, %k2, (%1)")
FLAGS(shrd, "shrdq $1, %q2, (%1)")

SIZES(FLAGS, lock_add, "lock ", "add", TO_MEMORY_RMW)
SIZES(FLAGS, lock_or, "lock ", "or", TO_MEMORY_RMW)
SIZES(FLAGS, lock_and, "lock ", "and", TO_MEMORY_RMW)
SIZES(FLAGS, lock_xor, "lock ", "xor", TO_MEMORY_RMW)
SIZES(FLAGS, lock_inc, "clc\n\tlock ", "inc", MEMORY_ONLY)
SIZES(FLAGS, lock_dec, "stc\n\tlock ", "dec", MEMORY_ONLY)
FLAGS(lock_not32, "xor %%eax, %%eax\n\tlock notl (%1)")
FLAGS(lock_neg64, "lock negq (%1)")

/* Only CF is defined. */
#define BIT_TEST(name, code)                                                                       \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		uint8_t carry;                                                                     \
		__asm__ volatile(code "\n\tsetc %0"                                                \
				 : "=&q"(carry)                                                    \
				 : "r"(p), "r"(v % 512)                                            \
				 : "memory", "cc");                                                \
		return carry;                                                                      \
	}

BIT_TEST(bts_imm, "btsl $7, (%1)")
BIT_TEST(btr_imm, "btrq $37, (%1)")
BIT_TEST(btc_imm, "btcw $9, (%1)")
BIT_TEST(lock_bts_imm, "lock btsl $30, (%1)")
/* The bit may lie beyond the operand: it is counted from it. */
BIT_TEST(bts_reg, "btsq %2, (%1)")
BIT_TEST(lock_btr_reg, "lock btrl %k2, (%1)")

SIZES(SWAP, xchg, "xor %%eax, %%eax\n\t", "xchg", SWAPPED)
SIZES(SWAP, xadd, "", "xadd", SWAPPED)
SIZES(SWAP, lock_xadd, "lock ", "xadd", SWAPPED)

/* With what is there, which is exchanged, and with something else, which is not. */
#define CMPXCHG(name, type, code, differs)                                                         \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		type old;                                                                          \
		uint8_t equal;                                                                     \
		memcpy(&old, p, sizeof(old));                                                      \
		old ^= (differs);                                                                  \
		__asm__ volatile(code "\n\tsetz %1"                                                \
				 : "+a"(old), "=&q"(equal)                                         \
				 : "r"(p), "q"((type)v)                                            \
				 : "memory", "cc");                                                \
		return old ^ (uint64_t)equal << 63;                                                \
	}

CMPXCHG(cmpxchg8, uint8_t, "lock cmpxchgb %3, (%2)", 0)
CMPXCHG(cmpxchg16, uint16_t, "lock cmpxchgw %3, (%2)", 0)
CMPXCHG(cmpxchg32, uint32_t, "lock cmpxchgl %3, (%2)", 0)
CMPXCHG(cmpxchg64, uint64_t, "lock cmpxchgq %3, (%2)", 0)
CMPXCHG(cmpxchg32_differs, uint32_t, "lock cmpxchgl %3, (%2)", 1)
CMPXCHG(cmpxchg64_differs, uint64_t, "lock cmpxchgq %3, (%2)", 1)
CMPXCHG(cmpxchg32_plain, uint32_t, "cmpxchgl %3, (%2)", 0)

static uint64_t cmpxchg8b(void *p, uint64_t v)
{
	uint32_t low = ((volatile uint32_t *)p)[0], high = ((volatile uint32_t *)p)[1];
	uint8_t equal;

	__asm__ volatile("lock cmpxchg8b (%3)\n\tsetz %2"
			 : "+a"(low), "+d"(high), "=&q"(equal)
			 : "r"(p), "b"((uint32_t)v), "c"((uint32_t)(v >> 32))
			 : "memory", "cc");
	return low ^ (uint64_t)high << 32 ^ equal;
}

static uint64_t cmpxchg16b(void *p, uint64_t v)
{
	uint64_t low = ((volatile uint64_t *)p)[0], high = ((volatile uint64_t *)p)[1];
	uint8_t equal;

	__asm__ volatile("lock cmpxchg16b (%3)\n\tsetz %2"
			 : "+a"(low), "+d"(high), "=&q"(equal)
			 : "r"(p), "b"(v), "c"(~v)
			 : "memory", "cc");
	return low ^ high << 1 ^ equal;
}

/* ---- x87 and MMX ---- */

#define X87(name, code)                                                                            \
	static uint64_t name(void *p, uint64_t v)                                                  \
	{                                                                                          \
		int16_t n = v & 0x7fff;                                                            \
		__asm__ volatile("filds %1\n\t" code : : "r"(p), "m"(n) : "memory", "st");         \
		return 0;                                                                          \
	}

X87(fstps, "fstps (%0)")
X87(fstpl, "fstpl (%0)")
X87(fstpt, "fstpt (%0)")
X87(fistps, "fistps (%0)")
X87(fistpl, "fistpl (%0)")
X87(fistpll, "fistpll (%0)")
X87(fbstp, "fbstp (%0)")
PLAIN(fnstcw, "fnstcw (%0)")
PLAIN(stmxcsr, "stmxcsr (%0)")
PLAIN(mmx_movq, "movq %1, %%mm0\n\tmovq %%mm0, (%0)\n\temms")
PLAIN(mmx_movntq, "movq %1, %%mm0\n\tmovntq %%mm0, (%0)\n\temms")

/* ---- SSE ---- */

#define LOAD1 "movups (%1), %%xmm1\n\t"
VECTOR(movups, LOAD1 "movups %%xmm1, (%0)")
VECTOR(movupd, LOAD1 "movupd %%xmm1, (%0)")
VECTOR(movdqu, LOAD1 "movdqu %%xmm1, (%0)")
VECTOR(movaps, LOAD1 "movaps %%xmm1, (%0)")
VECTOR(movdqa, LOAD1 "movdqa %%xmm1, (%0)")
VECTOR(movntps, LOAD1 "movntps %%xmm1, (%0)")
VECTOR(movntdq, LOAD1 "movntdq %%xmm1, (%0)")
VECTOR(movd, LOAD1 "movd %%xmm1, (%0)")
VECTOR(movq, LOAD1 "movq %%xmm1, (%0)")
VECTOR(movss, LOAD1 "movss %%xmm1, (%0)")
VECTOR(movsd, LOAD1 "movsd %%xmm1, (%0)")
VECTOR(movlps, LOAD1 "movlps %%xmm1, (%0)")
VECTOR(movhps, LOAD1 "movhps %%xmm1, (%0)")
VECTOR(movhpd, LOAD1 "movhpd %%xmm1, (%0)")
VECTOR(pextrb, LOAD1 "pextrb $5, %%xmm1, (%0)")
VECTOR(pextrw, LOAD1 "pextrw $3, %%xmm1, (%0)")
VECTOR(pextrd, LOAD1 "pextrd $2, %%xmm1, (%0)")
VECTOR(pextrq, LOAD1 "pextrq $1, %%xmm1, (%0)")
VECTOR(extractps, LOAD1 "extractps $3, %%xmm1, (%0)")
VECTOR(maskmovdqu, LOAD1 "movups 16(%1), %%xmm2\n\tmov %%rdi, %%rax\n\tmov %0, %%rdi\n\t"
			 "maskmovdqu %%xmm2, %%xmm1\n\tmov %%rax, %%rdi")

/* ---- AVX and AVX-512; the upper halves are left clean ---- */

#define LOADY		   "vmovups (%1), %%ymm1\n\t"
#define LOADZ		   "vmovups (%1), %%zmm1\n\tmov $0xa5c3, %%eax\n\tkmovw %%eax, %%k1\n\t"
#define CLEAN		   "\n\tvzeroupper"
#define AVX(name, code)	   VECTOR(name, LOADY code CLEAN)
#define AVX512(name, code) VECTOR(name, LOADZ code CLEAN)

AVX(vmovups, "vmovups %%ymm1, (%0)")
AVX(vmovdqu, "vmovdqu %%ymm1, (%0)")
AVX(vmovdqu128, "vmovdqu %%xmm1, (%0)")
AVX(vmovaps, "vmovaps %%ymm1, (%0)")
AVX(vmovdqa, "vmovdqa %%ymm1, (%0)")
AVX(vmovntdq, "vmovntdq %%ymm1, (%0)")
AVX(vmovntps, "vmovntps %%ymm1, (%0)")
AVX(vmovd, "vmovd %%xmm1, (%0)")
AVX(vmovq, "vmovq %%xmm1, (%0)")
AVX(vmovss, "vmovss %%xmm1, (%0)")
AVX(vmovlps, "vmovlps %%xmm1, (%0)")
AVX(vmovhps, "vmovhps %%xmm1, (%0)")
AVX(vpextrq, "vpextrq $1, %%xmm1, (%0)")
AVX(vextractf128, "vextractf128 $1, %%ymm1, (%0)")
AVX(vmaskmovps, "vmovups 32(%1), %%ymm2\n\tvmaskmovps %%ymm1, %%ymm2, (%0)")
AVX(vpmaskmovq, "vmovups 32(%1), %%ymm2\n\tvpmaskmovq %%ymm1, %%ymm2, (%0)")
AVX(vcvtps2ph, "vcvtps2ph $0, %%ymm1, (%0)")
AVX512(vmovups512, "vmovups %%zmm1, (%0)")
AVX512(vmovdqu64, "vmovdqu64 %%zmm1, (%0)")
AVX512(vmovdqa64, "vmovdqa64 %%zmm1, (%0)")
AVX512(vmovntdq512, "vmovntdq %%zmm1, (%0)")
AVX512(vmovdqu32_masked, "vmovdqu32 %%zmm1, (%0)%{%%k1%}")
AVX512(vmovdqu64_masked, "vmovdqu64 %%zmm1, (%0)%{%%k1%}")
AVX512(vmovdqu8_masked, "vmovdqu8 %%zmm1, (%0)%{%%k1%}")
AVX512(vmovdqu16_high, "vmovdqa64 %%zmm1, %%zmm17\n\tvmovdqu16 %%zmm17, (%0)")
AVX512(vextracti64x4, "vextracti64x4 $1, %%zmm1, (%0)")
AVX512(vpcompressd, "vpcompressd %%zmm1, (%0)%{%%k1%}")
AVX512(vpmovdb, "vpmovdb %%zmm1, (%0)")
AVX512(vpmovqd_masked, "vpmovqd %%zmm1, (%0)%{%%k1%}")
AVX512(kmovw, "kmovw %%k1, (%0)")
AVX512(kmovq, "kmovq %%k1, (%0)")

/* Sixteen words, of which a mask lets some through, in no order. */
static uint64_t vpscatterdd(void *p, uint64_t v)
{
	static const uint32_t order[16] = {3, 1, 0, 2, 7, 5, 15, 4, 12, 6, 8, 14, 9, 11, 10, 13};
	uint32_t data[16];

	for (int i = 0; i < 16; i++)
		data[i] = (v >> 8) * (2 * i + 1);
	__asm__ volatile(
		"vmovdqu32 (%1), %%zmm1\n\tvmovdqu32 (%2), %%zmm2\n\t"
		"mov $0xa5c3, %%eax\n\tkmovw %%eax, %%k1\n\t"
		"vpscatterdd %%zmm1, (%0,%%zmm2,4)%{%%k1%}\n\tkmovw %%k1, %%eax\n\tvzeroupper"
		:
		: "r"(p), "r"(data), "r"(order)
		: "memory", "rax", "xmm1", "xmm2");
	return 0;
}

static bool has(unsigned int leaf, int reg, unsigned int bit)
{
	unsigned int r[4];

	return __get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]) && r[reg] & 1u << bit;
}

static bool has_movbe(void)
{
	return has(1, 2, 22);
}

static bool has_cx16(void)
{
	return has(1, 2, 13);
}

static bool has_f16c(void)
{
	return __builtin_cpu_supports("avx") && has(1, 2, 29);
}

static bool has_movdiri(void)
{
	return has(7, 2, 27);
}

static bool has_movdir64b(void)
{
	return has(7, 2, 28);
}

static bool has_sse41(void)
{
	return __builtin_cpu_supports("sse4.1");
}

static bool has_avx(void)
{
	return __builtin_cpu_supports("avx");
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

#define ONE   STORE_ONE
#define WORDS STORE_WORDS
/* clang-format off: it takes the # for a directive */
#define ROW(name, size, align, ...) { #name, name, size, align, __VA_ARGS__ }
/* clang-format on */
#define ROWS(name)                                                                                 \
	ROW(name##8, 1, 1, ONE), ROW(name##16, 2, 1, ONE), ROW(name##32, 4, 1, ONE),               \
		ROW(name##64, 8, 1, ONE)
/* Aligned only: a lock that is split between cache lines is an error to some systems. */
#define LOCKED(name)                                                                               \
	ROW(name##8, 1, 1, ONE), ROW(name##16, 2, 2, ONE), ROW(name##32, 4, 4, ONE),               \
		ROW(name##64, 8, 8, ONE)

static const struct store_form all[] = {
	ROWS(mov),
	ROW(imm8, 1, 1, ONE),
	ROW(imm16, 2, 1, ONE),
	ROW(imm32, 4, 1, ONE),
	ROW(imm64, 8, 1, ONE),
	ROW(zero32, 4, 1, ONE),
	ROW(indexed, 4, 1, ONE),
	ROW(displaced, 2, 1, ONE),
	ROW(base_r12, 8, 1, ONE),
	ROW(base_r13, 2, 1, ONE),
	ROW(rex_byte, 1, 1, ONE),
	ROW(high_byte, 1, 1, ONE),
	ROW(movnti32, 4, 1, ONE),
	ROW(movnti64, 8, 1, ONE),
	ROW(movbe16, 2, 1, ONE, has_movbe),
	ROW(movbe32, 4, 1, ONE, has_movbe),
	ROW(movbe64, 8, 1, ONE, has_movbe),
	ROW(setcc, 1, 1, ONE),
	ROW(segment, 2, 1, ONE),
	ROW(pop64, 8, 1, ONE),
	ROW(pop16, 2, 1, ONE),
	ROW(movdiri32, 4, 1, ONE, has_movdiri),
	ROW(movdiri64, 8, 1, ONE, has_movdiri),
	ROW(movdir64b, 64, 64, WORDS, has_movdir64b),

	ROW(stos8, 1, 1, ONE),
	ROW(stos32, 4, 1, ONE),
	ROW(stos64, 8, 1, ONE),
	ROW(rep_stos8, 9, 1, 0),
	ROW(rep_stos16, 18, 1, 0),
	ROW(rep_stos32, 36, 1, WORDS),
	ROW(rep_stos64, 72, 1, WORDS),
	ROW(rep_stos_none, 8, 1, 0),
	ROW(rep_stos_long, 5000, 1, 0),
	ROW(stos_down, 72, 1, WORDS),
	ROW(movs8, 1, 1, ONE),
	ROW(movs32, 4, 1, ONE),
	ROW(movs64, 8, 1, ONE),
	ROW(rep_movs8, 9, 1, 0),
	ROW(rep_movs16, 18, 1, 0),
	ROW(rep_movs32, 36, 1, WORDS),
	ROW(rep_movs64, 72, 1, WORDS),
	ROW(rep_movs_none, 8, 1, 0),
	ROW(rep_movs_long, 5000, 1, 0),
	ROW(rep_movs_long64, 4800, 1, WORDS),
	ROW(movs_down, 72, 1, WORDS),
	ROW(rep_movs_within, 80, 1, WORDS),

	ROWS(add),
	ROWS(sub),
	ROWS(adc),
	ROWS(sbb),
	ROWS(and),
	ROWS(or),
	ROWS(xor),
	ROWS(inc),
	ROWS(dec),
	ROWS(neg),
	ROWS(not ),
	ROWS(shl),
	ROWS(sar),
	ROWS(rcl),
	ROW(or_imm8, 4, 1, ONE),
	ROW(and_imm32, 4, 1, ONE),
	ROW(add_imm64, 8, 1, ONE),
	ROW(shld, 4, 1, ONE),
	ROW(shrd, 8, 1, ONE),
	LOCKED(lock_add),
	LOCKED(lock_or),
	LOCKED(lock_and),
	LOCKED(lock_xor),
	LOCKED(lock_inc),
	LOCKED(lock_dec),
	ROW(lock_not32, 4, 4, ONE),
	ROW(lock_neg64, 8, 8, ONE),
	ROW(bts_imm, 4, 1, ONE),
	ROW(btr_imm, 8, 1, ONE),
	ROW(btc_imm, 2, 1, ONE),
	ROW(lock_bts_imm, 4, 4, ONE),
	ROW(bts_reg, 64, 1, WORDS),
	ROW(lock_btr_reg, 64, 4, WORDS),
	LOCKED(xchg),
	ROWS(xadd),
	LOCKED(lock_xadd),
	ROW(cmpxchg8, 1, 1, ONE),
	ROW(cmpxchg16, 2, 2, ONE),
	ROW(cmpxchg32, 4, 4, ONE),
	ROW(cmpxchg64, 8, 8, ONE),
	/* It may write back what it found, or not write at all. */
	ROW(cmpxchg32_differs, 4, 4, WORDS),
	ROW(cmpxchg64_differs, 8, 8, WORDS),
	ROW(cmpxchg32_plain, 4, 1, ONE),
	ROW(cmpxchg8b, 8, 8, ONE),
	ROW(cmpxchg16b, 16, 16, WORDS, has_cx16),

	ROW(fstps, 4, 1, ONE),
	ROW(fstpl, 8, 1, ONE),
	ROW(fstpt, 10, 1, 0),
	ROW(fistps, 2, 1, ONE),
	ROW(fistpl, 4, 1, ONE),
	ROW(fistpll, 8, 1, ONE),
	ROW(fbstp, 10, 1, 0),
	ROW(fnstcw, 2, 1, ONE),
	ROW(stmxcsr, 4, 1, ONE),
	ROW(mmx_movq, 8, 1, ONE),
	ROW(mmx_movntq, 8, 1, ONE),

	ROW(movups, 16, 1, WORDS),
	ROW(movupd, 16, 1, WORDS),
	ROW(movdqu, 16, 1, WORDS),
	ROW(movaps, 16, 16, WORDS),
	ROW(movdqa, 16, 16, WORDS),
	ROW(movntps, 16, 16, WORDS),
	ROW(movntdq, 16, 16, WORDS),
	ROW(movd, 4, 1, ONE),
	ROW(movq, 8, 1, ONE),
	ROW(movss, 4, 1, ONE),
	ROW(movsd, 8, 1, ONE),
	ROW(movlps, 8, 1, ONE),
	ROW(movhps, 8, 1, ONE),
	ROW(movhpd, 8, 1, ONE),
	ROW(pextrb, 1, 1, ONE, has_sse41),
	ROW(pextrw, 2, 1, ONE, has_sse41),
	ROW(pextrd, 4, 1, ONE, has_sse41),
	ROW(pextrq, 8, 1, ONE, has_sse41),
	ROW(extractps, 4, 1, ONE, has_sse41),
	ROW(maskmovdqu, 16, 1, 0),

	ROW(vmovups, 32, 1, WORDS, has_avx),
	ROW(vmovdqu, 32, 1, WORDS, has_avx),
	ROW(vmovdqu128, 16, 1, WORDS, has_avx),
	ROW(vmovaps, 32, 32, WORDS, has_avx),
	ROW(vmovdqa, 32, 32, WORDS, has_avx),
	ROW(vmovntdq, 32, 32, WORDS, has_avx),
	ROW(vmovntps, 32, 32, WORDS, has_avx),
	ROW(vmovd, 4, 1, ONE, has_avx),
	ROW(vmovq, 8, 1, ONE, has_avx),
	ROW(vmovss, 4, 1, ONE, has_avx),
	ROW(vmovlps, 8, 1, ONE, has_avx),
	ROW(vmovhps, 8, 1, ONE, has_avx),
	ROW(vpextrq, 8, 1, ONE, has_avx),
	ROW(vextractf128, 16, 1, WORDS, has_avx),
	ROW(vmaskmovps, 32, 1, WORDS, has_avx),
	ROW(vpmaskmovq, 32, 1, WORDS, has_avx2),
	ROW(vcvtps2ph, 16, 1, WORDS, has_f16c),
	ROW(vmovups512, 64, 1, WORDS, has_avx512),
	ROW(vmovdqu64, 64, 1, WORDS, has_avx512),
	ROW(vmovdqa64, 64, 64, WORDS, has_avx512),
	ROW(vmovntdq512, 64, 64, WORDS, has_avx512),
	ROW(vmovdqu32_masked, 64, 1, WORDS, has_avx512),
	ROW(vmovdqu64_masked, 64, 1, WORDS, has_avx512),
	ROW(vmovdqu8_masked, 64, 1, 0, has_avx512),
	ROW(vmovdqu16_high, 64, 1, WORDS, has_avx512),
	ROW(vextracti64x4, 32, 1, WORDS, has_avx512),
	ROW(vpcompressd, 64, 1, WORDS, has_avx512),
	ROW(vpmovdb, 16, 1, WORDS, has_avx512),
	ROW(vpmovqd_masked, 32, 1, WORDS, has_avx512),
	ROW(kmovw, 2, 1, ONE, has_avx512),
	ROW(kmovq, 8, 1, ONE, has_avx512),
	ROW(vpscatterdd, 64, 1, WORDS, has_avx512),
};

const struct store_form *store_forms(size_t *n)
{
	*n = sizeof(all) / sizeof(all[0]);
	return all;
}

#define NR_GENERAL 13
#define NR_VECTORS 16

static struct {
	uint64_t general[NR_GENERAL], red_zone, carry;
	uint8_t vector[NR_VECTORS][32];
} before, after;

/* RSP and RBP are not among them: the program would not come back. */
#define EACH_GENERAL(do)                                                                           \
	do                                                                                         \
	(0, "rbx") do(1, "rcx") do(2, "rdx") do(3, "rsi") do(4, "rdi") do(5, "r8") do(6, "r9") do( \
		7, "r10") do(8, "r11") do(9, "r12") do(10, "r13") do(11, "r14") do(12, "r15")
#define EACH_VECTOR(do)                                                                            \
	do                                                                                         \
	(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(  \
		14) do(15)
#define LOAD_GENERAL(n, reg) "movq " #n "*8+%[before], %%" reg "\n\t"
#define SAVE_GENERAL(n, reg) "movq %%" reg ", " #n "*8+%[after]\n\t"
#define LOAD_XMM(n)	     "movups " #n "*32+%[vectors], %%xmm" #n "\n\t"
#define SAVE_XMM(n)	     "movups %%xmm" #n ", " #n "*32+%[after_vectors]\n\t"
#define LOAD_YMM(n)	     "vmovups " #n "*32+%[vectors], %%ymm" #n "\n\t"
#define SAVE_YMM(n)	     "vmovups %%ymm" #n ", " #n "*32+%[after_vectors]\n\t"

/* The address is in RAX, and so is the only register that the block may change. */
#define KEEP(load_vector, save_vector, clean)                                                                      \
	__asm__ volatile(                                                                                          \
		"movq %[p], %%rax\n\t" EACH_VECTOR(load_vector) "movq $0x1234567, -120(%%rsp)\n\t" EACH_GENERAL(   \
			LOAD_GENERAL) "stc\n\tmovl $0x5a, (%%rax)\n\tsetc %[carry]\n\t" EACH_GENERAL(SAVE_GENERAL) \
			EACH_VECTOR(                                                                               \
				save_vector) "movq -120(%%rsp), %%rax\n\tmovq %%rax, %[red_zone]" clean            \
		: [after] "=m"(after.general), [after_vectors] "=m"(after.vector),                                 \
		  [carry] "=m"(after.carry), [red_zone] "=m"(after.red_zone)                                       \
		: [p] "m"(where), [before] "m"(before.general), [vectors] "m"(before.vector)                       \
		: "memory", "cc", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",                     \
		  "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",                       \
		  "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",                      \
		  "xmm14", "xmm15")

bool store_keeps_registers(void *p, char why[64])
{
	static void *where;
	const size_t len = has_avx() ? 32 : 16;

	where = p;
	memset(&after, 0, sizeof(after));
	for (size_t i = 0; i < sizeof(before); i++)
		((uint8_t *)&before)[i] = 17 * i + 3;
	if (has_avx())
		KEEP(LOAD_YMM, SAVE_YMM, "\n\tvzeroupper");
	else
		KEEP(LOAD_XMM, SAVE_XMM, "");
	why[0] = '\0';
	for (int i = 0; i < NR_GENERAL; i++)
		if (after.general[i] != before.general[i])
			snprintf(why, 64, "general register %d has changed", i);
	for (int i = 0; i < NR_VECTORS; i++)
		if (memcmp(after.vector[i], before.vector[i], len))
			snprintf(why, 64, "vector register %d has changed", i);
	if (after.red_zone != 0x1234567)
		snprintf(why, 64, "the red zone has changed");
	if (!(after.carry & 1))
		snprintf(why, 64, "the carry flag has changed");
	return !why[0];
}

#else

const struct store_form *store_forms(size_t *n)
{
	*n = 0;
	return NULL;
}

bool store_keeps_registers(void *p, char why[64])
{
	return false;
}
#endif
