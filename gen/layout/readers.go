package layout

// The kernel's readers of a thread's user RSP, as bits of VariantInfo.OldReaders. Each
// is a function of the kernel with Linux's name (RSPReaders).
const (
	ReaderStackPointer = iota
	ReaderCopyThread
	ReaderStartThread
	ReaderKSTKESP
	ReaderCollectSyscall
	ReaderPerfRegs
	ReaderGetReg
	ReaderCoreDump
	ReaderShowRegs
	NumReaders
)

// RSPReader is a function of the kernel that reads, or keeps, the user's RSP of a thread
// in a call. There are two places for it: the sp slot of the thread's frame, and the
// words that a variant with sp=percpu keeps it in, the per-CPU scratch word (Linux's
// old_rsp) and Thread.UserSP (thread.usersp).
type RSPReader struct {
	Func string
	// Doc says what it is for; Old319 is set if Linux 3.19 takes the old words.
	Doc    string
	Old319 bool
	// Source is where Linux 3.19.8 has it, or a later release if Later is set.
	Source string
	Later  bool
}

// RSPReaders are the readers, by their numbers.
var RSPReaders = [NumReaders]RSPReader{
	ReaderStackPointer: {Func: "current_user_stack_pointer", Doc: "sigaltstack's test whether the thread is on the stack for signals", Old319: true, Source: "arch/x86/include/asm/ptrace.h:141, kernel/signal.c:3212"},
	ReaderCopyThread:   {Func: "copy_thread", Doc: "what a child of fork and clone gets as usersp", Old319: true, Source: "arch/x86/kernel/process_64.c:164"},
	ReaderStartThread:  {Func: "start_thread", Doc: "what a program gets as usersp and old_rsp when execve starts it", Old319: true, Source: "arch/x86/kernel/process_64.c:238"},
	ReaderKSTKESP:      {Func: "kstk_esp", Doc: "/proc/PID/stat: kstkesp", Old319: true, Source: "arch/x86/kernel/process_64.c:603, fs/proc/array.c:397"},
	// It has always read regs->sp, which is undefined in a fast-path call.
	ReaderCollectSyscall: {Func: "collect_syscall", Doc: "/proc/PID/syscall: sp", Source: "lib/syscall.c, collect_syscall"},
	ReaderPerfRegs:       {Func: "perf_get_regs_user", Doc: "the user's registers of a sample that strikes in the kernel", Old319: true, Source: "arch/x86/kernel/perf_regs.c:180"},
	ReaderGetReg:         {Func: "getreg", Doc: "ptrace: the RSP of a thread that has stopped before a signal", Source: "arch/x86/kernel/ptrace.c, getreg"},
	ReaderCoreDump:       {Func: "fill_thread_core_info", Doc: "the RSP in the core of a process that a signal ends", Source: "fs/binfmt_elf.c, fill_thread_core_info, by getreg"},
	// 3.19's panic does not look at the frame of a call; later ones print what they find.
	ReaderShowRegs: {Func: "__show_regs", Doc: "the user's RSP in the dump of a panic in a call's handler", Source: "arch/x86/kernel/dumpstack.c, show_regs_if_on_stack", Later: true},
}

// OldReaders319 returns a bit for each of RSPReaders that takes the old words in Linux
// 3.19.
func OldReaders319() uint64 {
	var bits uint64
	for n, r := range RSPReaders {
		if r.Old319 {
			bits |= 1 << n
		}
	}
	return bits
}

// Where a thread is while a reader looks at it. A call is on the slow path once its frame is
// completed for somebody: by a wrapper, or for the work at its end.
const (
	InFastPath      = iota // current, on the fast path of a call
	InSlowPath             // current, on the slow path
	BlockedInFast          // asleep, on the fast path
	BlockedInSlow          // asleep, on the slow path
	PreemptedInFast        // an interrupt took the CPU from it on the fast path
	PreemptedInSlow        // the same on the slow path
	InUserMode             // in ring 3, or preempted there
	OnAnotherCPU           // running on another CPU, which this kernel has not
	NumThreadStates
)

// NewestThread is the TID by which SysReadings finds the thread that was made last.
const NewestThread = ^uint64(0)

// Readings is what the readers find of one thread: SysReadings.
type Readings[T any] struct {
	// StackPointer and PerfRegs are of the calling thread, whatever thread was asked for.
	StackPointer, KSTKESP, CollectSyscall, UserSP T
	// EIP is KSTK_EIP, State a Thread*.
	EIP, State T
	// ShowRegs is of the calling thread too: what the dump of a panic there would show.
	ShowRegs T
}

// SampleWords is how many words of the user's stack a sample holds, from RSP up.
const SampleWords = 4

// Sample is a sample as perf_event takes it: where it struck, and what
// perf_get_regs_user says of ring 3.
type Sample[T any] struct {
	TID T
	// IP and CS are where it struck.
	IP, CS T
	// ABI is PERF_SAMPLE_REGS_ABI_64, or PERF_SAMPLE_REGS_ABI_NONE: there is no frame yet.
	ABI T
	// UserIP and UserSP are the user's registers, Stack the words at UserSP.
	UserIP, UserSP T
	Words          T // how many of Stack could be read
	Stack          [SampleWords]T
	// ShowRegs is the user's RSP in the dump of a panic there, 0 if that shows none.
	ShowRegs T
}

// The values of Sample.ABI (Linux include/uapi/linux/perf_event.h).
const (
	SampleABINone = 0
	SampleABI64   = 2
)

// MaxSamples is how many samples are kept until SysSamples takes them; later ones are
// counted only.
const MaxSamples = 40

// Samples are the samples since the last SysSamples.
type Samples[T any] struct {
	Period T // ns between two; 0: no timer takes any
	Taken  T // all of them, those that were dropped too
	List   [MaxSamples]Sample[T]
}
