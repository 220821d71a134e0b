/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * void cpu_run(struct cpu *c): runs the code at cpu_code with c's registers, until it jumps to cpu_leave, and
 * takes them again. The offsets are struct cpu's (trap_bed.h). One at a time in a process.
 */
	.bss
	.balign 8
host_sp:
	.quad 0
cpu_now:
	.quad 0
cpu_rax:
	.quad 0
	.globl cpu_code
	.hidden cpu_code
cpu_code:
	.quad 0

	.text
	.globl cpu_run
	.hidden cpu_run
	.type cpu_run, @function
cpu_run:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	subq $8, %rsp
	movq %rsp, host_sp(%rip)
	movq %rdi, cpu_now(%rip)
	movq 136(%rdi), %rax
	xorl %edx, %edx
	xrstor64 192(%rdi)
	pushq 128(%rdi)
	popfq
	movq %rdi, %rax
	movq 8(%rax), %rcx
	movq 16(%rax), %rdx
	movq 24(%rax), %rbx
	movq 32(%rax), %rsp
	movq 40(%rax), %rbp
	movq 48(%rax), %rsi
	movq 56(%rax), %rdi
	movq 64(%rax), %r8
	movq 72(%rax), %r9
	movq 80(%rax), %r10
	movq 88(%rax), %r11
	movq 96(%rax), %r12
	movq 104(%rax), %r13
	movq 112(%rax), %r14
	movq 120(%rax), %r15
	movq 0(%rax), %rax
	jmp *cpu_code(%rip)
	.size cpu_run, . - cpu_run

	.globl cpu_leave
	.hidden cpu_leave
	.type cpu_leave, @function
cpu_leave:
	movq %rax, cpu_rax(%rip)
	movq cpu_now(%rip), %rax
	movq %rcx, 8(%rax)
	movq %rdx, 16(%rax)
	movq %rbx, 24(%rax)
	movq %rsp, 32(%rax)
	movq %rbp, 40(%rax)
	movq %rsi, 48(%rax)
	movq %rdi, 56(%rax)
	movq %r8, 64(%rax)
	movq %r9, 72(%rax)
	movq %r10, 80(%rax)
	movq %r11, 88(%rax)
	movq %r12, 96(%rax)
	movq %r13, 104(%rax)
	movq %r14, 112(%rax)
	movq %r15, 120(%rax)
	movq host_sp(%rip), %rsp
	pushfq
	popq 128(%rax)
	cld
	movq cpu_rax(%rip), %rcx
	movq %rcx, 0(%rax)
	movq %rax, %rdi
	movq 136(%rdi), %rax
	xorl %edx, %edx
	xsave64 192(%rdi)
	fninit
	movl $0x1f80, 4(%rsp)
	ldmxcsr 4(%rsp)
	addq $8, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.size cpu_leave, . - cpu_leave

	.section .note.GNU-stack, "", @progbits
