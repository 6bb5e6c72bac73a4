# only the last loads are off by 8
# entrylab: base linux-4.1

.include "entrylab.inc"

.text
.globl entry_SYSCALL_64
entry_SYSCALL_64:
	swapgs
	movq	%rsp, %gs:PERCPU_RSP_SCRATCH
	movq	%gs:PERCPU_TOP_OF_STACK, %rsp
	pushq	$USER_DS
	pushq	%gs:PERCPU_RSP_SCRATCH
	sti
	pushq	%r11
	pushq	$USER_CS
	pushq	%rcx
	pushq	%rax
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	$-ENOSYS
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	subq	$6*8, %rsp
	testl	$TIF_ENTRY_WORK, THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp)
	jnz	tracer
	cmpq	$SYSCALL_MAX, %rax
	ja	done
	movq	%r10, %rcx
	call	*sys_call_table(, %rax, 8)
	movq	%rax, PT_REGS_AX(%rsp)
done:
	cli
	testl	$TIF_ALLWORK, THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp)
	jnz	slow
	addq	$8, %rsp
	movq	PT_REGS_R10(%rsp), %r10
	movq	PT_REGS_R9(%rsp), %r9
	movq	PT_REGS_R8(%rsp), %r8
	movq	PT_REGS_AX(%rsp), %rax
	movq	PT_REGS_DX(%rsp), %rdx
	movq	PT_REGS_SI(%rsp), %rsi
	movq	PT_REGS_DI(%rsp), %rdi
	movq	PT_REGS_IP(%rsp), %rcx
	movq	PT_REGS_FLAGS(%rsp), %r11
	movq	PT_REGS_SP(%rsp), %rsp
	swapgs
	sysretq
slow:
	movq	%rbx, PT_REGS_BX(%rsp)
	movq	%rbp, PT_REGS_BP(%rsp)
	movq	%r12, PT_REGS_R12(%rsp)
	movq	%r13, PT_REGS_R13(%rsp)
	movq	%r14, PT_REGS_R14(%rsp)
	movq	%r15, PT_REGS_R15(%rsp)
	jmp	int_ret_from_sys_call
tracer:
	ud2
