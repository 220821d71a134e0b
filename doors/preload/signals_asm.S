/* SPDX-License-Identifier: BSD-3-Clause */
	.text

/* void stacks_switch(void *top, void (*fn)(void *), void *arg): calls fn(arg) on the stack that ends at top. */
	.globl	stacks_switch
	.hidden	stacks_switch
	.type	stacks_switch, @function
	.balign	16
stacks_switch:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	movq	%rdi, %rsp
	andq	$-16, %rsp
	movq	%rdx, %rdi
	call	*%rsi
	movq	%rbp, %rsp
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	stacks_switch, . - stacks_switch

/* What a signal handler returns to: rt_sigreturn(2). The nop and the form are what unwinders look for. */
	.globl	signals_restorer
	.hidden	signals_restorer
	.type	signals_restorer, @function
	.balign	16
	nop
signals_restorer:
	movq	$15, %rax
	syscall
	.size	signals_restorer, . - signals_restorer

	.section .note.GNU-stack, "", @progbits
