# The entry of Linux 4.1, with a fence behind SWAPGS.
# entrylab: base linux-4.1

.include "entrylab.inc"

.macro load reg slot
	movq	PT_REGS_\slot(%rsp), %\reg
.endm

.text
.globl entry_SYSCALL_64
entry_SYSCALL_64:
	swapgs
	lfence					# nothing runs ahead with the user's GS
	movq	%rsp, %gs:PERCPU_RSP_SCRATCH
	movq	%gs:PERCPU_TOP_OF_STACK, %rsp

	pushq	$USER_DS			# ss
	pushq	%gs:PERCPU_RSP_SCRATCH		# sp
	sti					# not before RSP_SCRATCH has been read
	pushq	%r11				# flags
	pushq	$USER_CS			# cs
	pushq	%rcx				# ip
	pushq	%rax				# orig_ax
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	$-ENOSYS			# ax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	subq	$6*8, %rsp			# room for bx bp r12-r15

	testl	$TIF_ENTRY_WORK, THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp)
	jnz	tracesys
system_call_fastpath:
	cmpq	$SYSCALL_MAX, %rax
	ja	1f
	movq	%r10, %rcx
	call	*sys_call_table(, %rax, 8)
	movq	%rax, PT_REGS_AX(%rsp)
1:
	cli
	testl	$TIF_ALLWORK, THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp)
	jnz	int_ret_from_sys_call_irqs_off
	load	r10, R10
	load	r9, R9
	load	r8, R8
	load	rax, AX
	load	rdx, DX
	load	rsi, SI
	load	rdi, DI
	load	rcx, IP
	load	r11, FLAGS
	load	rsp, SP
	swapgs
	sysretq

tracesys:
	call	tracesys_phase1			# of linux-4.1
	jz	system_call_fastpath		# the tracer has gone
	jmp	tracesys_phase2
