package layout

// Sizes of the kernel's memory.
const (
	PageSize = 4096
	// ThreadSize is the size and alignment of a thread's kernel stack. The
	// Thread lies at its bottom, as Linux 3.19's thread_info did, and PtRegs at
	// its top (arch/x86/include/asm/page_64_types.h, THREAD_SIZE).
	ThreadSize = 16384
	// ThreadGuard is the offset of the page of these that is not mapped, and ThreadStack
	// the offset behind it where the stack's room begins.
	ThreadGuard = PageSize
	ThreadStack = ThreadGuard + PageSize
	// KernelBase is where physical address 0 is mapped for the kernel's image.
	KernelBase = 0xffff_ffff_8000_0000
	// FREDPad are the words behind PtRegs in a frame that FRED begins, in bytes (Linux's
	// TOP_OF_KERNEL_STACK_PADDING).
	FREDPad = 16
	// PhysMap is where all RAM below PhysMapSize, as much as an entry of a top-level table
	// maps, is mapped linearly (Linux's page_offset_base without KASLR). The kernel begins
	// with the first PhysMapLow bytes, and maps free RAM above them later.
	PhysMap     = 0xffff_8880_0000_0000
	PhysMapSize = 512 << 30
	PhysMapLow  = 4 << 30
	// TaskSizeMax is the end of user addresses: one page below the end of the
	// canonical lower half, so that no SYSCALL can leave a non-canonical RCX.
	TaskSizeMax = 1<<47 - PageSize
)

// PerCPU is the structure that GS points to in the kernel.
type PerCPU[T any] struct {
	// RSPScratch is Linux's per-CPU old_rsp: the user's RSP from the second
	// instruction of the entry on; the variant decides how long it stays there.
	RSPScratch T
	// ScratchLine is the rest of its cache line: Linux has old_rsp in another line
	// than kernel_stack and current_task (3.19: arch/x86/kernel/process_64.c,
	// cpu/common.c).
	ScratchLine [7]T
	// TopOfStack is the top of the current thread's kernel stack.
	TopOfStack T
	// Current is the running thread.
	Current T
	// Variant is the index of the selected variant.
	Variant T
	// SwitchTo is the context switch with which a new thread begins.
	SwitchTo T
	// Idle is the thread that runs when no other can.
	Idle T
	// NoResched, if not 0, keeps interrupts from switching threads: set while
	// the bare variant is selected.
	NoResched T
	// Self is this structure's address.
	Self T
	// Number is the CPU's number: 0, as there is only one.
	Number T
	// TSS is the task-state segment, in a line of its own. Linux has it in the
	// per-CPU area too, where the entry path reaches it (cpu_tss).
	TSS TSS[T]
	// The rest is in the TSS's page, which the user's page table maps too.

	// UserBits are those of PTIUserBits that a trap's exit to ring 3 sets in
	// CR3: 0 unless the selected variant isolates the page tables.
	UserBits T
	// NoFlush is the highest bit of CR3 if the selected variant keeps
	// translations by PCIDs, else 0.
	NoFlush T
	// UserPCIDFlushMask has bit n set if translations of the user's PCID
	// n|PTIUserPCID have become invalid since that PCID was last loaded.
	UserPCIDFlushMask T
	// EntryCR3 is the CR3 that the last trap from ring 3 found: SysEntryCR3.
	EntryCR3 T

	// SpecCtrl is the kernel's value of MSR_IA32_SPEC_CTRL while a variant with
	// ibrs=entry is selected (Linux's x86_spec_ctrl_current); ring 3 has the same
	// without IBRS. 0: no such variant is selected, and nobody writes the MSR.
	SpecCtrl T
	// SpecCtrlRing3 is ring 3's value of the MSR when the last interrupt or exception
	// came from there while SpecCtrl was not 0; tests read it.
	SpecCtrlRing3 T

	// NMIs, Debugs and MachineChecks count the events that were handled by the vectors
	// with stacks of their own; EventIP is where the last of them hit ring 0. The
	// handlers reach these words by GS, so one that runs with the user's GS dies.
	NMIs, Debugs, MachineChecks, EventIP T

	// TrapReturn is the selected variant's VariantDesc.TrapReturn, or the kernel's IRETQ.
	TrapReturn T

	// NewThread is the selected variant's VariantDesc.NewThread, or retint_user.
	NewThread T

	// StackCanary is the running thread's canary, if the selected variant changes it at
	// a context switch (Linux's __stack_chk_guard).
	StackCanary T
	// CallDepth counts the calls in the kernel, by shifts, while a variant with
	// returns=calldepth is selected (Linux's pcpu_hot.call_depth).
	CallDepth T
	// IBPBExit is Linux's x86_ibpb_exit_to_user: it is set when a guest has run, which
	// none ever does here.
	IBPBExit T

	// Process is the current thread's. The words after it repeat what calls need of it:
	// its PID, its parent's, its Files and its ActionsBase.
	Process, PID, ParentPID, Files, SigActions T

	// FREDRSP0 is what MSR_IA32_FRED_RSP0 holds (Linux's fred_rsp0).
	FREDRSP0 T
	// StackPad is FREDPad if the selected variant has entry=fred, else 0. Bit FREDPad of
	// TopOfStack tells the same of the running thread: whether its events are FRED's now.
	StackPad T
	// Return is where TrapReturn leads once the thread's events are as StackPad says.
	Return T
	// ThreadSwitch is where schedule ends: at context_switch or, on a CPU with FRED, what comes
	// before it.
	ThreadSwitch T

	// OldRSP and OldReaders are the selected variant's, of VariantDesc and VariantInfo.
	OldRSP, OldReaders T

	// KStackRandom are the four numbers of 32 bits from which variants with kstack=prng or
	// kstack=called make the next call's offset (Linux's kstack_rnd_state).
	KStackRandom [2]T
	// ForceIRET is the selected variant's VariantDesc.ForceIRET.
	ForceIRET T
	// PreemptCount is Linux's __preempt_count, which variants with kstack=called raise.
	PreemptCount T
}

// PreemptNoResched is set in PreemptCount unless a thread waits until the count is 0: then
// that which lowers it sees a 0 (Linux: arch/x86/include/asm/preempt.h,
// PREEMPT_NEED_RESCHED).
const PreemptNoResched = 1 << 31

// TSS is the 64-bit task-state segment (SDM volume 3, 7.7), which begins TSSOffset
// bytes into this structure, so that its 64-bit fields are words.
type TSS[T any] struct {
	Reserved0 T
	// SP0 is RSP of an interrupt from ring 3: the top of the current thread's stack or,
	// while the selected variant isolates the page tables, the same as SP1.
	SP0 T
	// SP1 is the top of the trampoline stack. Nothing runs in ring 1, and Linux
	// keeps that address in SP0, as its interrupts arrive there as well.
	SP1       T
	SP2       T // scratch space, as nothing runs in ring 2; so in Linux since 4.20
	Reserved1 T
	IST       [7]T
	Reserved2 T
	IOMap     T // in its bits 31:16
}

// TSSOffset is where the segment begins in its structure.
const TSSOffset = 4

// TrampolineSize is the size of the trampoline stack in bytes: a page, which the
// user's page table maps. Interrupts from ring 3 may arrive there.
const TrampolineSize = PageSize

// Thread flags: work that must be done before a return to ring 3, tested by
// every exit path in one instruction (Linux's TIF_ bits, as masks).
const (
	TIFNeedResched = 1 << 0 // another thread should run
	TIFSigPending  = 1 << 1 // a signal that is not blocked is pending
	// TIFNotifyResume is work that is done as soon as it is looked at. Variants with
	// forceiret=notify set it to have a call end by the slow exit.
	TIFNotifyResume = 1 << 2
	TIFDoNotify     = TIFSigPending | TIFNotifyResume // what do_notify_resume does
	TIFAllWork      = TIFNeedResched | TIFDoNotify
	// TIFEntryWork is set while a tracer wants to see the thread's calls begin and end
	// (Linux's _TIF_WORK_SYSCALL_ENTRY).
	TIFEntryWork = 1 << 8
	// TIFFork is set in a thread that has not run yet (Linux up to 4.8): it is no work, and
	// ret_from_fork clears it. The switch of switch=call looks at it.
	TIFFork = 1 << 18
)

// TSCompat in Thread.Status is Linux's TS_COMPAT: the call came from 32-bit code.
// Nothing sets it, but the slow exits of 3.19 to 4.2 clear it, and that costs time.
const TSCompat = 1 << 1

// TIFUserReturnNotify, TIFIOBitmap and TIFNeedFPULoad are further flags that
// nothing sets; they cost something because 6.12 tests each on the way out (Linux
// 6.12: arch/x86/include/asm/entry-common.h, arch_exit_work).
const (
	TIFUserReturnNotify = 1 << 11
	TIFNeedFPULoad      = 1 << 14
	TIFIOBitmap         = 1 << 22
	TIFNever            = TIFUserReturnNotify | TIFNeedFPULoad | TIFIOBitmap
)

// TaskKernel in Thread.TaskFlags is a thread of the kernel's own, which has no registers of
// the FPU (Linux's PF_KTHREAD).
const TaskKernel = 1 << 21

// Bits of Thread.SyscallWork: those that 6.12 tests when a call begins and when it ends
// (Linux 6.12: include/linux/thread_info.h, entry-common.h). SyscallTrace is set with
// TIFEntryWork; nothing sets another.
const (
	SyscallTrace     = 1 << 2
	SyscallWorkEnter = 1<<6 - 1                         // seccomp, tracers, audit, user dispatch
	SyscallWorkExit  = 1<<1 | 1<<2 | 1<<4 | 1<<5 | 1<<6 // tracers, audit, user dispatch, single steps
)

// KStackMask selects the bits of a random number by which a call's stack begins
// lower (Linux 6.12: include/linux/randomize_kstack.h, KSTACK_OFFSET_MAX).
const KStackMask = 0x3f0

// What stackleak=erase leaves on a stack, and how many such words in a row end the
// search for what was used (Linux 6.12: include/linux/stackleak.h, STACKLEAK_POISON and
// STACKLEAK_SEARCH_DEPTH).
const (
	StackErased    = -0xbeef
	StackErasedRun = 128 / 8
)

// Thread states.
const (
	ThreadRunnable = 0 // running or on the run queue
	ThreadBlocked  = 1 // until wake_up
	ThreadDead     = 2 // its stack is freed by the next thread that exits or is made
)

// SwitchFrame is what a thread has on its stack while it is switched out: the callee-saved
// registers and the address at which it goes on (Linux's inactive_task_frame). All
// variants' switches leave it in this order, so that each can bring every thread back.
type SwitchFrame[T any] struct {
	R15, R14, R13, R12, BX, BP T
	Return                     T
}

// Thread is one thread, at the bottom of its kernel stack.
type Thread[T any] struct {
	Flags  T // TIF*; first, as in thread_info
	Status T // TS*: next to the flags, as in thread_info
	// The fields that a context switch touches lie together in the first lines.
	SP       T // kernel RSP while switched out: a SwitchFrame is there
	UserSP   T // usersp: RSPScratch while switched out, where the variant swaps it
	SwitchTo T // the variant's switch; see SysSelect
	FSBase   T // the user's FS and GS base
	GSBase   T
	State    T // Thread*
	// SyscallWork is Linux's syscall_work, which 5.11 separated from the flags.
	SyscallWork T

	Next     T // run queue, or the list of dead threads
	Switches T // times switched in
	MM       T // the address space that it runs in
	Process  T
	TID      T

	Sleep      Timer[T] // ends a sleep
	WakeResult T        // what a sleep returns: 0, -ETIMEDOUT, -EINTR

	UTime, STime T // time on the CPU in ns, in ring 3 and in ring 0 (Sched.RingTime)
	Preempted    T // times that an interrupt took the CPU away
	MinFaults    T // page faults that read no file, which is all of them

	FutexKey  T // user address waited for, with its Space's FutexTag; 0: on no futex's queue
	FutexBits T // the bits of FUTEX_WAIT_BITSET
	FutexNext T // the queue of a hash bucket
	FutexPrev T
	PIOwner   T // owner of the PI futex that it waits for; 0: none

	SigBlocked  T             // mask; bit n-1 is signal n
	Pending     SigPending[T] // sent to this thread alone
	SigWait     T             // mask of the signals that rt_sigtimedwait waits for, blocked or not
	SavedMask   T             // mask to restore when a suspended wait ends
	RestoreMask T             // 1 if SavedMask is in force
	SigForced   T             // signo of a synchronous signal, delivered before all others; 0: none
	SigCode     T             // its si_code
	// SigAddr is, for the signal that is being delivered, si_addr, or si_pid and
	// si_uid. Its si_errno and the words behind SigAddr are 0 unless SigFull is 1.
	SigAddr    T
	SigFull    T
	SigErrno   T
	SigRest    [3]T
	TrapNo     T // of the last exception, for signal frames
	ErrorCode  T
	CR2        T
	AltSP      T // sigaltstack: lowest address, size (0: none), flags
	AltSize    T
	AltFlags   T
	ClearTID   T // user address to clear and wake at exit; 0: none
	RobustList T // user address of set_robust_list's head; 0: none
	FileWait   T // File that a sleeping call waits for, -1: any; 0: none
	FileEvents T // EPOLL mask that it waits for
	ChildWait  T // 1 while it waits for a child's end
	// VforkChild is the process that it sleeps for in vfork; 0: none. SetTID is where a
	// new process's first thread writes its TID before it begins; 0: nowhere.
	VforkChild, SetTID T

	// A new thread inherits these.
	Comm       [2]T // PR_SET_NAME, NUL-terminated
	Policy     T    // of scheduling; without effect, like Nice
	Nice       T
	NoNewPrivs T // PR_SET_NO_NEW_PRIVS
	TimerSlack T // PR_SET_TIMERSLACK in ns, a permission that nothing uses

	DeathSig T // PR_SET_PDEATHSIG: without effect

	// KStackOffset says how much lower the next call's stack begins; only the bits of
	// KStackMask count. Only variants with kstack=rdtsc touch it.
	KStackOffset T
	// StackCanary is the value of PerCPU.StackCanary while the thread runs: its TID, as
	// no function here has a canary that could be guessed.
	StackCanary T
	// LastCPU is the CPU whose registers hold the FPU state, PerCPU.Number.
	LastCPU T

	// LowestStack is where the search for what is to be erased of the stack begins, 0 if
	// nothing is known of it. Only variants with stackleak=erase touch it.
	LowestStack T

	// StackTop is PerCPU.TopOfStack while the thread runs: FREDPad below the stack's end
	// if FRED delivers its events.
	StackTop T
	// FX is the FXSAVE image while switched out (SDM volume 1, 10.5.1).
	FX [64]T

	// TaskFlags and UnwindMask are Linux's task_struct.flags and unwind_info.unwind_mask. Only
	// variants with exitwork=checked look at them, and nothing sets them.
	TaskFlags, UnwindMask T

	// UserCET is MSR_IA32_U_CET while the thread runs, 0 if it has no shadow stack. PL3SSP
	// is MSR_IA32_PL3_SSP while it is switched out. Only variants with cet=user have their
	// switch look at them.
	UserCET, PL3SSP T

	All  HListNode[T] // all living threads, newest first
	Peer HListNode[T] // those of its process
	Hash HListNode[T] // those of one bucket of thread_hash

	// PCBFlags are FreeBSD's pcb_flags (PCB*), and Frame its td_frame: where the frame of the
	// thread's last call is. Only variants with slow=doreti touch them.
	PCBFlags, Frame T
}

// PCBFullIRET is set in Thread.PCBFlags by whoever changes what SYSRETQ does not take to ring 3;
// the next call clears it (FreeBSD 10.4: sys/amd64/include/pcb.h, PCB_FULL_IRET).
const PCBFullIRET = 1 << 0
