package stubs

// Configurations.
const (
	configX32  = "without CONFIG_X86_X32_ABI, CONFIG_PARAVIRT, CONFIG_AUDITSYSCALL, CONFIG_CONTEXT_TRACKING, CONFIG_TRACE_IRQFLAGS and CONFIG_CC_STACKPROTECTOR; with CONFIG_PREEMPT and CONFIG_X86_ESPFIX64"
	config612  = "as Debian's: with CONFIG_X86_ESPFIX64, CONFIG_STACKPROTECTOR, CONFIG_RANDOMIZE_KSTACK_OFFSET_DEFAULT and CONFIG_X86_DEBUG_FPU; with CONFIG_CONTEXT_TRACKING_USER and CONFIG_DYNAMIC_FTRACE, which are off while it runs"
	config70   = "as of 6.12 without CONFIG_X86_DEBUG_FPU; what is off leaves NOPs"
	config72   = "as Debian's: as of 6.12, with CONFIG_UNWIND_USER, and CONFIG_PREEMPT_DYNAMIC with full preemption"
	configBSD  = "GENERIC without KDTRACE_HOOKS and profiling"
	configNone = "none: nothing of it was built"
)

// What the presets leave out.
const (
	leftTracer = "audit, seccomp and tracepoints: a tracer is all that asks for work where a call begins and ends"
	leftUndone = "that the fix-up of a full-frame call undoes what a tracer has changed where the call began: here it stays, but for R11"
	leftESPFix = "the stack for a 16-bit SS: it is tested for, and the kernel here has no LDT"
	leftSwitch = "its own context switch: here it is that of Linux 3.19"
	leftCalled = "in the context switch, the load of thread_info's address: here it lies in the thread. The registers that the compiler keeps around the macro are below RBP here, as all variants leave one frame on a stack; and where there is a usersp, it is swapped before the stacks, not in __switch_to"
	leftAround = "what is around the context switch: __switch_to is the kernel's here, the same for all variants, and before the switch the kernel compares whether both threads have the same, by one comparison and an indirect jump"
	leftIOPL   = "iopl by the TSS's bitmap of ports, as since 5.5: here it sets IOPL, which allows CLI and STI, too, and is refused with FRED"
	leftForked = "a new thread's first return: here it is the kernel's, by IRETQ after the work, as in Linux from 4.6 on"

	leftForkedSlow = "what ret_from_fork does before it returns: schedule_tail, and what is for the kernel's own threads"
	leftC          = "what the compiler makes of do_syscall_64: it is C there, and written for its work here"
	leftCompiled   = "what a compiler makes of the C part, which is written for its work here: where a preset was held against an image, it is said in which functions that takes more or fewer instructions"
	leftMeasure    = "the handler: what getppid costs is the kernel's here"

	left40      = "the file of 4.0 itself, which was not found: that interrupts go off before work is looked for and that TF is tested is not confirmed (b3494a4ab20f, 7ea24169097d)"
	leftCompare = "the comparison of a return address with a constant in stub_ptregs_64: here it takes one instruction more and R11"
	leftPushF   = "PUSHFQ and POPFQ in the context switch, which were there from 4.3 to 4.8"

	leftInlined   = "that do_syscall_64 contains syscall_exit_to_user_mode since 6.16 (e43b8bb56e53): here it and the functions that it calls are 6.12's"
	leftFREDTree  = "the compiler's tree over the types of events: here a call's type is asked for first"
	leftFREDTraps = "the handlers of other events than calls, which are the kernel's here, and events from KVM"

	leftParanoid = "RDGSBASE in the entries of NMI, #DB and #MC, which Linux has from 5.9 on where the CPU has FSGSBASE: this is the kernel with nofsgsbase, and +paranoid=rdgsbase the other"

	leftNoPCID = "the NOP and the jump in the place of what PCIDs would need"

	leftSkip    = "the jump over the code that would fill the return stack, in the context switch"
	leftReturns = "the thunk of the RETs of what handles #DB and NMIs of ring 0: a breakpoint in the thunk would arrive there again"
	leftAlias   = "the addresses of srso_alias_untrain_ret and srso_alias_safe_ret, which differ in four bits alone and lie a megabyte apart"
	leftUpper   = "RETs that are in the upper half of a cache line, which stay as they are: here all go by the thunk"

	left70    = "the files of 7.0 itself, of which those of the months before were read; what CONFIG_RSEQ adds to an exit, which is nothing without CONFIG_LOCKDEP"
	left72    = "the rounding of the distance by which a call's stack begins lower, which adds 8 bytes to it; what CONFIG_RSEQ adds to an exit, which is nothing without its debugging"
	left70CPU = "7.0's own choice by CPU, which was not read: it is that of 6.12.117"

	leftTrapframe = "FreeBSD's trapframe: here its words that Linux's frame does not have are below that, and nothing reads them. R11 and RCX are stored once more, where Linux's readers of a frame look for them; argument 4 is in r10, and tf_addr is not there"
	leftBSDC      = "what amd64_syscall does for accounting, credentials, ktrace, audit and capabilities, and that it clears TF and sends SIGTRAP: here such a call ends by doreti, and #DB comes behind the next instruction"
	leftDoreti    = "doreti's loads of the segment registers and its ends of interrupts, which are the kernel's here; a PCB and a per-CPU word of its own for it: here its flags are the thread's"
	leftSeven     = "an exit of seven loads: Linux's programs want R8 to R10 back, so it is ten"
)

// lazily returns the omissions of the releases whose slow path is in assembly.
func lazily(more ...string) []string {
	return append(more, leftTracer, leftUndone, leftESPFix, leftCalled, leftAround, leftForkedSlow, leftMeasure)
}

// modern returns the omissions of the presets of 6.12 and of 7.0.
func modern(more ...string) []string {
	return append(more, leftParanoid, leftTracer, leftESPFix, leftAround, leftIOPL, leftForked, leftCompiled, leftMeasure)
}
