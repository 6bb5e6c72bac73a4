# A PVH kernel that runs its command line as a script, so that one image plays
# every guest that boot/vm has to cope with. Steps are separated by ';':
#
#   c TEXT   TEXT to COM1, '|' is a newline
#   l TEXT   TEXT to the debug console, '|' is a newline
#   i        the first 16 bytes of the boot module to COM1
#   m        1 MiB of 'A' to COM1
#   r        lines "chatter" to COM1 for ever
#   x N      N (one digit) to isa-debug-exit
#   h        halt for ever, interrupts off
#   s        spin for ever
#   t        triple fault
#
# On entry (Xen's PVH boot ABI): 32-bit protected mode, flat segments, paging
# off, EBX the physical address of struct hvm_start_info.

	.set	COM1, 0x3f8
	.set	LSR_THRE, 0x20
	.set	LSR_TEMT, 0x40

	.section .note.Xen, "a", @note
	.long	4, 4, 18		# name size, desc size, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz	"Xen"
	.long	_start

	.text
	.code32
	.globl	_start
_start:
	mov	$stack_top, %esp
	cld
	mov	24(%ebx), %esi		# cmdline_paddr
next:
	lodsb
	test	%al, %al
	jz	halt			# a script without an end hangs
	cmp	$';', %al
	je	next
	cmp	$' ', %al
	je	next
	cmp	$'c', %al
	je	console
	cmp	$'l', %al
	je	log
	cmp	$'i', %al
	je	module
	cmp	$'m', %al
	je	megabyte
	cmp	$'r', %al
	je	chatter
	cmp	$'x', %al
	je	exit
	cmp	$'s', %al
	je	spin
	cmp	$'t', %al
	je	triple
halt:
	cli
	hlt
	jmp	halt

spin:
	jmp	spin

console:
	inc	%esi			# the space
1:	call	text
	jc	next
	call	putc
	jmp	1b

log:
	inc	%esi
1:	call	text
	jc	next
	out	%al, $0xe9
	jmp	1b

module:
	mov	16(%ebx), %edi		# modlist_paddr
	mov	(%edi), %edi		# its first entry's paddr
	mov	$16, %ecx
1:	mov	(%edi), %al
	call	putc
	inc	%edi
	loop	1b
	jmp	next

megabyte:
	mov	$0x100000, %ecx
1:	mov	$'A', %al
	call	putc
	loop	1b
	jmp	next

chatter:
	mov	$chat, %edi
1:	mov	(%edi), %al
	test	%al, %al
	jz	chatter
	call	putc
	inc	%edi
	jmp	1b

exit:
	mov	$(COM1 + 5), %dx	# what the port still holds dies with QEMU
1:	in	%dx, %al
	test	$LSR_TEMT, %al
	jz	1b
	lodsb
	lodsb
	sub	$'0', %al
	movzbl	%al, %eax
	out	%eax, $0xf4
	jmp	halt

triple:
	lidt	no_idt
	int3

# text: AL = the next byte of a step's text, carry set at its end.
text:
	lodsb
	test	%al, %al
	jz	2f
	cmp	$';', %al
	je	1f
	cmp	$'|', %al
	jne	3f
	mov	$'\n', %al
3:	clc
	ret
2:	dec	%esi			# leave the end of the script to next
1:	stc
	ret

# putc: AL to COM1. Clobbers DX.
putc:
	push	%eax
	mov	$(COM1 + 5), %dx
1:	in	%dx, %al
	test	$LSR_THRE, %al
	jz	1b
	mov	$COM1, %dx
	pop	%eax
	out	%al, %dx
	ret

	.section .rodata
chat:	.asciz	"chatter\n"
no_idt:	.word	0
	.long	0

	.bss
	.skip	4096
stack_top:
