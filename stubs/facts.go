package stubs

import "slices"

// Fact is what the source of a release says about one part of its path.
type Fact struct {
	Preset string
	// Func, From and To give the part in the preset's listing: a function, from a
	// label (or its start) to another label (or its end).
	Func, From, To string
	// Source is the revision and file that was read, Where the labels and macros
	// in it.
	Source, Where string
	// Pops is set for a part whose first POP takes the lowest slot.
	Pops bool
	// Acts has a word for each instruction, in order. a=b is a MOVQ, a push or a
	// pop: the left side is filled from the right side; slots of the frame are in
	// small letters, words of the thread and the CPU have their names. Any other
	// instruction is its mnemonic, a colon and the operands.
	Acts string
}

// The sources that were read.
const (
	read319      = "torvalds/linux b645af2d5905 (3.18-rc6, whose path 3.19 has), arch/x86/kernel/entry_64.S"
	read40       = "torvalds/linux 2a23c6b8a9c4 and 29722cd4ef66 (before 4.0 and behind it), arch/x86/kernel/entry_64.S"
	read41       = "akuster/linux-yocto-4.1 a186fc82efa0 (4.1.y), arch/x86/kernel/entry_64.S"
	read42       = "torvalds/linux 4d7321381e5c (4.2-rc), arch/x86/entry/entry_64.S"
	read46       = "torvalds/linux eb2a54c3271c (4.6-rc), arch/x86/entry/entry_64.S"
	read70       = "torvalds/linux 31c9387d0d84, include/linux/entry-common.h; ead971eec0eb, arch/x86/entry/syscall_64.c; CachyOS/linux b4f6c3b372b0 (6.17), arch/x86/entry/entry_64.S"
	read72       = "Debian's linux-source-7.2 7.2.13, arch/x86/entry/entry_64.S and syscall_64.c, include/linux/entry-common.h and randomize_kstack.h, arch/x86/include/asm/entry-common.h, lib/random32.c, arch/x86/kernel/fpu/core.c"
	readSwitch   = "yuanguohuo/linux-3.19.8 9a0ef6fde30d, arch/x86/include/asm/switch_to.h; arch/x86/kernel/process_64.c (__switch_to)"
	readSwitch44 = "gyhlearner/ubuntu-xenial 73a40094d2a3 (4.4, beside another kernel's in a merge that was not resolved), arch/x86/include/asm/switch_to.h"
	readThunks   = "Debian's linux-source-6.12 6.12.117, arch/x86/lib/retpoline.S"
	read618      = "Linux 6.18's arch/x86/entry/entry_64_fred.S, as gregkh/linux v6.18.38 and kholia/linux 0053662c3879 have it, and entry_fred.c of the latter"
	read612      = "Debian's linux-source-6.12 6.12.117, arch/x86/entry/entry_64.S and calling.h"
)

// Facts are what the presets are checked against. They say what an instruction does
// and when, in our own words. We chose the registers in which 6.12's C functions keep
// things, and the order of what the source leaves unordered.
var Facts = slices.Concat([]Fact{
	{
		Preset: "linux-3.19", Func: "entry_SYSCALL_64", To: "ret_from_sys_call",
		Source: read319, Where: "system_call to the call of the handler",
		Acts: `swapgs RSPScratch=RSP RSP=TopOfStack sti subq:0x78,RSP di=RDI si=RSI dx=RDX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11
			orig_ax=RAX ip=RCX testl:0x100,Flags jne:tracesys cmpq:RAX,0x3ff ja:ret_from_sys_call RCX=R10
			call:sys_call_table(RAX*8) ax=RAX`,
	},
	{
		Preset: "linux-3.19", Func: "entry_SYSCALL_64", From: "ret_from_sys_call", To: "sysret_careful",
		Source: read319, Where: "ret_from_sys_call to USERGS_SYSRET64; RESTORE_ARGS",
		Acts: `movl:7,RDI cli movl:Flags,RDX andl:RDI,RDX jne:sysret_careful RCX=ip R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx
			RSI=si RDI=di RSP=RSPScratch swapgs sysretq`,
	},
	{
		Preset: "linux-3.19", Func: "entry_SYSCALL_64", From: "sysret_careful", To: "tracesys",
		Source: read319, Where: "sysret_careful, sysret_signal; FIXUP_TOP_OF_STACK",
		Acts: `btl:0,RDX jae:sysret_signal sti pushq:RDI call:schedule_user popq:RDI jmp:sysret_check sti R11=RSPScratch
			sp=R11 ss=0x2b cs=0x33 cx=-1 R11=r11 flags=R11 jmp:int_check_syscall_exit_work`,
	},
	{
		Preset: "linux-3.19", Func: tracePhase1,
		Source: read319, Where: "tracesys to the jump to tracesys_phase2; LOAD_ARGS. It is a function here",
		Acts: `leaq:-40(RSP),RDI call:syscall_trace_enter_phase1 testq:RAX,RAX R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx RSI=si
			RDI=di RAX=orig_ax ret`,
	},
	{
		Preset: "linux-3.19", Func: tracePhase2,
		Source: read319, Where: "tracesys_phase2; SAVE_REST, FIXUP_TOP_OF_STACK, LOAD_ARGS, RESTORE_REST; the restore of sp and flags behind the tracer is ours",
		Acts: `subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 R11=RSPScratch sp=R11 ss=0x2b cs=0x33 cx=-1
			R11=r11 flags=R11 RDI=RSP call:syscall_trace_enter R11=sp RSPScratch=R11 R11=flags r11=R11
			R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx addq:0x30,RSP RDI=di RSI=si RDX=dx RCX=r10 R8=r8 R9=r9
			cmpq:RAX,0x3ff ja:int_ret_from_sys_call call:sys_call_table(RAX*8) ax=RAX jmp:int_ret_from_sys_call`,
	},
	{
		Preset: "linux-3.19", Func: "stub_clone",
		Source: read319, Where: "FORK_LIKE; SAVE_REST, RESTORE_TOP_OF_STACK",
		Acts: `popq:R11 subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 pushq:R11 R11=RSPScratch sp=R11 ss=0x2b
			cs=0x33 cx=-1 R11=r11 flags=R11 call:sys_clone R11=sp RSPScratch=R11 R11=flags r11=R11 retn:0x30`,
	},
	{
		Preset: "linux-3.19", Func: "stub_iopl",
		Source: read319, Where: "FIXED_FRAME; FIXUP_TOP_OF_STACK, RESTORE_TOP_OF_STACK",
		Acts: `R11=RSPScratch sp=R11 ss=0x2b cs=0x33 cx=-1 R11=r11 flags=R11 call:sys_iopl R11=sp RSPScratch=R11 R11=flags
			r11=R11 ret`,
	},
	{
		Preset: "linux-3.19", Func: "stub_vfork",
		Source: read319, Where: "FORK_LIKE; SAVE_REST, RESTORE_TOP_OF_STACK",
		Acts: `popq:R11 subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 pushq:R11 R11=RSPScratch sp=R11 ss=0x2b
			cs=0x33 cx=-1 R11=r11 flags=R11 call:sys_vfork R11=sp RSPScratch=R11 R11=flags r11=R11 retn:0x30`,
	},
	{
		Preset: "linux-3.19", Func: "stub_execve",
		Source: read319, Where: "stub_execve",
		Acts: `addq:8,RSP subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 R11=RSPScratch sp=R11 ss=0x2b cs=0x33
			cx=-1 R11=r11 flags=R11 call:sys_execve ax=RAX R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx
			addq:0x30,RSP jmp:int_ret_from_sys_call`,
	},
	{
		Preset: "linux-3.19", Func: "stub_rt_sigreturn",
		Source: read319, Where: "stub_rt_sigreturn",
		Acts: `addq:8,RSP subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 R11=RSPScratch sp=R11 ss=0x2b cs=0x33
			cx=-1 R11=r11 flags=R11 call:sys_rt_sigreturn ax=RAX R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx
			addq:0x30,RSP jmp:int_ret_from_sys_call`,
	},
	{
		Preset: "linux-3.19", Func: "int_ret_from_sys_call",
		Source: read319, Where: "int_ret_from_sys_call to int_restore_rest; retint_swapgs, native_iret",
		Acts: `cli movl:0x107,RDI RCX=TopOfStack subq:0x4000,RCX movl:Flags,RDX andl:RDI,RDX jne:int_careful andl:-3,Status
			jmp:retint_swapgs btl:0,RDX jae:int_very_careful sti pushq:RDI call:schedule_user popq:RDI cli
			jmp:int_with_check sti subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 testl:0x100,RDX
			je:int_signal pushq:RDI leaq:8(RSP),RDI call:syscall_trace_leave popq:RDI andl:-257,RDI jmp:int_restore_rest
			testl:6,RDX je:no_signal RDI=RSP xorl:RSI,RSI call:do_notify_resume movl:7,RDI R15=r15
			R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx addq:0x30,RSP cli jmp:int_with_check cli swapgs
			jmp:restore_c_regs_and_iret R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di addq:0x50,RSP
			jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq jmp:native_irq_return_iret`,
	},
	{
		Preset: "linux-3.19", Func: SwitchTo,
		Source: readSwitch, Where: "switch_to: SAVE_CONTEXT, RESTORE_CONTEXT, the words between. The compiler keeps RBX and R12 to R15; here they are below RBP. usersp is swapped in __switch_to there, in this order",
		Acts: `pushq:RBP pushq:RBX pushq:R12 pushq:R13 pushq:R14 pushq:R15 RBP=RSI RAX=RSPScratch UserSP=RAX RAX=UserSP RSPScratch=RAX SP=RSP RSP=SP call:__switch_to
			RSI=Current RDI=RAX testl:0x40000,Flags jne:ret_from_fork RSI=RBP popq:R15 popq:R14 popq:R13 popq:R12
			popq:RBX popq:RBP ret`,
	},
	{
		Preset: "linux-4.0", Func: "entry_SYSCALL_64", To: "ret_from_sys_call",
		Source: read40, Where: "system_call to the call of the handler",
		Acts: `swapgs RSPScratch=RSP RSP=TopOfStack sti subq:0x78,RSP di=RDI si=RSI dx=RDX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11
			orig_ax=RAX ip=RCX testl:0x100,Flags jne:tracesys cmpq:RAX,0x3ff ja:ret_from_sys_call RCX=R10
			call:sys_call_table(RAX*8) ax=RAX`,
	},
	{
		Preset: "linux-4.0", Func: "entry_SYSCALL_64", From: "ret_from_sys_call", To: "tracesys",
		Source: read40, Where: "ret_from_sys_call, int_ret_from_sys_call_fixup",
		Acts: `cli testl:7,Flags jne:int_ret_from_sys_call_fixup RCX=ip R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx RSI=si
			RDI=di RSP=RSPScratch swapgs sysretq R11=RSPScratch sp=R11 ss=0x2b cs=0x33 R11=ip cx=R11 R11=r11 flags=R11
			jmp:int_ret_from_sys_call_irqs_off`,
	},
	{
		Preset: "linux-4.0", Func: "int_ret_from_sys_call",
		Source: read40, Where: "int_ret_from_sys_call; retint_swapgs, irq_return_via_sysret",
		Acts: `cli movl:0x107,RDI RCX=TopOfStack subq:0x4000,RCX movl:Flags,RDX andl:RDI,RDX jne:int_careful andl:-3,Status
			jmp:retint_swapgs btl:0,RDX jae:int_very_careful sti pushq:RDI call:schedule_user popq:RDI cli
			jmp:int_with_check sti subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 testl:0x100,RDX
			je:int_signal pushq:RDI leaq:8(RSP),RDI call:syscall_trace_leave popq:RDI andl:-257,RDI jmp:int_restore_rest
			testl:6,RDX je:no_signal RDI=RSP xorl:RSI,RSI call:do_notify_resume movl:7,RDI R15=r15
			R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx addq:0x30,RSP cli jmp:int_with_check cli RCX=cx cmpq:ip,RCX
			jne:opportunistic_sysret_failed shrq:0x2f,RCX jne:opportunistic_sysret_failed cmpq:cs,0x33
			jne:opportunistic_sysret_failed R11=r11 cmpq:flags,R11 jne:opportunistic_sysret_failed testq:0x10100,R11
			jne:opportunistic_sysret_failed cmpq:ss,0x2b jne:opportunistic_sysret_failed R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax
			RCX=cx RDX=dx RSI=si RDI=di addq:0x50,RSP RSP=sp swapgs sysretq swapgs jmp:restore_c_regs_and_iret R11=r11
			R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di addq:0x50,RSP jmp:native_iret testb:4,ss
			jne:native_irq_return_ldt iretq jmp:native_irq_return_iret`,
	},
	{
		Preset: "linux-4.0", Func: TrapReturn,
		Source: read40, Where: "error_exit (RESTORE_REST); retint_swapgs, irq_return_via_sysret, restore_args, native_iret",
		Acts: `R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx addq:0x30,RSP RCX=cx cmpq:ip,RCX jne:opportunistic_sysret_failed shrq:0x2f,RCX
			jne:opportunistic_sysret_failed cmpq:cs,0x33 jne:opportunistic_sysret_failed R11=r11 cmpq:flags,R11
			jne:opportunistic_sysret_failed testq:0x10100,R11 jne:opportunistic_sysret_failed cmpq:ss,0x2b
			jne:opportunistic_sysret_failed R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di addq:0x50,RSP RSP=sp
			swapgs sysretq swapgs jmp:restore_c_regs_and_iret R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di
			addq:0x50,RSP jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq jmp:native_irq_return_iret`,
	},
	{
		Preset: "linux-4.1", Func: "entry_SYSCALL_64", To: "ret_from_sys_call",
		Source: read41, Where: "system_call to the call of the handler",
		Acts: `swapgs RSPScratch=RSP RSP=TopOfStack ss=0x2b sp=RSPScratch sti flags=R11 cs=0x33 ip=RCX orig_ax=RAX di=RDI
			si=RSI dx=RDX cx=RCX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11 subq:0x30,RSP testl:0x100,Flags jne:tracesys
			cmpq:RAX,0x3ff ja:ret_from_sys_call RCX=R10 call:sys_call_table(RAX*8) ax=RAX`,
	},
	{
		Preset: "linux-4.1", Func: "entry_SYSCALL_64", From: "ret_from_sys_call", To: "tracesys",
		Source: read41, Where: "to USERGS_SYSRET64; RESTORE_C_REGS_EXCEPT_RCX_R11 first, as at 4d7321381e5c",
		Acts: `cli testl:7,Flags jne:int_ret_from_sys_call_irqs_off R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx RSI=si RDI=di RCX=ip
			R11=flags RSP=sp swapgs sysretq`,
	},
	{
		Preset: "linux-4.1", Func: "stub_clone",
		Source: read41, Where: "FORK_LIKE; SAVE_EXTRA_REGS",
		Acts: `r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX jmp:sys_clone`,
	},
	{
		Preset: "linux-4.1", Func: "stub_rt_sigreturn",
		Source: read41, Where: "stub_rt_sigreturn",
		Acts: `r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX call:sys_rt_sigreturn addq:8,RSP R15=r15 R14=r14 R13=r13 R12=r12
			RBP=bp RBX=bx ax=RAX jmp:int_ret_from_sys_call`,
	},
	{
		Preset: "linux-4.1", Func: "int_ret_from_sys_call",
		Source: read41, Where: "int_ret_from_sys_call to opportunistic_sysret_failed; restore_c_regs_and_iret",
		Acts: `cli movl:0x107,RDI RCX=TopOfStack subq:0x4000,RCX movl:Flags,RDX andl:RDI,RDX jne:int_careful andl:-3,Status
			jmp:retint_swapgs btl:0,RDX jae:int_very_careful sti pushq:RDI call:schedule_user popq:RDI cli
			jmp:int_with_check sti r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX testl:0x100,RDX je:int_signal pushq:RDI leaq:8(RSP),RDI call:syscall_trace_leave popq:RDI andl:-257,RDI jmp:int_restore_rest
			testl:6,RDX je:no_signal RDI=RSP xorl:RSI,RSI call:do_notify_resume movl:7,RDI R15=r15 R14=r14 R13=r13 R12=r12
			RBP=bp RBX=bx cli jmp:int_with_check cli RCX=cx cmpq:ip,RCX jne:opportunistic_sysret_failed shrq:0x2f,RCX
			jne:opportunistic_sysret_failed cmpq:cs,0x33 jne:opportunistic_sysret_failed R11=r11 cmpq:flags,R11
			jne:opportunistic_sysret_failed testq:0x10100,R11 jne:opportunistic_sysret_failed cmpq:ss,0x2b
			jne:opportunistic_sysret_failed R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di RSP=sp swapgs sysretq
			swapgs jmp:restore_c_regs_and_iret R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di addq:0x80,RSP
			jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq jmp:native_irq_return_iret`,
	},
	{
		Preset: "linux-4.2", Func: "entry_SYSCALL_64", To: "ret_from_sys_call",
		Source: read42, Where: "entry_SYSCALL_64 to the call of the handler",
		Acts: `swapgs RSPScratch=RSP RSP=TSS.SP0 ss=0x2b sp=RSPScratch sti flags=R11 cs=0x33 ip=RCX orig_ax=RAX di=RDI si=RSI
			dx=RDX cx=RCX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11 subq:0x30,RSP testl:0x100,Flags jne:tracesys cmpq:RAX,0x3ff
			ja:ret_from_sys_call RCX=R10 call:sys_call_table(RAX*8) ax=RAX`,
	},
	{
		Preset: "linux-4.2", Func: "entry_SYSCALL_64", From: "ret_from_sys_call", To: "tracesys",
		Source: read42, Where: "to USERGS_SYSRET64",
		Acts: `cli testl:7,Flags jne:int_ret_from_sys_call_irqs_off R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx RSI=si RDI=di RCX=ip
			R11=flags RSP=sp swapgs sysretq`,
	},
	{
		Preset: "linux-4.2", Func: "stub_clone",
		Source: read42, Where: "FORK_LIKE",
		Acts: `r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX jmp:sys_clone`,
	},
	{
		Preset: "linux-4.2", Func: "stub_rt_sigreturn",
		Source: read42, Where: "stub_rt_sigreturn",
		Acts: `r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX call:sys_rt_sigreturn addq:8,RSP R15=r15 R14=r14 R13=r13 R12=r12
			RBP=bp RBX=bx ax=RAX jmp:int_ret_from_sys_call`,
	},
	{
		Preset: "linux-4.2", Func: "int_ret_from_sys_call",
		Source: read42, Where: "int_ret_from_sys_call to opportunistic_sysret_failed; restore_c_regs_and_iret",
		Acts: `cli movl:0x107,RDI RCX=TSS.SP0 subq:0x4000,RCX movl:Flags,RDX andl:RDI,RDX jne:int_careful andl:-3,Status
			jmp:retint_swapgs btl:0,RDX jae:int_very_careful sti pushq:RDI call:schedule_user popq:RDI cli
			jmp:int_with_check sti r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX testl:0x100,RDX je:int_signal pushq:RDI leaq:8(RSP),RDI call:syscall_trace_leave popq:RDI andl:-257,RDI jmp:int_restore_rest
			testl:6,RDX je:no_signal RDI=RSP xorl:RSI,RSI call:do_notify_resume movl:7,RDI R15=r15 R14=r14 R13=r13 R12=r12
			RBP=bp RBX=bx cli jmp:int_with_check cli RCX=cx R11=ip cmpq:R11,RCX jne:opportunistic_sysret_failed
			shlq:0x10,RCX sarq:0x10,RCX cmpq:R11,RCX jne:opportunistic_sysret_failed cmpq:cs,0x33
			jne:opportunistic_sysret_failed R11=r11 cmpq:flags,R11 jne:opportunistic_sysret_failed testq:0x10100,R11
			jne:opportunistic_sysret_failed cmpq:ss,0x2b jne:opportunistic_sysret_failed R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx
			RSI=si RDI=di RSP=sp swapgs sysretq swapgs jmp:restore_c_regs_and_iret R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax
			RCX=cx RDX=dx RSI=si RDI=di addq:0x80,RSP jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq
			jmp:native_irq_return_iret`,
	},
	{
		Preset: "linux-4.6", Func: "entry_SYSCALL_64", To: "ret_from_sys_call",
		Source: read46, Where: "entry_SYSCALL_64 to the call of the handler",
		Acts: `swapgs RSPScratch=RSP RSP=TSS.SP0 ss=0x2b sp=RSPScratch flags=R11 cs=0x33 ip=RCX orig_ax=RAX di=RDI si=RSI
			dx=RDX cx=RCX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11 subq:0x30,RSP testl:0x107,Flags jne:entry_SYSCALL64_slow_path
			sti cmpq:RAX,0x3ff ja:ret_from_sys_call RCX=R10 call:sys_call_table(RAX*8) ax=RAX`,
	},
	{
		Preset: "linux-4.6", Func: "entry_SYSCALL_64", From: "ret_from_sys_call", To: "sysret_signal",
		Source: read46, Where: "to USERGS_SYSRET64",
		Acts: `cli testl:7,Flags jne:sysret_signal RCX=ip R11=flags R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx RSI=si RDI=di RSP=sp
			swapgs sysretq`,
	},
	{
		Preset: "linux-4.6", Func: "entry_SYSCALL_64", From: "sysret_signal",
		Source: read46, Where: "to opportunistic_sysret_failed; restore_c_regs_and_iret",
		Acts: `sti r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX RDI=RSP call:syscall_return_slowpath
			jmp:return_from_SYSCALL_64 r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX RDI=RSP call:do_syscall_64 R15=r15
			R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx RCX=cx R11=ip cmpq:R11,RCX jne:opportunistic_sysret_failed shlq:0x10,RCX
			sarq:0x10,RCX cmpq:R11,RCX jne:opportunistic_sysret_failed cmpq:cs,0x33 jne:opportunistic_sysret_failed R11=r11
			cmpq:flags,R11 jne:opportunistic_sysret_failed testq:0x10100,R11 jne:opportunistic_sysret_failed cmpq:ss,0x2b
			jne:opportunistic_sysret_failed R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx RSI=si RDI=di RSP=sp swapgs sysretq swapgs
			jmp:restore_c_regs_and_iret R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di addq:0x80,RSP
			jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq jmp:native_irq_return_iret`,
	},
	{
		Preset: "linux-4.6", Func: SwitchTo,
		Source: readSwitch44, Where: "switch_to: SAVE_CONTEXT, RESTORE_CONTEXT, the words between. The compiler keeps RBX and R12 to R15; here they are below RBP. PUSHFQ and POPFQ around it are left out",
		Acts: `pushq:RBP pushq:RBX pushq:R12 pushq:R13 pushq:R14 pushq:R15 RBP=RSI SP=RSP RSP=SP call:__switch_to
			RSI=Current RDI=RAX testl:0x40000,Flags jne:ret_from_fork RSI=RBP popq:R15 popq:R14 popq:R13 popq:R12
			popq:RBX popq:RBP ret`,
	},
	{
		Preset: "linux-6.12", Func: "entry_SYSCALL_64", To: "syscall_return_via_sysret",
		Source: read612, Where: "entry_SYSCALL_64 to the test of what do_syscall_64 returns; PUSH_AND_CLEAR_REGS",
		Acts: `endbr64 swapgs TSS.SP2=RSP jmp:over RSP=TopOfStack ss=0x2b sp=TSS.SP2 flags=R11 cs=0x33 ip=RCX orig_ax=RAX di=RDI si=RSI
			dx=RDX cx=RCX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11 bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 xorl:RSI,RSI
			xorl:RDX,RDX xorl:RCX,RCX xorl:R8,R8 xorl:R9,R9 xorl:R10,R10 xorl:R11,R11 xorl:RBX,RBX xorl:RBP,RBP
			xorl:R12,R12 xorl:R13,R13 xorl:R14,R14 xorl:R15,R15 RDI=RSP movslq:RAX,RSI jmp:over nop nop nop nop call:do_syscall_64 testb:RAX,RAX
			je:swapgs_restore_regs_and_return_to_usermode`,
	},
	{
		Preset: "linux-6.12", Func: "entry_SYSCALL_64", From: "syscall_return_via_sysret", To: "swapgs_restore_regs_and_return_to_usermode", Pops: true,
		Source: read612, Where: "syscall_return_via_sysret to SYSRETQ; POP_REGS",
		Acts: `jmp:over R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si
			RDI=RSP RSP=TSS.SP1 pushq:sp pushq:di jmp:over popq:RDI popq:RSP swapgs nop sysretq`,
	},
	{
		Preset: "linux-6.12", Func: "entry_SYSCALL_64", From: "swapgs_restore_regs_and_return_to_usermode", Pops: true,
		Source: read612, Where: "swapgs_restore_regs_and_return_to_usermode without isolation, native_iret",
		Acts: `jmp:over nop nop R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx
			RDX=dx RSI=si RDI=di addq:8,RSP swapgs nop testb:3,cs jne:native_iret ud2 testb:4,ss jne:native_irq_return_ldt iretq
			jmp:native_irq_return_iret`,
	},
	{
		Preset: "linux-6.12", Func: "do_syscall_64",
		Source: read612, Where: "arch/x86/entry/common.c: do_syscall_64, do_syscall_x64; randomize_kstack.h: add_random_kstack_offset; entry-common.h: syscall_enter_from_user_mode",
		Acts: `nop pushq:RBP RBP=RSP pushq:RBX pushq:R12 pushq:R13 pushq:R14 R12=RDI movl:RSI,RBX R13=Current nop
			movl:KStackOffset,RCX andl:0x3f0,RCX subq:RCX,RSP leaq:15(RSP),RCX andq:-16,RCX nop nop sti nop movslq:RBX,R14
			RDX=SyscallWork testl:0x3f,RDX jne:syscall_enter_work cmpl:R14,0x3ff ja:no_such_call RDI=R12 movl:R14,RSI
			cmpl:RSI,0x400 sbbq:RCX,RCX andl:RCX,RSI call:x64_sys_call ax=RAX RDI=R12 call:syscall_exit_to_user_mode jmp:over
			RCX=cx cmpq:ip,RCX jne:return_by_iret R11=r11 cmpq:flags,R11 jne:return_by_iret cmpw:cs,0x33 jne:return_by_iret
			cmpw:ss,0x2b jne:return_by_iret RDI=0x7ffffffff000 cmpq:RCX,RDI jae:return_by_iret testq:0x10100,R11
			jne:return_by_iret movl:1,RAX leaq:-32(RBP),RSP popq:R14 popq:R13 popq:R12 popq:RBX popq:RBP ret xorl:RAX,RAX
			leaq:-32(RBP),RSP popq:R14 popq:R13 popq:R12 popq:RBX popq:RBP ret nop cmpl:R14,-1 je:syscall_return ax=-38
			jmp:syscall_return RDI=R12 call:syscall_trace_enter movl:RAX,RBX movslq:RBX,R14 jmp:make_call`,
	},
	{
		Preset: "linux-6.12", Func: "syscall_exit_to_user_mode",
		Source: read612, Where: "kernel/entry/common.c: syscall_exit_to_user_mode, exit_to_user_mode_prepare, exit_to_user_mode; its loop is the kernel's here",
		Acts: `nop pushq:RBX pushq:RBP pushq:R12 RBX=RDI call:syscall_exit_to_user_mode_prepare cli nop nop R12=Current RBP=Flags
			testl:7,RBP jne:exit_work_loop RDI=RBP call:arch_exit_to_user_mode_prepare nop xorl:RAX,RAX xorl:RDX,RDX
			movl:1,RCX nop popq:R12 popq:RBP popq:RBX ret RDI=RBX call:exit_to_user_mode_loop RBP=Flags jmp:no_work_left`,
	},
	{
		Preset: "linux-6.12", Func: "syscall_exit_to_user_mode_prepare",
		Source: read612, Where: "kernel/entry/common.c: syscall_exit_to_user_mode_prepare",
		Acts: `nop pushq:RBX pushq:RBP pushq:R12 RBX=RDI nop R12=Current RBP=SyscallWork testl:0x76,RBP jne:syscall_exit_work
			popq:R12 popq:RBP popq:RBX ret RDI=RBX call:syscall_trace_leave jmp:syscall_exit_work_done`,
	},
	{
		Preset: "linux-6.12", Func: "arch_exit_to_user_mode_prepare",
		Source: read612, Where: "arch/x86/include/asm/entry-common.h: arch_exit_to_user_mode_prepare, arch_exit_work; randomize_kstack.h: choose_random_kstack_offset",
		Acts: `pushq:RBX RBX=RDI testl:0x800,RBX jne:arch_exit_work testl:0x400000,RBX jne:arch_exit_work
			call:fpregs_assert_state_consistent testl:0x4000,RBX jne:arch_exit_work nop RDI=Current andl:-3,Status
			movl:KStackOffset,RCX rorl:5,RCX rdtsc xorl:RAX,RCX movl:RCX,KStackOffset jmp:over popq:RBX ret ud2`,
	},
	{
		Preset: "linux-6.12", Func: "fpregs_assert_state_consistent",
		Source: read612, Where: "arch/x86/kernel/fpu/core.c: fpregs_assert_state_consistent",
		Acts: `nop nop RAX=Current testl:0x4000,Flags jne:in_memory RCX=Current cmpq:RCX,RAX jne:inconsistent movl:Number,RDX
			cmpl:RDX,LastCPU jne:inconsistent ret ud2`,
	},
	{
		Preset: "linux-6.12", Func: SwitchTo,
		Source: read612, Where: "__switch_to_asm; nospec-branch.h: FILL_RETURN_BUFFER, __FILL_RETURN_BUFFER",
		Acts: `pushq:RBP pushq:RBX pushq:R12 pushq:R13 pushq:R14 pushq:R15 SP=RSP RSP=SP RBX=StackCanary StackCanary=RBX movl:0x10,R12 call:filled_first int3 call:filled_second int3 addq:0x10,RSP decl:R12
			jne:fill_return_buffer lfence popq:R15 popq:R14 popq:R13 popq:R12 popq:RBX popq:RBP jmp:__switch_to`,
	},
	{
		Preset: "linux-6.12-zen2", Func: "entry_untrain_ret",
		Source: readThunks, Where: "entry_untrain_ret",
		Acts: `jmp:srso_untrain_ret`,
	},
	{
		Preset: "linux-6.12-zen2", Func: "srso_untrain_ret",
		Source: readThunks, Where: "srso_untrain_ret, without the safe return in its first instruction",
		Acts: `RAX=0xccccc30824648d48 lfence call:srso_safe_ret ud2`,
	},
	{
		Preset: "linux-6.12-zen2", Func: "srso_return_thunk",
		Source: readThunks, Where: "srso_return_thunk",
		Acts: `call:srso_safe_ret ud2`,
	},
	{
		Preset: "linux-6.12-zen3", Func: "srso_alias_untrain_ret",
		Source: readThunks, Where: "srso_alias_untrain_ret",
		Acts: `nop lfence jmp:srso_alias_return_thunk`,
	},
	{
		Preset: "linux-6.12-zen3", Func: "srso_alias_safe_ret",
		Source: readThunks, Where: "srso_alias_safe_ret",
		Acts: `leaq:8(RSP),RSP ret int3`,
	},
	{
		Preset: "linux-6.12-zen3", Func: "srso_alias_return_thunk",
		Source: readThunks, Where: "srso_alias_return_thunk",
		Acts: `call:srso_alias_safe_ret ud2`,
	},
	{
		Preset: "linux-6.12-icelake", Func: "clear_bhb_loop",
		Source: read612, Where: "clear_bhb_loop, up to the loops",
		Acts: `pushq:RBP RBP=RSP movl:5,RCX call:clear_bhb_outer jmp:clear_bhb_done`,
	},
	{
		Preset: "linux-6.12-icelake", Func: "clear_bhb_outer",
		Source: read612, Where: "clear_bhb_loop, the outer loop's start",
		Acts: `call:clear_bhb_inner ret`,
	},
	{
		Preset: "linux-6.12-icelake", Func: "clear_bhb_inner",
		Source: read612, Where: "clear_bhb_loop, the inner loop and the end",
		Acts: `movl:5,RAX jmp:clear_bhb_next nop subl:1,RAX jne:clear_bhb_turn subl:1,RCX jne:clear_bhb_outer ret lfence popq:RBP
			jmp:its_return_thunk`,
	},
	{
		Preset: "linux-6.12-icelake", Func: "its_return_thunk",
		Source: readThunks, Where: "its_return_thunk",
		Acts: `ret int3`,
	},
	{
		Preset: "linux-7.0", Func: "entry_SYSCALL_64", To: "syscall_return_via_sysret",
		Source: read70, Where: "entry_SYSCALL_64 to the test of what do_syscall_64 returns; PUSH_AND_CLEAR_REGS",
		Acts: `endbr64 swapgs TSS.SP2=RSP jmp:over RSP=TopOfStack ss=0x2b sp=TSS.SP2 flags=R11 cs=0x33 ip=RCX orig_ax=RAX di=RDI si=RSI
			dx=RDX cx=RCX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11 bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 xorl:RSI,RSI
			xorl:RDX,RDX xorl:RCX,RCX xorl:R8,R8 xorl:R9,R9 xorl:R10,R10 xorl:R11,R11 xorl:RBX,RBX xorl:RBP,RBP
			xorl:R12,R12 xorl:R13,R13 xorl:R14,R14 xorl:R15,R15 RDI=RSP movslq:RAX,RSI jmp:over nop nop nop nop call:do_syscall_64 testb:RAX,RAX
			je:swapgs_restore_regs_and_return_to_usermode`,
	},
	{
		Preset: "linux-7.0", Func: "do_syscall_64",
		Source: read70, Where: "do_syscall_64, do_syscall_x64; syscall_enter_from_user_mode, syscall_exit_to_user_mode_work, arch_exit_to_user_mode_prepare, all inlined",
		Acts: `nop pushq:RBP RBP=RSP pushq:RBX pushq:R12 pushq:R13 pushq:R14 R12=RDI movl:RSI,RBX R13=Current nop
			movl:KStackOffset,RCX andl:0x3f0,RCX subq:RCX,RSP leaq:15(RSP),RCX andq:-16,RCX nop nop sti nop movslq:RBX,R14
			RDX=SyscallWork testl:0x3f,RDX jne:syscall_enter_work cmpl:R14,0x3ff ja:no_such_call RDI=R12 movl:R14,RSI
			cmpl:RSI,0x400 sbbq:RCX,RCX andl:RCX,RSI call:x64_sys_call ax=RAX RDX=SyscallWork testl:0x76,RDX
			jne:syscall_exit_work cli nop nop RAX=Flags testl:7,RAX jne:exit_work_loop testq:RAX,RAX jne:arch_exit_work
			nop andl:-3,Status movl:KStackOffset,RCX rorl:5,RCX rdtsc xorl:RAX,RCX movl:RCX,KStackOffset jmp:over nop
			xorl:RAX,RAX xorl:RDX,RDX movl:1,RCX nop jmp:over
			RCX=cx cmpq:ip,RCX jne:return_by_iret R11=r11 cmpq:flags,R11 jne:return_by_iret cmpw:cs,0x33 jne:return_by_iret
			cmpw:ss,0x2b jne:return_by_iret RDI=0x7ffffffff000 cmpq:RCX,RDI jae:return_by_iret testq:0x10100,R11
			jne:return_by_iret movl:1,RAX leaq:-32(RBP),RSP popq:R14 popq:R13 popq:R12 popq:RBX popq:RBP ret xorl:RAX,RAX
			leaq:-32(RBP),RSP popq:R14 popq:R13 popq:R12 popq:RBX popq:RBP ret nop cmpl:R14,-1 je:syscall_return ax=-38
			jmp:syscall_return RDI=R12 call:syscall_trace_enter movl:RAX,RBX movslq:RBX,R14 jmp:make_call
			RDI=R12 call:exit_to_user_mode_loop RAX=Flags jmp:no_work_left testl:0x404800,RAX
			je:arch_exit_work_done ud2 RDI=R12 call:syscall_trace_leave jmp:syscall_exit_work_done`,
	},
	{
		Preset: "linux-7.2", Func: "entry_SYSCALL_64", To: "syscall_return_via_sysret",
		Source: read72, Where: "entry_SYSCALL_64 to the test of what do_syscall_64 returns; PUSH_AND_CLEAR_REGS",
		Acts: `endbr64 swapgs TSS.SP2=RSP jmp:over RSP=TopOfStack ss=0x2b sp=TSS.SP2 flags=R11 cs=0x33 ip=RCX orig_ax=RAX di=RDI si=RSI
			dx=RDX cx=RCX ax=-38 r8=R8 r9=R9 r10=R10 r11=R11 bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 xorl:RSI,RSI
			xorl:RDX,RDX xorl:RCX,RCX xorl:R8,R8 xorl:R9,R9 xorl:R10,R10 xorl:R11,R11 xorl:RBX,RBX xorl:RBP,RBP
			xorl:R12,R12 xorl:R13,R13 xorl:R14,R14 xorl:R15,R15 RDI=RSP movslq:RAX,RSI jmp:over nop nop nop nop call:do_syscall_64 testb:RAX,RAX
			je:swapgs_restore_regs_and_return_to_usermode`,
	},
	{
		Preset: "linux-7.2", Func: "do_syscall_64",
		Source: read72, Where: "do_syscall_64, do_syscall_x64; syscall_enter_from_user_mode, add_random_kstack_offset, syscall_exit_to_user_mode, arch_exit_to_user_mode_prepare, unwind_reset_info, all inlined",
		Acts: `nop pushq:RBP RBP=RSP pushq:RBX movl:RSI,RBX pushq:R12 R12=RDI pushq:R13 subq:0x10,RSP nop nop sti nop R13=Current
			movl:RBX,RSI RDX=SyscallWork testb:0x3f,RDX jne:syscall_enter_work nop movl:RSI,-32(RBP) incl:PreemptCount RAX=Self
			leaq:KStackRandom[0],RDI call:prandom_u32_state decl:PreemptCount movl:-32(RBP),RSI je:thread_waits andl:0x3f0,RAX
			subq:RAX,RSP leaq:15(RSP),RAX andq:-16,RAX cmpl:RSI,0x3ff ja:no_such_call cmpl:RSI,0x400 sbbq:RCX,RCX
			andl:RCX,RSI RDI=R12 call:x64_sys_call ax=RAX RDX=SyscallWork nop nop testb:0x76,RDX jne:syscall_exit_work cli nop
			nop RBX=Flags testl:7,RBX jne:exit_work_loop call:fpregs_assert_state_consistent testq:RBX,RBX jne:arch_exit_work
			RAX=R13 addq:0x4000,RAX jmp:over andl:-3,Status jmp:over RAX=UnwindMask testq:RAX,RAX jne:exit_never nop
			xorl:RAX,RAX movl:1,RCX movl:RAX,RDX nop jmp:over
			RCX=cx cmpq:ip,RCX jne:return_by_iret R11=r11 cmpq:flags,R11 jne:return_by_iret cmpw:cs,0x33 jne:return_by_iret
			cmpw:ss,0x2b jne:return_by_iret RDI=0x7ffffffff000 cmpq:RCX,RDI jae:return_by_iret testl:0x10100,R11 sete:RAX
			leaq:-24(RBP),RSP popq:R13 popq:R12 popq:RBX popq:RBP ret xorl:RAX,RAX leaq:-24(RBP),RSP popq:R13 popq:R12
			popq:RBX popq:RBP ret nop cmpl:-32(RBP),-1 je:syscall_return ax=-38 jmp:syscall_return RDI=R12 call:syscall_trace_enter
			movl:RAX,RBX movl:RBX,RSI jmp:make_call movl:RAX,-40(RBP) call:preempt_schedule movl:-40(RBP),RAX movl:-32(RBP),RSI
			jmp:alone RDI=R12 call:exit_to_user_mode_loop RBX=Flags jmp:no_work_left testl:0x404800,RBX je:arch_exit_work_done
			ud2 RDI=R12 call:syscall_trace_leave jmp:syscall_exit_work_done`,
	},
	{
		Preset: "linux-7.2", Func: "prandom_u32_state",
		Source: read72, Where: "prandom_u32_state: four times TAUSWORTHE, with the constants of each, and their sum without carry. The order is ours",
		Acts: `endbr64 movl:(RDI),RCX movl:RCX,RDX shll:6,RDX xorl:RCX,RDX shll:0x12,RCX andl:-524288,RCX shrl:0xd,RDX xorl:RCX,RDX
			movl:4(RDI),RCX movl:RDX,(RDI) leal:(RCX*4),RAX xorl:RAX,RCX andl:-32,RAX shrl:0x1b,RCX xorl:RAX,RCX
			movl:8(RDI),RAX movl:RCX,4(RDI) movl:RAX,R9 shll:0xd,R9 xorl:RAX,R9 shll:7,RAX andl:-2048,RAX shrl:0x15,R9
			xorl:RAX,R9 movl:12(RDI),RAX movl:R9,8(RDI) leal:(RAX*8),R10 xorl:RAX,R10 shll:0xd,RAX andl:-1048576,RAX
			shrl:0xc,R10 xorl:RAX,R10 movl:R10,12(RDI) movl:RDX,RAX xorl:RCX,RAX xorl:R9,RAX xorl:R10,RAX ret`,
	},
	{
		Preset: "linux-7.2", Func: "fpregs_assert_state_consistent",
		Source: read72, Where: "fpregs_assert_state_consistent; fpregs_state_valid, x86_task_fpu",
		Acts: `endbr64 nop RAX=Current testl:0x200000,TaskFlags jne:inconsistent testl:0x4000,Flags jne:in_memory cmpq:Current,RAX
			jne:inconsistent movl:LastCPU,RCX cmpl:Number,RCX jne:inconsistent ret ud2`,
	},
	{
		Preset: "linux-6.18+fred", Func: FREDEntry, To: "asm_fred_exit_user",
		Source: read618, Where: "asm_fred_entrypoint_user: FRED_ENTER, PUSH_AND_CLEAR_REGS, without ENDBR64, which the specification's revision 9 took away",
		Acts: `di=RDI si=RSI dx=RDX cx=RCX ax=RAX r8=R8 r9=R9 r10=R10 r11=R11 bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15
			xorl:RSI,RSI xorl:RDX,RDX xorl:RCX,RCX xorl:R8,R8 xorl:R9,R9 xorl:R10,R10 xorl:R11,R11 xorl:RBX,RBX xorl:RBP,RBP
			xorl:R12,R12 xorl:R13,R13 xorl:R14,R14 xorl:R15,R15 RDI=RSP call:fred_entry_from_user`,
	},
	{
		Preset: "linux-6.18+fred", Func: FREDEntry, From: "asm_fred_exit_user", Pops: true,
		Source: read618, Where: "asm_fred_exit_user: FRED_EXIT, POP_REGS, ERETU",
		Acts: `R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di eretu`,
	},
	{
		Preset: "linux-6.18+fred", Func: FREDKernelEntry,
		Source: read618, Where: "asm_fred_entrypoint_kernel",
		Acts: `di=RDI si=RSI dx=RDX cx=RCX ax=RAX r8=R8 r9=R9 r10=R10 r11=R11 bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15
			xorl:RSI,RSI xorl:RDX,RDX xorl:RCX,RCX xorl:R8,R8 xorl:R9,R9 xorl:R10,R10 xorl:R11,R11 xorl:RBX,RBX xorl:RBP,RBP
			xorl:R12,R12 xorl:R13,R13 xorl:R14,R14 xorl:R15,R15 RDI=RSP call:fred_event_kernel
			R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di erets`,
	},
	{
		Preset: "linux-6.18+fred", Func: "fred_entry_from_user", To: "other_event",
		Source: read618, Where: "arch/x86/entry/entry_fred.c: fred_entry_from_user, fred_other; the type is asked for first, and what comes with it in one test",
		Acts: `nop RSI=orig_ax orig_ax=-1 movzbl:166(RDI),RAX andl:0xf,RAX cmpl:RAX,7 jne:other_event movl:164(RDI),RAX andl:0x20000ff,RAX
			cmpl:RAX,0x2000001 jne:other_event RSI=ax orig_ax=RSI ax=-38 jmp:do_syscall_64`,
	},
	{
		Preset: "linux-6.18+fred", Func: "arch_exit_to_user_mode_prepare",
		Source: read618, Where: "arch/x86/include/asm/entry-common.h: arch_exit_to_user_mode_prepare; fred.h: fred_update_rsp0, whose WRMSRNS is WRMSR on CPUs without it",
		Acts: `pushq:RBX RBX=RDI testl:0x800,RBX jne:arch_exit_work testl:0x400000,RBX jne:arch_exit_work
			call:fpregs_assert_state_consistent testl:0x4000,RBX jne:arch_exit_work RAX=Current leaq:0x4000(RAX),RAX
			cmpq:FREDRSP0,RAX je:over movl:0x1cc,RCX RDX=RAX shrq:0x20,RDX wrmsr FREDRSP0=RAX RDI=Current andl:-3,Status
			movl:KStackOffset,RCX rorl:5,RCX rdtsc xorl:RAX,RCX movl:RCX,KStackOffset jmp:over popq:RBX ret ud2`,
	},
}, factsOfBSD)
