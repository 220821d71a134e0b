/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See guard.h. Leaf functions without a stack frame; guard_ranges lists each one's code and its landing place.
 */
	.text

	.macro	function name
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.balign	16
\name:
	.cfi_startproc
	.endm

	.macro	finish name
	.cfi_endproc
	.size	\name, . - \name
	.endm

/* int guard_copy(void *dst, const void *src, size_t len) */
	function guard_copy
	cmpq	$256, %rdx
	jae	.Lstring
.Lwide:
	cmpq	$16, %rdx
	jb	.Ltail
	movups	(%rsi), %xmm0
	movups	%xmm0, (%rdi)
	addq	$16, %rsi
	addq	$16, %rdi
	subq	$16, %rdx
	jmp	.Lwide
.Lstring:
	movq	%rdx, %rcx
	rep movsb
	xorl	%eax, %eax
	ret
.Ltail:
	testb	$8, %dl
	jz	1f
	movq	(%rsi), %rax
	movq	%rax, (%rdi)
	addq	$8, %rsi
	addq	$8, %rdi
1:	testb	$4, %dl
	jz	2f
	movl	(%rsi), %eax
	movl	%eax, (%rdi)
	addq	$4, %rsi
	addq	$4, %rdi
2:	testb	$2, %dl
	jz	3f
	movzwl	(%rsi), %eax
	movw	%ax, (%rdi)
	addq	$2, %rsi
	addq	$2, %rdi
3:	testb	$1, %dl
	jz	4f
	movzbl	(%rsi), %eax
	movb	%al, (%rdi)
4:	xorl	%eax, %eax
	ret
.Lcopy_end:
	finish guard_copy

/* int guard_exchange(uint64_t *at, uint64_t *is, uint64_t to) */
	function guard_exchange
	movq	(%rsi), %rax
	lock cmpxchgq %rdx, (%rdi)
	movq	%rax, (%rsi)
	xorl	%eax, %eax
	ret
.Lexchange_end:
	finish guard_exchange

/* int guard_touch_read(const void *va, size_t pages) */
	function guard_touch_read
	testq	%rsi, %rsi
	jz	2f
1:	movzbl	(%rdi), %eax
	addq	$4096, %rdi
	decq	%rsi
	jnz	1b
2:	xorl	%eax, %eax
	ret
.Lread_end:
	finish guard_touch_read

/* int guard_touch_write(void *va, size_t pages) */
	function guard_touch_write
	testq	%rsi, %rsi
	jz	2f
1:	lock orb $0, (%rdi)
	addq	$4096, %rdi
	decq	%rsi
	jnz	1b
2:	xorl	%eax, %eax
	ret
.Lwrite_end:
	finish guard_touch_write

	.balign	16
.Lefault:
	movl	$-14, %eax
	ret

	.section .data.rel.ro, "aw"
	.balign	8
	.globl	guard_ranges
	.hidden	guard_ranges
	.type	guard_ranges, @object
guard_ranges:
	.quad	guard_copy, .Lcopy_end, .Lefault
	.quad	guard_exchange, .Lexchange_end, .Lefault
	.quad	guard_touch_read, .Lread_end, .Lefault
	.quad	guard_touch_write, .Lwrite_end, .Lefault
	.quad	0, 0, 0
	.size	guard_ranges, . - guard_ranges

	.section .note.GNU-stack, "", @progbits
