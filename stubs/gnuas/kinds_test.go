package gnuas

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// frame is linux-4.1's entry with places for a row's instructions.
const frame = `# entrylab: base linux-4.1BASE
.include "entrylab.inc"
.text
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
	ENTRY
	testl	$TIF_ENTRY_WORK, THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp)
	jnz	tracer
	cmpq	$SYSCALL_MAX, %rax
	ja	done
	movq	%r10, %rcx
	HANDLER
	call	*sys_call_table(, %rax, 8)
	movq	%rax, PT_REGS_AX(%rsp)
done:
	cli
	testl	$TIF_ALLWORK, THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp)
	jnz	slow
	movq	PT_REGS_IP(%rsp), %rcx
	movq	PT_REGS_FLAGS(%rsp), %r11
	CANONICAL
	movq	PT_REGS_R10(%rsp), %r10
	movq	PT_REGS_R9(%rsp), %r9
	movq	PT_REGS_R8(%rsp), %r8
	movq	PT_REGS_AX(%rsp), %rax
	movq	PT_REGS_DX(%rsp), %rdx
	movq	PT_REGS_SI(%rsp), %rsi
	movq	PT_REGS_DI(%rsp), %rdi
	EXIT
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
`

// look is the opportunistic exit's test of the frame, without that of RIP.
const look = `
	cmpq	PT_REGS_CX(%rsp), %rcx
	jne	slow
	cmpl	$USER_CS, PT_REGS_CS(%rsp)
	jne	slow
	cmpq	PT_REGS_R11(%rsp), %r11
	jne	slow
	testl	$X86_EFLAGS_RF|X86_EFLAGS_TF, %r11d
	jnz	slow
	cmpq	$USER_DS, PT_REGS_SS(%rsp)
	jne	slow
	`

// Places for a row's instructions. At inEntry and inHandler RAX, RCX and all of
// the user's registers are in use, and inHandler has interrupts on; at inExit
// all but RSP are the user's again.
const (
	inEntry   = "ENTRY"
	inHandler = "HANDLER"
	inExit    = "EXIT"
	// The exit is opportunistic; the row tests RIP in RCX, and jumps to slow.
	inCanonical = "CANONICAL"
	inHalf      = "CANONICAL half"
)

// TestKinds puts instructions and shapes of code that kernels use into a sound
// entry, and faults of the same shapes.
func TestKinds(t *testing.T) {
	need.Tool(t, "as")
	for _, tt := range []struct {
		name, place, code string
		want              prove.Outcome
	}{
		// Tests whether RIP is canonical.
		{"shl, sar, cmp", inCanonical, "movq %rcx, %rdi; shlq $16, %rdi; sarq $16, %rdi; cmpq %rcx, %rdi; jne slow", prove.Proved},
		{"shl, sar, sub", inCanonical, "movq %rcx, %rdi; shlq $16, %rdi; sarq $16, %rdi; subq %rcx, %rdi; jnz slow", prove.Proved},
		{"shl, sar, xor", inCanonical, "movq %rcx, %rdi; shlq $16, %rdi; sarq $16, %rdi; xorq %rcx, %rdi; jnz slow", prove.Proved},
		{"shl and sar by 15", inCanonical, "movq %rcx, %rdi; shlq $15, %rdi; sarq $15, %rdi; cmpq %rcx, %rdi; jne slow", prove.Refuted},
		{"sar 47, inc, cmp", inCanonical, "movq %rcx, %rdi; sarq $47, %rdi; incq %rdi; cmpq $1, %rdi; ja slow", prove.Proved},
		{"sar 48, inc, cmp", inCanonical, "movq %rcx, %rdi; sarq $48, %rdi; incq %rdi; cmpq $1, %rdi; ja slow", prove.Refuted},
		{"sar 47, add, cmp", inCanonical, "movq %rcx, %rdi; sarq $47, %rdi; addq $1, %rdi; cmpq $2, %rdi; jae slow", prove.Proved},
		{"sar 47, lea, cmp", inCanonical, "movq %rcx, %rdi; sarq $47, %rdi; leaq 1(%rdi), %rdi; cmpq $1, %rdi; ja slow", prove.Proved},
		{"sar 47, twice", inCanonical, "movq %rcx, %rdi; sarq $47, %rdi; jz 1f; cmpq $-1, %rdi; jne slow; 1:", prove.Proved},
		{"sar 47 and sar 63", inCanonical, "movq %rcx, %rdi; movq %rcx, %rsi; sarq $47, %rdi; sarq $63, %rsi; cmpq %rsi, %rdi; jne slow", prove.Proved},
		{"sar 46 and sar 63", inCanonical, "movq %rcx, %rdi; movq %rcx, %rsi; sarq $48, %rdi; sarq $63, %rsi; cmpq %rsi, %rdi; jne slow", prove.Refuted},
		{"shr 47, three ways", inCanonical, "movq %rcx, %rdi; shrq $47, %rdi; jz 1f; cmpl $0x1ffff, %edi; jne slow; 1:", prove.Proved},
		{"bias and shr", inCanonical, "movabsq $0x800000000000, %rdi; addq %rcx, %rdi; shrq $48, %rdi; jnz slow", prove.Proved},
		{"bias by lea and cmp", inCanonical, "movabsq $0x800000000000, %rdi; leaq (%rcx,%rdi), %rdi; movabsq $0x1000000000000, %rsi; cmpq %rsi, %rdi; jae slow", prove.Proved},
		{"bias and mask", inCanonical, "movabsq $0x800000000000, %rdi; movabsq $0xffff000000000000, %rsi; addq %rcx, %rdi; testq %rsi, %rdi; jnz slow", prove.Proved},
		{"wrong bias", inCanonical, "movabsq $0x400000000000, %rdi; movabsq $0xffff000000000000, %rsi; addq %rcx, %rdi; testq %rsi, %rdi; jnz slow", prove.Refuted},
		{"bt 47 and sar 48", inCanonical, "movq %rcx, %rdi; sarq $48, %rdi; btq $47, %rcx; sbbq %rsi, %rsi; cmpq %rsi, %rdi; jne slow", prove.Proved},
		{"bt 46 and sar 48", inCanonical, "movq %rcx, %rdi; sarq $48, %rdi; btq $46, %rcx; sbbq %rsi, %rsi; cmpq %rsi, %rdi; jne slow", prove.Refuted},
		{"rol and movzwl", inCanonical, "movq %rcx, %rdi; rolq $17, %rdi; movl %edi, %esi; andl $0x1ffff, %esi; jz 1f; cmpl $0x1ffff, %esi; jne slow; 1:", prove.Proved},
		{"shr 47, lea, cmp", inCanonical, "movq %rcx, %rdi; shrq $47, %rdi; leal -1(%rdi), %esi; cmpl $0x1fffd, %esi; jbe slow", prove.Proved},
		{"shr 47, lea, wrong cmp", inCanonical, "movq %rcx, %rdi; shrq $47, %rdi; leal -1(%rdi), %esi; cmpl $0x1fffc, %esi; jbe slow", prove.Refuted},
		{"sar of the upper half of memory", inCanonical, "movl PT_REGS_IP+4(%rsp), %edi; sarl $15, %edi; incl %edi; cmpl $1, %edi; ja slow", prove.Proved},
		{"sar 16 of the upper half of memory", inCanonical, "movl PT_REGS_IP+4(%rsp), %edi; sarl $16, %edi; incl %edi; cmpl $1, %edi; ja slow", prove.Refuted},
		{"movsx of the upper half", inCanonical, "movq %rcx, %rdi; shrq $32, %rdi; movswl %di, %esi; cmpl %esi, %edi; jne slow", prove.Proved},
		{"shr 31 and movsx", inCanonical, "movq %rcx, %rdi; shrq $33, %rdi; movswl %di, %esi; cmpl %esi, %edi; jne slow", prove.Refuted},
		{"the upper word of memory", inCanonical, "movl PT_REGS_IP+4(%rsp), %edi; cmpl $0x7fff, %edi; ja slow", prove.Proved},
		{"cmp with a limit", inHalf, "movabsq $0x7fffffffffff, %rdi; cmpq %rdi, %rcx; ja slow", prove.Proved},
		{"cmp with a limit one too high", inHalf, "movabsq $0x800000000000, %rdi; cmpq %rdi, %rcx; ja slow", prove.Refuted},
		{"shr 47", inHalf, "movq %rcx, %rdi; shrq $47, %rdi; jnz slow", prove.Proved},
		{"shr 48", inHalf, "movq %rcx, %rdi; shrq $48, %rdi; jnz slow", prove.Refuted},
		{"mask", inHalf, "movabsq $0xffff800000000000, %rdi; testq %rdi, %rcx; jnz slow", prove.Proved},
		{"mask and and", inHalf, "movabsq $0xffff800000000000, %rdi; andq %rcx, %rdi; jnz slow", prove.Proved},
		{"mask without bit 47", inHalf, "movabsq $0xffff000000000000, %rdi; testq %rdi, %rcx; jnz slow", prove.Refuted},
		{"shl and shr", inHalf, "movq %rcx, %rdi; shlq $17, %rdi; shrq $17, %rdi; cmpq %rcx, %rdi; jne slow", prove.Proved},
		{"shl and shr by 16", inHalf, "movq %rcx, %rdi; shlq $16, %rdi; shrq $16, %rdi; cmpq %rcx, %rdi; jne slow", prove.Refuted},
		{"bt 63 and shr", inHalf, "btq $63, %rcx; jc slow; movq %rcx, %rdi; shrq $47, %rdi; jnz slow", prove.Proved},
		{"bt 63 alone", inHalf, "btq $63, %rcx; jc slow", prove.Refuted},
		{"bt 47 and a mask", inHalf, "btq $47, %rcx; jc slow; movabsq $0xffff000000000000, %rdi; testq %rdi, %rcx; jnz slow", prove.Proved},
		{"bt 47 alone", inHalf, "btq $47, %rcx; jc slow", prove.Refuted},
		{"the upper half", inHalf, "movq %rcx, %rdi; shrq $32, %rdi; cmpl $0x7fff, %edi; ja slow", prove.Proved},
		{"the upper half of memory", inHalf, "cmpl $0x7fff, PT_REGS_IP+4(%rsp); ja slow", prove.Proved},
		{"the highest word of memory", inHalf, "cmpw $0, PT_REGS_IP+6(%rsp); jne slow; cmpw $0, PT_REGS_IP+4(%rsp); jl slow", prove.Proved},
		{"neg and cmp", inHalf, "movq %rcx, %rdi; notq %rdi; shrq $47, %rdi; cmpq $0x1ffff, %rdi; jne slow", prove.Proved},
		{"bswap", inHalf, "movq %rcx, %rdi; bswapq %rdi; testw %di, %di; jnz slow; testl $0x800000, %edi; jnz slow", prove.Proved},
		{"bswap without bit 47", inHalf, "movq %rcx, %rdi; bswapq %rdi; testw %di, %di; jnz slow; testl $0x400000, %edi; jnz slow", prove.Refuted},
		{"differences added up", inHalf, "movq %rcx, %rdi; shrq $47, %rdi; movq %rcx, %rsi; xorq PT_REGS_IP(%rsp), %rsi; orq %rsi, %rdi; movl %r11d, %esi; andl $0x10100, %esi; orq %rsi, %rdi; jnz slow", prove.Proved},
		{"a difference too few", inHalf, "movq %r11, %rdi; xorq PT_REGS_FLAGS(%rsp), %rdi; movl %r11d, %esi; andl $0x10100, %esi; orq %rsi, %rdi; jnz slow", prove.Refuted},
		{"RIP compared in halves", inHalf, "cmpl PT_REGS_CX(%rsp), %ecx; jne slow; cmpl $0, PT_REGS_IP+4(%rsp); jne slow", prove.Proved},
		{"signed limit alone", inHalf, "movabsq $0x7fffffffffff, %rdi; cmpq %rdi, %rcx; jg slow", prove.Refuted},
		{"signed limits", inHalf, "testq %rcx, %rcx; js slow; movabsq $0x7fffffffffff, %rdi; cmpq %rdi, %rcx; jg slow", prove.Proved},

		// Parts of the work flags, and of RFLAGS.
		{"work flags bit by bit", inExit, "btl $0, THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp); jc slow; movzbl THREAD_FLAGS+PT_REGS_SIZE-THREAD_STACK(%rsp), %ecx; shrb $1, %cl; testb $3, %cl; jnz slow; movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
		{"IF set and cleared by POPFQ", inHandler, "pushfq; andl $~0x200, (%rsp); popfq; pushfq; orl $0x200, (%rsp); popfq", prove.Proved},
		{"IF cleared by POPFQ", inHandler, "pushfq; andl $~0x200, (%rsp); popfq", prove.Refuted},

		// Slots in parts.
		{"a slot in halves", inEntry, "movl %ecx, PT_REGS_IP(%rsp); shrq $32, %rcx; movl %ecx, PT_REGS_IP+4(%rsp); movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
		{"a slot in wrong halves", inEntry, "movl %ecx, PT_REGS_IP+4(%rsp); shrq $32, %rcx; movl %ecx, PT_REGS_IP(%rsp); movq PT_REGS_CX(%rsp), %rcx", prove.Refuted},
		{"a slot in words", inEntry, "movw %cx, PT_REGS_IP(%rsp); shrq $16, %rcx; movw %cx, PT_REGS_IP+2(%rsp); shrq $16, %rcx; movw %cx, PT_REGS_IP+4(%rsp); shrq $16, %rcx; movw %cx, PT_REGS_IP+6(%rsp)", prove.Proved},
		{"half of a slot", inEntry, "movl $0, PT_REGS_DI+4(%rsp)", prove.Refuted},
		{"constants in halves", inEntry, "movl $USER_CS, PT_REGS_CS(%rsp); movl $0, PT_REGS_CS+4(%rsp)", prove.Proved},
		{"two slots by MOVUPS", inEntry, "subq $16, %rsp; movups %xmm3, (%rsp); movups 16+PT_REGS_R10(%rsp), %xmm3; movups %xmm3, 16+PT_REGS_R10(%rsp); movups (%rsp), %xmm3; addq $16, %rsp", prove.Proved},

		// XMM registers.
		{"XMM0 kept", inHandler, "subq $16, %rsp; movups %xmm0, (%rsp); movq %rax, %xmm0; movq %xmm0, %rax; movups (%rsp), %xmm0; addq $16, %rsp", prove.Proved},
		{"XMM0 half kept", inHandler, "subq $16, %rsp; movq %xmm0, (%rsp); movq %rax, %xmm0; movq %xmm0, %rax; movq (%rsp), %xmm0; addq $16, %rsp", prove.Refuted},
		{"XMM15 cleared", inExit, "pxor %xmm15, %xmm15", prove.Refuted},
		{"XMM1 kept by MOVAPS and XORPS", inExit, "subq $24, %rsp; movaps %xmm1, (%rsp); xorps %xmm1, %xmm1; movaps (%rsp), %xmm1; addq $24, %rsp", prove.Proved},
		{"MXCSR kept", inExit, "subq $8, %rsp; stmxcsr (%rsp); ldmxcsr (%rsp); addq $8, %rsp", prove.Proved},
		{"MXCSR lost", inExit, "pushq $0x1f80; ldmxcsr (%rsp); addq $8, %rsp", prove.Refuted},
		{"MOVAPS beside a multiple of 16", inExit, "subq $16, %rsp; movaps %xmm1, (%rsp); addq $16, %rsp", prove.Refuted},
		{"XORPS of memory beside a multiple of 16", inExit, "subq $16, %rsp; movups %xmm1, (%rsp); xorps (%rsp), %xmm1; movups (%rsp), %xmm1; addq $16, %rsp", prove.Refuted},

		// The x87 unit.
		{"its control word read", inExit, "subq $8, %rsp; fnstcw (%rsp); addq $8, %rsp", prove.Proved},
		{"its control word kept", inExit, "subq $8, %rsp; fnstcw (%rsp); fldcw (%rsp); addq $8, %rsp", prove.Proved},
		{"its state kept around what changes it", inExit, "subq $520, %rsp; fxsave64 (%rsp); fninit; emms; fxrstor64 (%rsp); addq $520, %rsp", prove.Proved},
		{"a word of what FXSAVE has stored is changed", inExit, "subq $520, %rsp; fxsave64 (%rsp); movw $0x37f, (%rsp); fxrstor64 (%rsp); addq $520, %rsp", prove.Refuted},
		{"an XMM register is changed by FXRSTOR", inExit, "subq $520, %rsp; fxsave64 (%rsp); movq %rsp, 168(%rsp); fxrstor64 (%rsp); addq $520, %rsp", prove.Refuted},

		// Segments.
		{"the user's GS base read", inHandler, "rdgsbase %r11", prove.Proved},
		{"FS's base kept", inHandler, "rdfsbase %r11; wrfsbase %r11", prove.Proved},
		{"FS's base cleared", inExit, "xorl %ecx, %ecx; wrfsbase %rcx; movq PT_REGS_CX(%rsp), %rcx", prove.Refuted},
		{"GS's base cleared", inHandler, "xorl %r11d, %r11d; wrgsbase %r11", prove.Refuted},
		{"GS by WRGSBASE", inExit, "swapgs; rdgsbase %rcx; wrgsbase %rcx; movq PT_REGS_IP(%rsp), %rcx; swapgs", prove.Proved},
		{"FS's base from before the handler", inHandler, "pushq %rbx; rdfsbase %rbx; call *sys_call_table(, %rax, 8); wrfsbase %rbx; popq %rbx; jmp 1f; .skip 0; 1: movq %rax, PT_REGS_AX(%rsp); jmp done", prove.Refuted},
		{"selectors read", inHandler, "movw %fs, %r11w; movl %gs, %r11d; movq %ds, %r11; movw %cs, %r11w", prove.Proved},
		{"DS and ES loaded", inHandler, "movl $USER_DS, %r11d; movl %r11d, %ds; movl %r11d, %es", prove.Refuted},
		{"DS kept", inHandler, "movw %ds, %r11w; movl %r11d, %ds", prove.Proved},
		{"FS kept, its base lost", inHandler, "pushq %fs; popq %fs", prove.Refuted},
		{"FS and its base kept", inExit, "rdfsbase %rcx; pushq %fs; popq %fs; wrfsbase %rcx; movq PT_REGS_IP(%rsp), %rcx", prove.Proved},

		// Instructions that do no harm.
		{"LOCK", inHandler, "lock orq $0, PT_REGS_DI(%rsp); lock addl $0, -4(%rsp)", prove.Proved},
		{"a fence by LOCK and the top of the stack", inHandler, "lock addl $0, (%rsp); lock orq $0, (%rsp); lock xorb $0, 3(%rsp)", prove.Proved},
		{"a slot written with what it has", inHandler, "movq (%rsp), %r11; movq %r11, (%rsp)", prove.Proved},
		{"a slot without the user's word changed", inHandler, "lock addl $1, (%rsp)", prove.Refuted},
		{"part of it cleared", inHandler, "lock andl $0xffff, 4(%rsp)", prove.Refuted},
		{"a slot written with another's", inHandler, "movq 8(%rsp), %r11; movq %r11, (%rsp)", prove.Refuted},
		{"LOCK changes", inHandler, "lock addq $1, PT_REGS_DI(%rsp)", prove.Refuted},
		{"RDTSC", inExit, "rdtsc; movq PT_REGS_AX(%rsp), %rax; movq PT_REGS_DX(%rsp), %rdx", prove.Proved},
		{"RDTSC kept", inExit, "rdtsc", prove.Refuted},
		{"RDTSCP", inExit, "rdtscp; movq PT_REGS_AX(%rsp), %rax; movq PT_REGS_DX(%rsp), %rdx; movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
		{"RDTSCP without RCX", inExit, "rdtscp; movq PT_REGS_AX(%rsp), %rax; movq PT_REGS_DX(%rsp), %rdx", prove.Refuted},
		{"PREFETCH", inHandler, "prefetcht0 (%rsp); prefetcht1 8(%rdi); prefetcht2 (%rax); prefetchnta (%rsi); prefetchw (%rdx)", prove.Proved},
		{"NOPs", inHandler, ".nops 1; .nops 2; .nops 3; .nops 4; .nops 5; .nops 6; .nops 7; .nops 8; .nops 9; .nops 10; .nops 11; .nops 12; .nops 13; .nops 14; .nops 15", prove.Proved},
		{"alignment", inHandler, ".p2align 4; nop; .p2align 4; xchgw %ax, %ax; .p2align 4", prove.Proved},
		{"BSWAP twice", inHandler, "bswapq %rdi; bswapq %rdi", prove.Proved},
		{"BSWAP", inHandler, "bswapq %rdi", prove.Refuted},
		{"MUL kept", inExit, "mulq %rdi; movq PT_REGS_AX(%rsp), %rax", prove.Refuted},
		{"IMUL", inHandler, "imulq $8, %rax, %r11; imulq %rdi, %r11; imull $3, %r11d", prove.Proved},
		{"a table by IMUL", inHandler, "imulq $8, %rax, %r11; leaq sys_call_table(%rip), %rcx; addq %r11, %rcx; movq (%rcx), %r11; movq %r10, %rcx; call *%r11; movq %rax, PT_REGS_AX(%rsp); jmp done", prove.Proved},
		{"MUL", inExit, "mulq %rdi; movq PT_REGS_AX(%rsp), %rax; movq PT_REGS_DX(%rsp), %rdx", prove.Proved},
		{"CDQE", inEntry, "cltq", prove.Refuted},
		{"CDQE of a result", inExit, "cltq", prove.Refuted},
		{"CWDE and CQO kept", inExit, "cwtl; cqto; movq PT_REGS_AX(%rsp), %rax; movq PT_REGS_DX(%rsp), %rdx", prove.Proved},
		{"MOVSX", inHandler, "movsbl %al, %r11d; movswq %ax, %r11; movslq %eax, %r11", prove.Proved},
		{"BSF, BSR, TZCNT, LZCNT, POPCNT", inHandler, "bsfq %rdi, %r11; bsrq %rdi, %r11; tzcntl %edi, %r11d; lzcntq %rdi, %r11; popcntq %rdi, %r11", prove.Proved},
		{"POPCNT clears PF", inHandler, "popcntq %rdi, %r11; jnp 1f; xorl %edi, %edi; 1:", prove.Proved},
		{"POPCNT clears PF, of 0 too", inHandler, "xorl %r11d, %r11d; popcntq %r11, %r11; jp 1f; xorl %edi, %edi; 1:", prove.Refuted},
		{"POPCNT clears SF, OF and CF", inHandler, "popcntq %rdi, %r11; js 2f; jo 2f; jc 2f; jl 2f; jmp 1f; 2: xorl %edi, %edi; 1:", prove.Proved},
		{"POPCNT sets ZF", inHandler, "popcntq %rdi, %r11; jz 1f; jg 1f; xorl %edi, %edi; 1:", prove.Proved},
		{"POPCNT sets ZF alone", inHandler, "popcntq %rdi, %r11; jle 1f; xorl %edi, %edi; 1:", prove.Refuted},
		{"CMPXCHG", inHandler, "pushq %rax; movq %rdi, %r11; lock cmpxchgq %r11, 8+PT_REGS_DI(%rsp); popq %rax", prove.Proved},
		{"CMPXCHG changes", inHandler, "lock cmpxchgq %rsi, PT_REGS_DI(%rsp); movq PT_REGS_ORIG_AX(%rsp), %rax", prove.Refuted},
		{"XADD", inHandler, "xorl %r11d, %r11d; lock xaddq %r11, PT_REGS_DI(%rsp)", prove.Proved},
		{"SHLD and SHRD", inHandler, "shldq $4, %rdi, %r11; shrdq $4, %rdi, %r11; shldq %cl, %rdi, %r11; shrdl %cl, %edi, %r11d", prove.Proved},
		{"ADC and SBB", inHandler, "addq %rdi, %r11; adcq $0, %r11; sbbq %r11, %r11", prove.Proved},
		{"RCL", inHandler, "rclq $1, %r11; rcrq $1, %r11", prove.Proved},
		{"high bytes", inHandler, "movb %ah, %bh; movb %bh, %ah; movq %rax, %rcx; xchgb %ah, %al; xchgb %al, %ah; movzbl %ah, %ecx; movq %r10, %rcx; movq PT_REGS_BX(%rsp), %r11", prove.Refuted}, // BH is part of another register
		{"high bytes kept", inHandler, "xchgb %ah, %al; xchgb %al, %ah; movzbl %ah, %ecx; movb %ch, %ah; movb 1+PT_REGS_ORIG_AX(%rsp), %ah; movq %r10, %rcx", prove.Proved},
		{"CR2 and CR4", inExit, "movq %cr2, %rcx; movq %cr4, %rcx; movq %cr0, %rcx; movq %cr3, %rcx; movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
		{"repz ret", inHandler, "call 1f; jmp 2f; 1: repz ret; 2:", prove.Proved},
		{"notrack and branch hints", inHandler, "jne,pt 1f; nop; 1: jne,pn 1f; nop; 1: leaq 1f(%rip), %r11; notrack jmp *%r11; 1:", prove.Proved},
		{"JRCXZ", inHandler, "jrcxz 1f; nop; 1:", prove.Proved},
		{"LOOP", inHandler, "movl $1000, %ecx; 1: loop 1b; movq %r10, %rcx", prove.Proved},
		{"a bounded loop", inHandler, "movl $1000, %ecx; 1: decl %ecx; jnz 1b; movq %r10, %rcx", prove.Proved},
		{"a loop that counts up", inHandler, "xorl %ecx, %ecx; 1: pause; addl $1, %ecx; cmpl $1000, %ecx; jl 1b; movq %r10, %rcx", prove.Proved},
		{"a loop that clears the stack", inHandler, "leaq -256(%rsp), %r11; 1: movq $0, (%r11); addq $8, %r11; cmpq %rsp, %r11; jb 1b", prove.Undecided}, // below RSP with interrupts on
		{"100 words below the frame", inHandler, ".rept 100; pushq %rdi; .endr; xorl %edi, %edi; .rept 100; popq %rdi; .endr", prove.Proved},
		{"one of 100 words cut", inHandler, ".rept 100; pushq %rdi; .endr; movl $0, 4(%rsp); popq %rdi; addq $792, %rsp", prove.Refuted},
		{"deeper than is followed", inHandler, "subq $2048, %rsp; pushq %rdi; popq %rdi; addq $2048, %rsp", prove.Undecided},
		{"RSP deep, and back", inHandler, "subq $2048, %rsp; nop; addq $2048, %rsp", prove.Proved},
		{"RSP aligned, and back", inHandler, "movq %rsp, %r11; andq $-16, %rsp; subq $64, %rsp; movups %xmm0, (%rsp); movq %r11, %rsp", prove.Proved},
		{"RSP aligned", inHandler, "andq $-16, %rsp", prove.Refuted},
		{"the thread by a mask", inExit, "movq $-THREAD_STACK, %rcx; andq %rsp, %rcx; cmpl $0, THREAD_FLAGS(%rcx); movq %rsp, %rcx; orq $THREAD_STACK-1, %rcx; cmpl $0, 1+THREAD_FLAGS-THREAD_STACK(%rcx); movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
		{"the thread by a mask of half a stack", inExit, "movq %rsp, %rcx; andq $-THREAD_STACK/2, %rcx; cmpl $0, THREAD_FLAGS(%rcx); movq PT_REGS_IP(%rsp), %rcx", prove.Undecided},
		{"frames of functions", inHandler, "pushq %rbp; movq %rsp, %rbp; subq $32, %rsp; movq %rax, -8(%rbp); leave; enter $16, $0; movq %rax, -16(%rbp); leave", prove.Proved},
		{"LEAVE without a frame", inHandler, "pushq %rbp; leave", prove.Refuted},
		{"SETcc to memory", inHandler, "pushq $0; testq %rdi, %rdi; setl (%rsp); sets 1(%rsp); popq %r11; cmpb $1, %r11b; je 1f; testq %r11, %r11; jz 1f; xorl %edi, %edi; 1:", prove.Proved},
		{"SETcc to the frame", inHandler, "testq %rdi, %rdi; setl PT_REGS_DI(%rsp)", prove.Refuted},
		{"BTC twice", inHandler, "btcq $47, %rdi; btcq $47, %rdi", prove.Proved},
		{"BTC", inHandler, "btcq $47, %rdi", prove.Refuted},
		{"a table in the code", inHandler, "movl $1, %r11d; jmp *7f(, %r11, 8); .p2align 3; 7: .quad 8f, 9f; 8: ud2; 9:", prove.Proved},
		{"a table of distances", inHandler, "leaq 7f(%rip), %r11; movslq 4(%r11), %rcx; addq %rcx, %r11; movq %r10, %rcx; jmp *%r11; .p2align 2; 7: .long 8f-7b, 9f-7b; 8: ud2; 9:", prove.Proved},
		{"a table's wrong entry", inHandler, "jmp *7f(%rip); .p2align 3; 7: .quad 8f, 9f; 8: movq %rdi, %rsi; 9:", prove.Refuted},
		{"RSP below the stack", inHandler, "subq $16384, %rsp; nop; addq $16384, %rsp", prove.Refuted},
		{"REP STOSQ", inExit, "leaq PT_REGS_R15-64(%rsp), %rdi; xorl %eax, %eax; movl $8, %ecx; rep stosq; movq PT_REGS_DI(%rsp), %rdi; movq PT_REGS_AX(%rsp), %rax; movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
		{"REP STOSQ over the frame", inHandler, "leaq PT_REGS_R11(%rsp), %rdi; movl $8, %ecx; rep stosq; movq PT_REGS_DI(%rsp), %rdi; movq %r10, %rcx", prove.Refuted},
		{"REP MOVSQ", inExit, "subq $64, %rsp; leaq 64+PT_REGS_R11(%rsp), %rsi; movq %rsp, %rdi; movl $8, %ecx; rep movsq; addq $64, %rsp; movq PT_REGS_DI(%rsp), %rdi; movq PT_REGS_SI(%rsp), %rsi; movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
		{"MOVSB with DF", inExit, "std; movq %rsp, %rdi; movq %rsp, %rsi; movsb; cld; movq PT_REGS_DI(%rsp), %rdi; movq PT_REGS_SI(%rsp), %rsi", prove.Proved},
		{"DF left", inHandler, "std", prove.Refuted},
		{"CPUID", inExit, "pushq %rbx; xorl %eax, %eax; cpuid; popq %rbx; movq PT_REGS_AX(%rsp), %rax; movq PT_REGS_DX(%rsp), %rdx; movq PT_REGS_IP(%rsp), %rcx", prove.Proved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			place, half, _ := strings.Cut(tt.place, " ")
			base, code := "", tt.code
			if place == inCanonical {
				base, code = "+exit=opportunistic+iptest=canonical", look+code
				if half != "" {
					base = "+exit=opportunistic+iptest=half"
				}
			}
			text := frame
			for name, with := range map[string]string{"BASE": base, place: code} {
				text = strings.Replace(text, "\t"+name+"\n", "\t"+with+"\n", 1)
				text = strings.Replace(text, "4.1"+name+"\n", "4.1"+with+"\n", 1)
			}
			for _, name := range []string{inEntry, inHandler, inExit, inCanonical} {
				text = strings.Replace(text, "\t"+name+"\n", "", 1)
			}
			path := filepath.Join(t.TempDir(), "kind.S")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			proof := alone(t, path)
			if got := proof.Outcome(); got != tt.want {
				t.Errorf("it is %v, want %v\n%v", got, tt.want, proof.Err())
			}
		})
	}
}

// alone returns the proof of a file's variant without a kernel around it.
func alone(t *testing.T, path string) *prove.Proof {
	t.Helper()
	n, err := Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := prove.Prove(stubs.Variant(n))
	if err != nil {
		t.Fatal(err)
	}
	return proof
}
