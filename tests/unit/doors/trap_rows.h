/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The instructions that the store trap's test runs: X(name, text, features, align, bytes, calls, flags).
 *
 * bytes and calls are what the device must see of one execution when the whole operand lies in the device,
 * 64-byte aligned; ANY where the registers decide. RDI is the operand's address. RSI is the address of
 * ordinary memory, R10 + 4 * R11 + 16, R13 (FS-relative) and EDI are also the operand's address; RCX is
 * small; R12 is a bit offset; ZMM4 and ZMM5 hold small dword and qword indices, K1 to K7 random masks.
 */
#ifndef TRAP_ROWS_H
#define TRAP_ROWS_H

#define ANY (-1)

enum {
	NEED_AVX = 1,
	NEED_AVX2 = 2,
	NEED_AVX512 = 4, /* F, VL, BW, DQ */
	NEED_VBMI2 = 8,
	NEED_F16C = 16,
	NEED_MOVBE = 32,
	NEED_SSE41 = 64,
	NEED_CLZERO = 128,
	NEED_SSE4A = 256,
};

enum {
	ROW_DF = 1,	/* also with the direction flag set */
	ROW_SELF = 2,	/* RSI points at the device too, 128 bytes on */
	ROW_RBX = 4,	/* RBX is the operand's address */
	ROW_TABLE = 8,	/* cannot be relocated */
	ROW_DEVICE = 16, /* only where the whole operand, however large, lies in the device */
	ROW_FXSAVE = 32, /* stores an FPU image, whose instruction pointer is that of its last instruction */
	ROW_STACK = 64, /* RSP is 8 above the operand's address */
	ROW_RAX = 128,	/* RAX is the operand's address */
	ROW_READS = 256, /* a store that also loads */
	ROW_RANDOM = 512, /* in no order, perhaps one place twice */
};

#define ROWS_INTEGER(X)												\
	X(mov8, "movb %al, (%rdi)", 0, 1, 1, 1, 0)								\
	X(mov8h, "movb %ah, (%rdi)", 0, 1, 1, 1, 0)								\
	X(mov8rex, "movb %sil, (%rdi)", 0, 1, 1, 1, 0)								\
	X(mov16, "movw %dx, (%rdi)", 0, 1, 2, 1, 0)								\
	X(mov32, "movl %r9d, (%rdi)", 0, 1, 4, 1, 0)								\
	X(mov64, "movq %r14, (%rdi)", 0, 1, 8, 1, 0)								\
	X(mov64sp, "movq %rsp, (%rdi)", 0, 1, 8, 1, 0)								\
	X(movsib, "movl %eax, 16(%r10, %r11, 4)", 0, 1, 4, 1, 0)						\
	X(movfs, "movl %eax, %fs:(%r13)", 0, 1, 4, 1, 0)							\
	X(mova32, "movl %eax, (%edi)", 0, 1, 4, 1, 0)								\
	X(movseg, "movw %ds, (%rdi)", 0, 1, 2, 1, 0)								\
	X(imm8, "movb $0x5a, (%rdi)", 0, 1, 1, 1, 0)								\
	X(imm16, "movw $0x5a17, (%rdi)", 0, 1, 2, 1, 0)								\
	X(imm32, "movl $0x80001234, (%rdi)", 0, 1, 4, 1, 0)							\
	X(imm64, "movq $-5, (%rdi)", 0, 1, 8, 1, 0)								\
	X(immsib, "movw $0x5a17, 16(%r10, %r11, 4)", 0, 1, 2, 1, 0)						\
	X(movnti32, "movnti %eax, (%rdi)", 0, 1, 4, 1, 0)							\
	X(movnti64, "movnti %rdx, (%rdi)", 0, 1, 8, 1, 0)							\
	X(movbe16, "movbe %ax, (%rdi)", NEED_MOVBE, 1, 2, 1, 0)							\
	X(movbe32, "movbe %eax, (%rdi)", NEED_MOVBE, 1, 4, 1, 0)						\
	X(movbe64, "movbe %rax, (%rdi)", NEED_MOVBE, 1, 8, 1, 0)						\
	X(seto, "seto (%rdi)", 0, 1, 1, 1, 0)									\
	X(setno, "setno (%rdi)", 0, 1, 1, 1, 0)									\
	X(setb, "setb (%rdi)", 0, 1, 1, 1, 0)									\
	X(setae, "setae (%rdi)", 0, 1, 1, 1, 0)									\
	X(sete, "sete (%rdi)", 0, 1, 1, 1, 0)									\
	X(setne, "setne (%rdi)", 0, 1, 1, 1, 0)									\
	X(setbe, "setbe (%rdi)", 0, 1, 1, 1, 0)									\
	X(seta, "seta (%rdi)", 0, 1, 1, 1, 0)									\
	X(sets, "sets (%rdi)", 0, 1, 1, 1, 0)									\
	X(setns, "setns (%rdi)", 0, 1, 1, 1, 0)									\
	X(setp, "setp (%rdi)", 0, 1, 1, 1, 0)									\
	X(setnp, "setnp (%rdi)", 0, 1, 1, 1, 0)									\
	X(setl, "setl (%rdi)", 0, 1, 1, 1, 0)									\
	X(setge, "setge (%rdi)", 0, 1, 1, 1, 0)									\
	X(setle, "setle (%rdi)", 0, 1, 1, 1, 0)									\
	X(setg, "setg (%rdi)", 0, 1, 1, 1, 0)

#define ROWS_ALU1(X, op)											\
	X(op##8, #op "b %al, (%rdi)", 0, 1, 1, 1, ROW_READS)							\
	X(op##16, #op "w %ax, (%rdi)", 0, 1, 2, 1, ROW_READS)							\
	X(op##32, #op "l %eax, (%rdi)", 0, 1, 4, 1, ROW_READS)							\
	X(op##64, #op "q %rax, (%rdi)", 0, 1, 8, 1, ROW_READS)							\
	X(op##8i, #op "b $0x85, (%rdi)", 0, 1, 1, 1, ROW_READS)							\
	X(op##16i, #op "w $0x8123, (%rdi)", 0, 1, 2, 1, ROW_READS)						\
	X(op##32i, #op "l $-3, (%rdi)", 0, 1, 4, 1, ROW_READS)							\
	X(op##64i, #op "q $0x12345678, (%rdi)", 0, 1, 8, 1, ROW_READS)						\
	X(lock_##op##16, "lock " #op "w %dx, (%rdi)", 0, 1, 2, 1, ROW_READS)					\
	X(lock_##op##64, "lock " #op "q %rdx, (%rdi)", 0, 1, 8, 1, ROW_READS)

#define ROWS_ALU(X)												\
	ROWS_ALU1(X, add)											\
	ROWS_ALU1(X, adc)											\
	ROWS_ALU1(X, sub)											\
	ROWS_ALU1(X, sbb)											\
	ROWS_ALU1(X, and)											\
	ROWS_ALU1(X, or)											\
	ROWS_ALU1(X, xor)

#define ROWS_UNARY1(X, op)											\
	X(op##8, #op "b (%rdi)", 0, 1, 1, 1, ROW_READS)								\
	X(op##16, #op "w (%rdi)", 0, 1, 2, 1, ROW_READS)							\
	X(op##32, "lock " #op "l (%rdi)", 0, 1, 4, 1, ROW_READS)						\
	X(op##64, #op "q (%rdi)", 0, 1, 8, 1, ROW_READS)

#define ROWS_BIT1(X, op)											\
	X(op##16, "lock " #op "w %r12w, (%rdi)", 0, 2, 2, 1, ROW_READS)						\
	X(op##32, #op "l %r12d, (%rdi)", 0, 4, 4, 1, ROW_READS)							\
	X(op##64, #op "q %r12, (%rdi)", 0, 8, 8, 1, ROW_READS)							\
	X(op##32i, "lock " #op "l $37, (%rdi)", 0, 1, 4, 1, ROW_READS)						\
	X(op##64i, #op "q $37, (%rdi)", 0, 1, 8, 1, ROW_READS)

#define ROWS_MODIFY(X)												\
	ROWS_UNARY1(X, inc)											\
	ROWS_UNARY1(X, dec)											\
	ROWS_UNARY1(X, neg)											\
	ROWS_UNARY1(X, not)											\
	ROWS_BIT1(X, bts)											\
	ROWS_BIT1(X, btr)											\
	ROWS_BIT1(X, btc)											\
	X(xchg8, "xchgb %al, (%rdi)", 0, 1, 1, 1, ROW_READS)							\
	X(xchg16, "xchgw %ax, (%rdi)", 0, 1, 2, 1, ROW_READS)							\
	X(xchg32, "xchgl %eax, (%rdi)", 0, 1, 4, 1, ROW_READS)							\
	X(xchg64, "xchgq %r8, (%rdi)", 0, 1, 8, 1, ROW_READS)							\
	X(xadd8, "xaddb %ah, (%rdi)", 0, 1, 1, 1, ROW_READS)							\
	X(xadd16, "lock xaddw %ax, (%rdi)", 0, 1, 2, 1, ROW_READS)						\
	X(xadd32, "lock xaddl %eax, (%rdi)", 0, 1, 4, 1, ROW_READS)						\
	X(xadd64, "xaddq %r8, (%rdi)", 0, 1, 8, 1, ROW_READS)							\
	X(cmpxchg8, "lock cmpxchgb %dl, (%rdi)", 0, 1, 1, 1, ROW_READS)						\
	X(cmpxchg16, "cmpxchgw %dx, (%rdi)", 0, 1, 2, 1, ROW_READS)						\
	X(cmpxchg32, "lock cmpxchgl %edx, (%rdi)", 0, 1, 4, 1, ROW_READS)					\
	X(cmpxchg64, "lock cmpxchgq %rdx, (%rdi)", 0, 1, 8, 1, ROW_READS)					\
	X(cmpxchg8b, "lock cmpxchg8b (%rdi)", 0, 1, 8, 1, ROW_READS)						\
	X(cmpxchg16b, "lock cmpxchg16b (%rdi)", 0, 16, 16, 2, ROW_READS)					\
	X(shl32, "shll $1, (%rdi)", 0, 1, 4, 1, ROW_READS)							\
	X(ror64, "rorq %cl, (%rdi)", 0, 1, 8, 1, ROW_READS)							\
	X(rcl16, "rclw $1, (%rdi)", 0, 1, 2, 1, ROW_READS)							\
	X(shld, "shldl $5, %eax, (%rdi)", 0, 1, 4, 1, ROW_READS)						\
	X(pop16, "popw (%rdi)", 0, 1, 2, 1, ROW_TABLE)								\
	X(pop64, "popq (%rdi)", 0, 1, 8, 1, ROW_TABLE)								\
	X(popsp, "popq -8(%rsp)", 0, 8, 8, 1, ROW_TABLE | ROW_STACK | ROW_READS)				\
	X(pushsp, "pushq %rax", 0, 8, 8, 1, ROW_TABLE | ROW_STACK | ROW_READS)					\
	X(pushimm, "pushq $-7", 0, 8, 8, 1, ROW_TABLE | ROW_STACK | ROW_READS)					\
	X(clzero, "clzero", NEED_CLZERO, 64, 64, 8, ROW_TABLE | ROW_RAX)

#define ROWS_STRING(X)												\
	X(stosb, "stosb", 0, 1, 1, 1, ROW_DF)									\
	X(stosw, "stosw", 0, 1, 2, 1, ROW_DF)									\
	X(stosl, "stosl", 0, 1, 4, 1, ROW_DF)									\
	X(stosq, "stosq", 0, 1, 8, 1, ROW_DF)									\
	X(stosa32, "addr32 stosl", 0, 1, 4, 1, ROW_DF)								\
	X(rep_stosb, "rep stosb", 0, 1, ANY, ANY, ROW_DF)							\
	X(rep_stosl, "rep stosl", 0, 1, ANY, ANY, ROW_DF)							\
	X(rep_stosq, "rep stosq", 0, 1, ANY, ANY, ROW_DF)							\
	X(rep_stosa32, "addr32 rep stosl", 0, 1, ANY, ANY, ROW_DF)						\
	X(movsb, "movsb", 0, 1, 1, 1, ROW_DF)									\
	X(movsw, "movsw", 0, 1, 2, 1, ROW_DF)									\
	X(movsl, "movsl", 0, 1, 4, 1, ROW_DF)									\
	X(movsq, "movsq", 0, 1, 8, 1, ROW_DF)									\
	X(rep_movsb, "rep movsb", 0, 1, ANY, ANY, ROW_DF)							\
	X(repne_movsb, "repne movsb", 0, 1, ANY, ANY, ROW_DF)							\
	X(rep_movsw, "rep movsw", 0, 1, ANY, ANY, ROW_DF)							\
	X(rep_movsl, "rep movsl", 0, 1, ANY, ANY, ROW_DF)							\
	X(rep_movsq, "rep movsq", 0, 1, ANY, ANY, ROW_DF)							\
	X(rep_movsa32, "addr32 rep movsl", 0, 1, ANY, ANY, ROW_DF)						\
	X(self_movsq, "movsq", 0, 1, 8, 1, ROW_DF | ROW_SELF | ROW_READS)					\
	X(self_rep_movsb, "rep movsb", 0, 1, ANY, ANY, ROW_DF | ROW_SELF | ROW_READS)				\
	X(self_rep_movsl, "rep movsl", 0, 1, ANY, ANY, ROW_DF | ROW_SELF | ROW_READS)

#define ROWS_SSE(X)												\
	X(movaps, "movaps %xmm1, (%rdi)", 0, 16, 16, 2, 0)							\
	X(movapd, "movapd %xmm9, (%rdi)", 0, 16, 16, 2, 0)							\
	X(movups, "movups %xmm2, (%rdi)", 0, 1, 16, 2, 0)							\
	X(movupd, "movupd %xmm3, (%rdi)", 0, 1, 16, 2, 0)							\
	X(movdqa, "movdqa %xmm15, (%rdi)", 0, 16, 16, 2, 0)							\
	X(movdqu, "movdqu %xmm7, (%rdi)", 0, 1, 16, 2, 0)							\
	X(movntps, "movntps %xmm1, (%rdi)", 0, 16, 16, 2, 0)							\
	X(movntpd, "movntpd %xmm1, (%rdi)", 0, 16, 16, 2, 0)							\
	X(movntdq, "movntdq %xmm1, (%rdi)", 0, 16, 16, 2, 0)							\
	X(movntss, "movntss %xmm1, (%rdi)", NEED_SSE4A, 1, 4, 1, 0)						\
	X(movntsd, "movntsd %xmm1, (%rdi)", NEED_SSE4A, 1, 8, 1, 0)						\
	X(movd, "movd %xmm1, (%rdi)", 0, 1, 4, 1, 0)								\
	X(movq, "movq %xmm1, (%rdi)", 0, 1, 8, 1, 0)								\
	X(movss, "movss %xmm1, (%rdi)", 0, 1, 4, 1, 0)								\
	X(movsd, "movsd %xmm1, (%rdi)", 0, 1, 8, 1, 0)								\
	X(movlps, "movlps %xmm1, (%rdi)", 0, 1, 8, 1, 0)							\
	X(movlpd, "movlpd %xmm1, (%rdi)", 0, 1, 8, 1, 0)							\
	X(movhps, "movhps %xmm1, (%rdi)", 0, 1, 8, 1, 0)							\
	X(movhpd, "movhpd %xmm1, (%rdi)", 0, 1, 8, 1, 0)							\
	X(pextrb, "pextrb $13, %xmm1, (%rdi)", NEED_SSE41, 1, 1, 1, 0)						\
	X(pextrw, "pextrw $7, %xmm1, (%rdi)", NEED_SSE41, 1, 2, 1, 0)						\
	X(pextrd, "pextrd $0xff, %xmm1, (%rdi)", NEED_SSE41, 1, 4, 1, 0)					\
	X(pextrq, "pextrq $1, %xmm1, (%rdi)", NEED_SSE41, 1, 8, 1, 0)						\
	X(extractps, "extractps $2, %xmm1, (%rdi)", NEED_SSE41, 1, 4, 1, 0)					\
	X(maskmovdqu, "maskmovdqu %xmm3, %xmm1", 0, 1, ANY, ANY, 0)						\
	X(maskmovq, "maskmovq %mm3, %mm1", 0, 1, ANY, ANY, 0)							\
	X(mmx_movq, "movq %mm2, (%rdi)", 0, 1, 8, 1, 0)								\
	X(mmx_movd, "movd %mm2, (%rdi)", 0, 1, 4, 1, 0)								\
	X(mmx_movntq, "movntq %mm5, (%rdi)", 0, 1, 8, 1, 0)							\
	X(stmxcsr, "stmxcsr (%rdi)", 0, 1, 4, 1, 0)								\
	X(fstcw, "fnstcw (%rdi)", 0, 1, 2, 1, 0)								\
	X(fstsw, "fnstsw (%rdi)", 0, 1, 2, 1, 0)								\
	X(fsts, "fsts (%rdi)", 0, 1, 4, 1, 0)									\
	X(fstpl, "fstpl (%rdi)", 0, 1, 8, 1, 0)									\
	X(fstpt, "fstpt (%rdi)", 0, 1, 10, 2, 0)								\
	X(fistpll, "fistpll (%rdi)", 0, 1, 8, 1, 0)								\
	X(fisttps, "fisttps (%rdi)", 0, 1, 2, 1, 0)								\
	X(fbstp, "fbstp (%rdi)", 0, 1, 10, 2, 0)								\
	X(fnstenv, "fnstenv (%rdi)", 0, 1, 28, 4, ROW_FXSAVE)							\
	X(fxsave, "fxsave (%rdi)", 0, 64, 512, 64, ROW_DEVICE | ROW_FXSAVE | ROW_READS)				\
	X(xsave, "xsave (%rdi)", NEED_AVX, 64, ANY, ANY, ROW_DEVICE | ROW_FXSAVE | ROW_READS)

#define ROWS_AVX(X)												\
	X(vmovaps, "vmovaps %ymm1, (%rdi)", NEED_AVX, 32, 32, 4, 0)						\
	X(vmovapd, "vmovapd %ymm1, (%rdi)", NEED_AVX, 32, 32, 4, 0)						\
	X(vmovups, "vmovups %ymm1, (%rdi)", NEED_AVX, 1, 32, 4, 0)						\
	X(vmovups128, "vmovups %xmm12, (%rdi)", NEED_AVX, 1, 16, 2, 0)						\
	X(vmovupd, "vmovupd %ymm14, (%rdi)", NEED_AVX, 1, 32, 4, 0)						\
	X(vmovdqa, "vmovdqa %ymm15, (%rdi)", NEED_AVX, 32, 32, 4, 0)						\
	X(vmovdqu, "vmovdqu %ymm8, 16(%r10, %r11, 4)", NEED_AVX, 1, 32, 4, 0)					\
	X(vmovntps, "vmovntps %ymm1, (%rdi)", NEED_AVX, 32, 32, 4, 0)						\
	X(vmovntpd, "vmovntpd %ymm1, (%rdi)", NEED_AVX, 32, 32, 4, 0)						\
	X(vmovntdq, "vmovntdq %ymm1, (%rdi)", NEED_AVX, 32, 32, 4, 0)						\
	X(vmovd, "vmovd %xmm1, (%rdi)", NEED_AVX, 1, 4, 1, 0)							\
	X(vmovq, "vmovq %xmm1, (%rdi)", NEED_AVX, 1, 8, 1, 0)							\
	X(vmovss, "vmovss %xmm1, (%rdi)", NEED_AVX, 1, 4, 1, 0)							\
	X(vmovsd, "vmovsd %xmm1, (%rdi)", NEED_AVX, 1, 8, 1, 0)							\
	X(vmovlps, "vmovlps %xmm1, (%rdi)", NEED_AVX, 1, 8, 1, 0)						\
	X(vmovlpd, "vmovlpd %xmm1, (%rdi)", NEED_AVX, 1, 8, 1, 0)						\
	X(vmovhps, "vmovhps %xmm1, (%rdi)", NEED_AVX, 1, 8, 1, 0)						\
	X(vmovhpd, "vmovhpd %xmm1, (%rdi)", NEED_AVX, 1, 8, 1, 0)						\
	X(vpextrb, "vpextrb $9, %xmm1, (%rdi)", NEED_AVX, 1, 1, 1, 0)						\
	X(vpextrw, "vpextrw $3, %xmm1, (%rdi)", NEED_AVX, 1, 2, 1, 0)						\
	X(vpextrd, "vpextrd $2, %xmm1, (%rdi)", NEED_AVX, 1, 4, 1, 0)						\
	X(vpextrq, "vpextrq $1, %xmm1, (%rdi)", NEED_AVX, 1, 8, 1, 0)						\
	X(vextractps, "vextractps $3, %xmm1, (%rdi)", NEED_AVX, 1, 4, 1, 0)					\
	X(vextractf128, "vextractf128 $1, %ymm1, (%rdi)", NEED_AVX, 1, 16, 2, 0)				\
	X(vextracti128, "vextracti128 $1, %ymm1, (%rdi)", NEED_AVX2, 1, 16, 2, 0)				\
	X(vmaskmovps, "vmaskmovps %ymm1, %ymm2, (%rdi)", NEED_AVX, 1, ANY, ANY, 0)				\
	X(vmaskmovpd, "vmaskmovpd %xmm1, %xmm2, (%rdi)", NEED_AVX, 1, ANY, ANY, 0)				\
	X(vpmaskmovd, "vpmaskmovd %ymm1, %ymm2, (%rdi)", NEED_AVX2, 1, ANY, ANY, 0)				\
	X(vpmaskmovq, "vpmaskmovq %ymm1, %ymm2, (%rdi)", NEED_AVX2, 1, ANY, ANY, 0)				\
	X(vmaskmovdqu, "vmaskmovdqu %xmm3, %xmm1", NEED_AVX, 1, ANY, ANY, 0)					\
	X(vcvtps2ph, "vcvtps2ph $0, %ymm1, (%rdi)", NEED_F16C, 1, 16, 2, 0)

#define ROWS_AVX512(X)												\
	X(zmovups, "vmovups %zmm1, (%rdi)", NEED_AVX512, 1, 64, 8, 0)						\
	X(zmovaps, "vmovaps %zmm20, (%rdi)", NEED_AVX512, 64, 64, 8, 0)						\
	X(zmovntdq, "vmovntdq %zmm31, (%rdi)", NEED_AVX512, 64, 64, 8, 0)					\
	X(zmovdqu64, "vmovdqu64 %zmm17, (%rdi)", NEED_AVX512, 1, 64, 8, 0)					\
	X(zmovdisp, "vmovdqu64 %zmm17, 0x40(%r10, %r11, 4)", NEED_AVX512, 1, 64, ANY, ROW_DEVICE)		\
	X(ymovdqu64, "vmovdqu64 %ymm18, (%rdi)", NEED_AVX512, 1, 32, 4, 0)					\
	X(xmovdqu64, "vmovdqu64 %xmm19, (%rdi)", NEED_AVX512, 1, 16, 2, 0)					\
	X(zmovdqu8k, "vmovdqu8 %zmm1, (%rdi){%k1}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(ymovdqu8k, "vmovdqu8 %ymm21, (%rdi){%k2}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(zmovdqu16k, "vmovdqu16 %zmm1, (%rdi){%k3}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(zmovdqu32k, "vmovdqu32 %zmm22, (%rdi){%k4}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(zmovdqu64k, "vmovdqu64 %zmm1, (%rdi){%k5}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(zmovdqa32k, "vmovdqa32 %zmm1, (%rdi){%k6}", NEED_AVX512, 64, ANY, ANY, 0)				\
	X(zmovapdk, "vmovapd %zmm1, (%rdi){%k7}", NEED_AVX512, 64, ANY, ANY, 0)					\
	X(xmovupsk, "vmovups %xmm23, (%rdi){%k1}", NEED_AVX512, 1, ANY, ANY, 0)					\
	X(emovss, "vmovss %xmm24, (%rdi)", NEED_AVX512, 1, 4, 1, 0)						\
	X(emovssk, "vmovss %xmm24, (%rdi){%k2}", NEED_AVX512, 1, ANY, ANY, 0)					\
	X(emovsdk, "vmovsd %xmm4, (%rdi){%k3}", NEED_AVX512, 1, ANY, ANY, 0)					\
	X(emovq, "vmovq %xmm25, (%rdi)", NEED_AVX512, 1, 8, 1, 0)						\
	X(emovhps, "vmovhps %xmm25, (%rdi)", NEED_AVX512, 1, 8, 1, 0)						\
	X(zextractf32x4, "vextractf32x4 $3, %zmm1, (%rdi)", NEED_AVX512, 1, 16, 2, 0)				\
	X(zextracti64x2k, "vextracti64x2 $2, %zmm26, (%rdi){%k1}", NEED_AVX512, 1, ANY, ANY, 0)			\
	X(zextractf32x8k, "vextractf32x8 $1, %zmm1, (%rdi){%k2}", NEED_AVX512, 1, ANY, ANY, 0)			\
	X(zextracti64x4, "vextracti64x4 $1, %zmm1, (%rdi)", NEED_AVX512, 1, 32, 4, 0)				\
	X(zextracti32x4k, "vextracti32x4 $1, %zmm27, (%rdi){%k4}", NEED_AVX512, 1, ANY, ANY, 0)			\
	X(epextrd, "vpextrd $3, %xmm28, (%rdi)", NEED_AVX512, 1, 4, 1, 0)					\
	X(kmovb, "kmovb %k1, (%rdi)", NEED_AVX512, 1, 1, 1, 0)							\
	X(kmovw, "kmovw %k2, (%rdi)", NEED_AVX512, 1, 2, 1, 0)							\
	X(kmovd, "kmovd %k3, (%rdi)", NEED_AVX512, 1, 4, 1, 0)							\
	X(kmovq, "kmovq %k4, (%rdi)", NEED_AVX512, 1, 8, 1, 0)							\
	X(vpcompressd, "vpcompressd %zmm1, (%rdi){%k1}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(vpcompressq, "vpcompressq %ymm29, (%rdi){%k2}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(vcompressps, "vcompressps %zmm1, (%rdi)", NEED_AVX512, 1, 64, 8, 0)					\
	X(vpcompressb, "vpcompressb %zmm1, (%rdi){%k3}", NEED_VBMI2, 1, ANY, ANY, 0)				\
	X(vpcompressw, "vpcompressw %xmm1, (%rdi){%k3}", NEED_VBMI2, 1, ANY, ANY, 0)				\
	X(vpmovqb, "vpmovqb %zmm1, (%rdi)", NEED_AVX512, 1, 8, 1, 0)						\
	X(vpmovqbk, "vpmovqb %zmm1, (%rdi){%k1}", NEED_AVX512, 1, ANY, ANY, 0)					\
	X(vpmovsdwk, "vpmovsdw %ymm1, (%rdi){%k2}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(vpmovuswb, "vpmovuswb %zmm30, (%rdi)", NEED_AVX512, 1, 32, 4, 0)					\
	X(vpmovqbx, "vpmovqb %xmm1, (%rdi)", NEED_AVX512, 1, 2, 1, 0)						\
	X(vcvtps2phk, "vcvtps2ph $0, %zmm1, (%rdi){%k5}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(vpscatterdd, "vpscatterdd %zmm1, (%rdi, %zmm4, 1){%k1}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE | ROW_RANDOM)	\
	X(vpscatterdq, "vpscatterdq %zmm1, 8(%rdi, %ymm4, 2){%k2}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE | ROW_RANDOM)	\
	X(vpscatterqd, "vpscatterqd %ymm1, (%rdi, %zmm5, 4){%k3}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE | ROW_RANDOM)	\
	X(vpscatterqq, "vpscatterqq %xmm1, (%rdi, %xmm5, 8){%k4}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE | ROW_RANDOM)	\
	X(vscatterdps, "vscatterdps %ymm1, (%rdi, %ymm4, 1){%k5}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE | ROW_RANDOM)	\
	X(vscatterqpd, "vscatterqpd %zmm1, (%rdi, %zmm5, 1){%k6}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE | ROW_RANDOM)

#define ROWS_STORE(X)												\
	ROWS_INTEGER(X) ROWS_ALU(X) ROWS_MODIFY(X) ROWS_STRING(X) ROWS_SSE(X) ROWS_AVX(X) ROWS_AVX512(X)

/* These store nothing to the device; bytes and calls are of loads. */
#define ROWS_LOAD(X)												\
	X(ld_mov8, "movb (%rdi), %al", 0, 1, 1, 1, 0)								\
	X(ld_mov8h, "movb (%rdi), %ah", 0, 1, 1, 1, 0)								\
	X(ld_mov16, "movw (%rdi), %ax", 0, 1, 2, 1, 0)								\
	X(ld_mov32, "movl (%rdi), %r9d", 0, 1, 4, 1, 0)								\
	X(ld_mov64, "movq 16(%r10, %r11, 4), %rax", 0, 1, 8, 1, 0)						\
	X(ld_movself, "movq (%rdi), %rdi", 0, 1, 8, 1, 0)							\
	X(ld_movseg, "movl %fs:(%r13), %eax", 0, 1, 4, 1, 0)							\
	X(ld_movbe32, "movbe (%rdi), %eax", NEED_MOVBE, 1, 4, 1, 0)						\
	X(ld_movbe16, "movbe (%rdi), %ax", NEED_MOVBE, 1, 2, 1, 0)						\
	X(ld_movzbl, "movzbl (%rdi), %eax", 0, 1, 1, 1, 0)							\
	X(ld_movzbw, "movzbw (%rdi), %ax", 0, 1, 1, 1, 0)							\
	X(ld_movzwq, "movzwq (%rdi), %rax", 0, 1, 2, 1, 0)							\
	X(ld_movsbw, "movsbw (%rdi), %ax", 0, 1, 1, 1, 0)							\
	X(ld_movsbl, "movsbl (%rdi), %eax", 0, 1, 1, 1, 0)							\
	X(ld_movsbq, "movsbq (%rdi), %rax", 0, 1, 1, 1, 0)							\
	X(ld_movswl, "movswl (%rdi), %eax", 0, 1, 2, 1, 0)							\
	X(ld_movslq, "movslq (%rdi), %rax", 0, 1, 4, 1, 0)							\
	X(ld_cmp8, "cmpb %al, (%rdi)", 0, 1, 1, 1, 0)								\
	X(ld_cmp32i, "cmpl $-1, (%rdi)", 0, 1, 4, 1, 0)								\
	X(ld_cmp64, "cmpq (%rdi), %rax", 0, 1, 8, 1, 0)								\
	X(ld_test8, "testb $1, (%rdi)", 0, 1, 1, 1, 0)								\
	X(ld_test32, "testl %eax, (%rdi)", 0, 1, 4, 1, 0)							\
	X(ld_add32, "addl (%rdi), %eax", 0, 1, 4, 1, 0)								\
	X(ld_adc64, "adcq (%rdi), %rax", 0, 1, 8, 1, 0)								\
	X(ld_sub16, "subw (%rdi), %ax", 0, 1, 2, 1, 0)								\
	X(ld_and64, "andq (%rdi), %rax", 0, 1, 8, 1, 0)								\
	X(ld_xor8, "xorb (%rdi), %ah", 0, 1, 1, 1, 0)								\
	X(ld_imul, "imull $77, (%rdi), %eax", 0, 1, 4, 1, 0)							\
	X(ld_mul, "mulq (%rdi)", 0, 1, 8, 1, 0)									\
	X(ld_popcnt, "popcntl (%rdi), %eax", 0, 1, 4, 1, 0)							\
	X(ld_bsf, "bsfq (%rdi), %rax", 0, 1, 8, 1, 0)								\
	X(ld_cmov, "cmovnel (%rdi), %eax", 0, 1, 4, 1, 0)							\
	X(ld_crc, "crc32l (%rdi), %eax", 0, 1, 4, 1, 0)								\
	X(ld_bt32, "btl %r12d, (%rdi)", 0, 4, 4, 1, 0)								\
	X(ld_bt64i, "btq $63, (%rdi)", 0, 1, 8, 1, 0)								\
	X(ld_push, "pushq (%rdi)", 0, 1, 8, 1, ROW_TABLE)							\
	X(ld_push16, "pushw (%rdi)", 0, 1, 2, 1, ROW_TABLE)							\
	X(ld_pop, "popq %rax", 0, 8, 8, 1, ROW_TABLE | ROW_STACK | ROW_READS)					\
	X(ld_xlat, "xlatb", 0, 1, 1, 1, ROW_TABLE | ROW_RBX)							\
	X(ld_lodsb, "lodsb", 0, 1, 1, 1, ROW_DF | ROW_SELF | ROW_READS)						\
	X(ld_lodsq, "lodsq", 0, 1, 8, 1, ROW_DF | ROW_SELF | ROW_READS)						\
	X(ld_rep_lodsl, "rep lodsl", 0, 1, ANY, ANY, ROW_DF | ROW_SELF | ROW_READS)				\
	X(ld_scasb, "scasb", 0, 1, 1, 1, ROW_DF)								\
	X(ld_repe_scasb, "repe scasb", 0, 1, ANY, ANY, ROW_DF)							\
	X(ld_repne_scasb, "repne scasb", 0, 1, ANY, ANY, ROW_DF)						\
	X(ld_repne_scasq, "repne scasq", 0, 1, ANY, ANY, ROW_DF)						\
	X(ld_cmpsb, "cmpsb", 0, 1, 1, 1, ROW_DF)								\
	X(ld_repe_cmpsw, "repe cmpsw", 0, 1, ANY, ANY, ROW_DF | ROW_SELF | ROW_READS)				\
	X(ld_repne_cmpsb, "repne cmpsb", 0, 1, ANY, ANY, ROW_DF)						\
	X(ld_movaps, "movaps (%rdi), %xmm1", 0, 16, 16, 2, 0)							\
	X(ld_movups, "movups (%rdi), %xmm9", 0, 1, 16, 2, 0)							\
	X(ld_movd, "movd (%rdi), %xmm1", 0, 1, 4, 1, 0)								\
	X(ld_movq, "movq (%rdi), %xmm1", 0, 1, 8, 1, 0)								\
	X(ld_movss, "movss (%rdi), %xmm1", 0, 1, 4, 1, 0)							\
	X(ld_movhps, "movhps (%rdi), %xmm1", 0, 1, 8, 1, 0)							\
	X(ld_paddd, "paddd (%rdi), %xmm1", 0, 16, 16, 2, 0)							\
	X(ld_pshufb, "pshufb (%rdi), %xmm1", NEED_SSE41, 16, 16, 2, 0)						\
	X(ld_ucomisd, "ucomisd (%rdi), %xmm1", 0, 1, 8, 1, 0)							\
	X(ld_cvtsi2sd, "cvtsi2sdl (%rdi), %xmm1", 0, 1, 4, 1, 0)						\
	X(ld_movntdqa, "movntdqa (%rdi), %xmm1", NEED_SSE41, 16, 16, 2, 0)					\
	X(ld_mmx, "paddd (%rdi), %mm1", 0, 1, 8, 1, 0)								\
	X(ld_fildl, "fildl (%rdi)", 0, 1, 4, 1, 0)								\
	X(ld_fldt, "fldt (%rdi)", 0, 1, 10, 2, 0)								\
	X(ld_vmovups, "vmovups (%rdi), %ymm1", NEED_AVX, 1, 32, 4, 0)						\
	X(ld_vmovups128, "vmovups (%rdi), %xmm1", NEED_AVX, 1, 16, 2, 0)					\
	X(ld_vaddps, "vaddps (%rdi), %ymm1, %ymm2", NEED_AVX, 1, 32, 4, 0)					\
	X(ld_vbroadcast, "vbroadcastss (%rdi), %ymm1", NEED_AVX, 1, 4, 1, 0)					\
	X(ld_vptest, "vptest (%rdi), %ymm1", NEED_AVX, 1, 32, 4, 0)						\
	X(ld_vmaskmovps, "vmaskmovps (%rdi), %ymm1, %ymm2", NEED_AVX, 1, ANY, ANY, 0)				\
	X(ld_vpmaskmovq, "vpmaskmovq (%rdi), %ymm1, %ymm2", NEED_AVX2, 1, ANY, ANY, 0)				\
	X(ld_zmovups, "vmovups (%rdi), %zmm31", NEED_AVX512, 1, 64, 8, 0)					\
	X(ld_zmovdqu8k, "vmovdqu8 (%rdi), %zmm1{%k1}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(ld_zmovdqu32z, "vmovdqu32 (%rdi), %zmm1{%k2}{z}", NEED_AVX512, 1, ANY, ANY, 0)			\
	X(ld_zpaddd, "vpaddd (%rdi), %zmm1, %zmm2{%k3}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(ld_zbcast, "vpaddd (%rdi){1to16}, %zmm1, %zmm2{%k3}", NEED_AVX512, 1, ANY, ANY, 0)			\
	X(ld_zbcastq, "vpaddq (%rdi){1to8}, %zmm1, %zmm17", NEED_AVX512, 1, 8, 1, 0)				\
	X(ld_zmovss, "vmovss (%rdi), %xmm3{%k4}", NEED_AVX512, 1, ANY, ANY, 0)					\
	X(ld_vpexpandd, "vpexpandd (%rdi), %zmm1{%k5}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(ld_vpexpandb, "vpexpandb (%rdi), %zmm1{%k5}", NEED_VBMI2, 1, ANY, ANY, 0)				\
	X(ld_vpmovzxbd, "vpmovzxbd (%rdi), %zmm1{%k6}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(ld_vbcastf32x4, "vbroadcastf32x4 (%rdi), %zmm1{%k6}", NEED_AVX512, 1, ANY, ANY, 0)			\
	X(ld_vpcmpk, "vpcmpeqd (%rdi), %zmm1, %k1{%k2}", NEED_AVX512, 1, ANY, ANY, 0)				\
	X(ld_kmovq, "kmovq (%rdi), %k3", NEED_AVX512, 1, 8, 1, 0)						\
	X(ld_vpgatherdd2, "vpgatherdd %ymm2, (%rdi, %ymm4, 1), %ymm1", NEED_AVX2, 1, ANY, ANY, ROW_TABLE)	\
	X(ld_vgatherqps2, "vgatherqps %xmm2, (%rdi, %ymm5, 4), %xmm1", NEED_AVX2, 1, ANY, ANY, ROW_TABLE)	\
	X(ld_vpgatherdd, "vpgatherdd (%rdi, %zmm4, 1), %zmm1{%k1}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE)	\
	X(ld_vpgatherdq, "vpgatherdq (%rdi, %ymm4, 2), %zmm17{%k2}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE)	\
	X(ld_vpgatherqd, "vpgatherqd (%rdi, %zmm5, 4), %ymm1{%k3}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE)	\
	X(ld_vgatherqpd, "vgatherqpd 8(%rdi, %xmm5, 8), %xmm1{%k4}", NEED_AVX512, 1, ANY, ANY, ROW_TABLE)

#endif
