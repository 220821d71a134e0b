/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A boot sector: what firmware that has found the disk loads to 0000:7c00 and jumps to. By the BIOS's extended disk services
 * (INT 13h) it reads COUNT blocks from block SOURCE on, says their sum on the serial port, adds 1 to each word of them, writes them
 * to block TARGET on, and ends QEMU (isa-debug-exit at 0xf4).
 */
#define SOURCE 8
#define TARGET 128
#define COUNT  64	/* 32 KiB */
#define BUFFER 0x1000	/* segment */
#define SERIAL 0x3f8
#define WORDS  (COUNT * 512 / 4)

	.code16
	.globl start
start:
	ljmp $0, $1f
1:	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7c00, %sp
	movb %dl, drive
	movw $hello, %si
	call say

	movb $0x42, %ah		/* extended read */
	call disk
	movw $BUFFER, %ax
	movw %ax, %es
	xorl %eax, %eax
	xorw %di, %di
	movw $WORDS, %cx
2:	movl %es:(%di), %edx
	addl %edx, %eax
	incl %edx
	movl %edx, %es:(%di)
	addw $4, %di
	loop 2b
	call say_number

	movl $TARGET, packet + 8
	movw $0x4300, %ax	/* extended write, no verification */
	call disk
	movw $done, %si
	call say
	movb $0x10, %al
	jmp end

/* AX: the service. The packet's buffer and blocks are the same for both. */
disk:
	movw $packet, %si
	movb drive, %dl
	int $0x13
	jnc 3f
	movw $failed, %si
	call say
	movb $0x11, %al
end:	outb %al, $0xf4
4:	hlt
	jmp 4b
3:	ret

/* DS:SI: a text that ends with NUL. */
say:
	lodsb
	testb %al, %al
	jz 3b
	call put
	jmp say

/* EAX in hexadecimal. */
say_number:
	movw $8, %cx
5:	roll $4, %eax
	pushl %eax
	andb $0x0f, %al
	addb $'0', %al
	cmpb $'9', %al
	jbe 6f
	addb $'a' - '9' - 1, %al
6:	call put
	popl %eax
	loop 5b
	movb $'\n', %al

/* AL, when the serial port has room. */
put:
	pushw %dx
	pushw %ax
	movw $SERIAL + 5, %dx
7:	inb %dx, %al
	testb $0x20, %al
	jz 7b
	popw %ax
	movw $SERIAL, %dx
	outb %al, %dx
	popw %dx
	ret

	.balign 4
packet:	.byte 16, 0
	.word COUNT
	.word 0, BUFFER		/* offset, segment */
	.quad SOURCE
drive:	.byte 0
hello:	.asciz "mbr: loaded\nmbr: sum "
done:	.asciz "mbr: written\n"
failed:	.asciz "mbr: a disk service failed\n"

	.org 510
	.word 0xaa55
