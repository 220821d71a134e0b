/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfork() returns twice on one stack, so nothing may stand between it and its caller: this jumps to
 * it.
 */
	.text
	.globl	vfork
	.type	vfork, @function
vfork:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	vfork_next
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size	vfork, . - vfork

	.section .note.GNU-stack, "", @progbits
