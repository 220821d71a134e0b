/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the trap into a slot's code with the program's registers, and back; see trap_relocate.c. The offsets
 * are struct context's.
 */
	.text

	.p2align 4
	.hidden run_in_slot
	.globl run_in_slot
	.type run_in_slot, @function
run_in_slot:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$24, %rsp
	stmxcsr	8(%rsp)
	fnstcw	12(%rsp)
	movq	%rsp, 136(%rdi)
	movq	160(%rdi), %rcx
	movq	176(%rdi), %rax
	xorl	%edx, %edx
	testq	%rax, %rax
	jz	1f
	xrstor64 (%rcx)
	jmp	2f
1:	fxrstor64 (%rcx)
2:	pushq	128(%rdi)
	popfq
	movq	%rdi, %rax
	movq	8(%rax), %rcx
	movq	16(%rax), %rdx
	movq	24(%rax), %rbx
	movq	32(%rax), %rsp
	movq	40(%rax), %rbp
	movq	48(%rax), %rsi
	movq	56(%rax), %rdi
	movq	64(%rax), %r8
	movq	72(%rax), %r9
	movq	80(%rax), %r10
	movq	88(%rax), %r11
	movq	96(%rax), %r12
	movq	104(%rax), %r13
	movq	112(%rax), %r14
	movq	120(%rax), %r15
	jmp	*144(%rax)
	.size run_in_slot, .-run_in_slot

	.p2align 4
	.hidden run_leave
	.globl run_leave
	.type run_leave, @function
run_leave:
	movq	%rcx, 8(%rax)
	movq	%rdx, 16(%rax)
	movq	%rbx, 24(%rax)
	movq	%rsp, 32(%rax)
	movq	%rbp, 40(%rax)
	movq	%rsi, 48(%rax)
	movq	%rdi, 56(%rax)
	movq	%r8, 64(%rax)
	movq	%r9, 72(%rax)
	movq	%r10, 80(%rax)
	movq	%r11, 88(%rax)
	movq	%r12, 96(%rax)
	movq	%r13, 104(%rax)
	movq	%r14, 112(%rax)
	movq	%r15, 120(%rax)
	movq	136(%rax), %rsp
	pushfq
	popq	128(%rax)
	cld
	movq	168(%rax), %rcx
	movq	176(%rax), %rax
	xorl	%edx, %edx
	testq	%rax, %rax
	jz	1f
	xsave64	(%rcx)
	testb	$4, %al
	jz	2f
	vzeroupper
	jmp	2f
1:	fxsave64 (%rcx)
2:	fninit
	fldcw	12(%rsp)
	ldmxcsr	8(%rsp)
	addq	$24, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.size run_leave, .-run_leave

	.section .note.GNU-stack, "", @progbits
