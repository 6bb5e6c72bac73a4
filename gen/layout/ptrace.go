package layout

// UserRegs is what PTRACE_GETREGS and PTRACE_SETREGS copy: Linux's struct user_regs_struct,
// with which struct user begins (arch/x86/include/asm/user_64.h).
type UserRegs[T any] struct {
	PtRegs         PtRegs[T]
	FSBase, GSBase T
	DS, ES, FS, GS T
}

// Traced is what a process has of its tracer, and of the thread that is traced, its first
// one.
type Traced[T any] struct {
	// Tracer is the process that traces it, 0 for none: every signal stops the thread
	// before it is delivered.
	Tracer T
	// Signal is what the thread has stopped at, as wait4 tells it, 0 while it runs. Seen is
	// 1 once the tracer has been told.
	Signal, Seen T
	// Deliver is the signal that it is to get when it goes on, 0 for none.
	Deliver T
	Step    T // 1: TF is the tracer's
	// Calls is 1 if it stops where a call begins and ends too (PTRACE_SYSCALL). These stops
	// are at SIGTRAP, with SysGood added (PTRACE_O_TRACESYSGOOD); AtCall is 1 during one.
	Calls, SysGood, AtCall T
}
