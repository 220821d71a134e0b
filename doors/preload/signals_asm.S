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

/*
 * void signals_entry(int sig, siginfo_t *info, void *ctx): the handler as the kernel calls it. valgrind leaves the vector
 * registers out of the frame: there they are taken from where they still are.
 */
	.globl	signals_entry
	.hidden	signals_entry
	.type	signals_entry, @function
	.balign	16
signals_entry:
	.cfi_startproc
	cmpb	$0, signals_bare_frame(%rip)
	je	signals_handler
	subq	$264, %rsp
	.cfi_adjust_cfa_offset 264
	movups	%xmm0, (%rsp)
	movups	%xmm1, 16(%rsp)
	movups	%xmm2, 32(%rsp)
	movups	%xmm3, 48(%rsp)
	movups	%xmm4, 64(%rsp)
	movups	%xmm5, 80(%rsp)
	movups	%xmm6, 96(%rsp)
	movups	%xmm7, 112(%rsp)
	movups	%xmm8, 128(%rsp)
	movups	%xmm9, 144(%rsp)
	movups	%xmm10, 160(%rsp)
	movups	%xmm11, 176(%rsp)
	movups	%xmm12, 192(%rsp)
	movups	%xmm13, 208(%rsp)
	movups	%xmm14, 224(%rsp)
	movups	%xmm15, 240(%rsp)
	movq	%rsp, %rcx
	call	signals_handler_bare
	addq	$264, %rsp
	.cfi_adjust_cfa_offset -264
	ret
	.cfi_endproc
	.size	signals_entry, . - signals_entry

	.section .note.GNU-stack, "", @progbits
