# sound: a frame pointer, and RSP aligned for the call
# entrylab: base linux-6.12
.include "entrylab.inc"
.macro save_all
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	$-ENOSYS
	.irp r, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	pushq	%\r
	.endr
.endm
.macro zero n
	xorl	%r\n\()d, %r\n\()d
.endm
.text
.globl entry_SYSCALL_64
.type entry_SYSCALL_64, @function
entry_SYSCALL_64:
	endbr64
	swapgs
	movq	%rsp, %gs:PERCPU_TSS_SP2
	movq	%gs:PERCPU_TOP_OF_STACK, %rsp
	pushq	$USER_DS
	pushq	%gs:PERCPU_TSS_SP2
	pushq	%r11
	pushq	$USER_CS
	pushq	%rcx
	pushq	%rax
	save_all
	.set i, 8
	.rept 1
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	zero \n
	.endr
	.set i, i+1
	.endr
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	movq	%rsp, %rdi
	movslq	%eax, %rsi
	movq	%rsp, %rbx
	andq	$-16, %rsp
	call	do_syscall_64
	movq	%rbx, %rsp
	testb	%al, %al
	jz	by_iret
	movq	%rsp, %rdi
	movq	%gs:PERCPU_TSS_SP1, %rsp
	pushq	PT_REGS_SP(%rdi)
	pushq	PT_REGS_DI(%rdi)
	movq	PT_REGS_R15(%rdi), %r15
	movq	PT_REGS_R14(%rdi), %r14
	movq	PT_REGS_R13(%rdi), %r13
	movq	PT_REGS_R12(%rdi), %r12
	movq	PT_REGS_BP(%rdi), %rbp
	movq	PT_REGS_BX(%rdi), %rbx
	movq	PT_REGS_R11(%rdi), %r11
	movq	PT_REGS_R10(%rdi), %r10
	movq	PT_REGS_R9(%rdi), %r9
	movq	PT_REGS_R8(%rdi), %r8
	movq	PT_REGS_AX(%rdi), %rax
	movq	PT_REGS_CX(%rdi), %rcx
	movq	PT_REGS_DX(%rdi), %rdx
	movq	PT_REGS_SI(%rdi), %rsi
	popq	%rdi
	popq	%rsp
	swapgs
	sysretq
by_iret:
	.irp r, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	popq	%\r
	.endr
	addq	$8, %rsp
	swapgs
	iretq
.size entry_SYSCALL_64, .-entry_SYSCALL_64
