# error_entry never swaps
# entrylab: base linux-6.12+intgs=cs

.include "entrylab.inc"

.text
.globl entry_SYSCALL_64
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
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	$-ENOSYS
	.irp r, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	pushq	%\r
	.endr
	.irp r, esi, edx, ecx, r8d, r9d, r10d, r11d, ebx, ebp, r12d, r13d, r14d, r15d
	xorl	%\r, %\r
	.endr
	movq	%rsp, %rdi
	movq	%rax, %rsi
	call	do_syscall_64
	testb	%al, %al
	jz	by_iret
	.irp r, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi
	popq	%\r
	.endr
	movq	%rsp, %rdi
	movq	%gs:PERCPU_TSS_SP1, %rsp
	pushq	PT_REGS_SP-PT_REGS_DI(%rdi)
	pushq	(%rdi)
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

.globl error_entry
error_entry:
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movl	%edi, %esi
	cmpw	$KERNEL_CS, PT_REGS_CS(%rsp)
	je	1f
	jmp	error_from_user
1:	jmp	error_from_kernel
