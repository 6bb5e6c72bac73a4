package layout

// The control interface: system calls of the generated kernel for tests and
// measurements, far outside Linux's range (Linux 6.12 ends at 462, the x32
// numbers at 547). They exist only where ControlWord is on the kernel's command
// line: otherwise they return -ENOSYS, as on Linux. Arguments and results are passed
// as in a Linux system call. All are reached by SYSCALL; some also by INT
// $ControlVector with the same registers, so that a variant which answers only the
// null call can be left again.
const (
	// SysSelect makes variant RDI the kernel's entry path from the next SYSCALL
	// on, for every thread; a thread whose context switches are to be measured
	// must select it itself as well (see Thread.SwitchTo). -EINVAL: no such variant;
	// -ENODEV: the CPU lacks a feature of VariantInfo.Needs.
	SysSelect = 1000 + iota
	// SysInfo fills the VariantInfo at RSI for variant RDI. -EINVAL: no such
	// variant; a guest finds the number of variants by this error.
	SysInfo
	// SysFrame copies this very call's PtRegs area to RDI, as the entry path left
	// it, before any fix-up.
	SysFrame
	// SysFullFrame is a full-frame call: it takes the variant's slow-path wrapper
	// (fix-up, call, restore). The frame is copied to RDI after the fix-up, unless
	// RDI is 0.
	SysFullFrame
	// SysPoison fills the calling thread's kernel stack with Poison, from the top of
	// the frame down. It returns 0 by IRET with every other register unchanged.
	SysPoison
	// SysSpin spins inside the call for at most RDI rounds, where it can be
	// preempted as the variant's interrupt state allows. It returns 0 as soon
	// as another thread has run meanwhile, else -EAGAIN.
	SysSpin
	// SysStats fills the Stats at RDI.
	SysStats
	// SysSetFrame replaces the slot RDI (a Slot) of this call's full frame by
	// RSI, as ptrace or a signal handler would, through the slow-path wrapper.
	SysSetFrame
	// SysOwnMM gives the calling thread its own address space, in which
	// the same memory is mapped, now and later: a switch to or from it costs as much
	// as a switch between processes. Threads that it makes share it. -ENOMEM: there
	// is no memory for the tables.
	SysOwnMM
	// SysTimeSlice sets the time slice to RDI ns, begins a new one for the calling
	// thread, and returns the old value. -EINVAL: less than MinTimeSlice,
	// or more than MaxTimeSlice.
	SysTimeSlice
	// SysFlush makes the CPU cold. With FlushPredictions in RDI the CPU drops all that it
	// predicts of branches (IBPB), -ENODEV if it has no such barrier. Else it is sched_yield
	// with cold cache lines: before it chooses the next thread it flushes the PerCPU and the
	// Threads of the caller and of the next one from all caches.
	SysFlush
	// SysEntryCR3 returns the CR3 that its entry from ring 3 found, if the call is
	// made by the software interrupt: a trap's entry keeps it, a SYSCALL's does not.
	SysEntryCR3
	// SysUserMap fills the array of UserMapMax AddressRanges at RDI with the upper-half
	// mappings of the user's page table, the one with PTIUserPGTable, and returns how
	// many there are. -ENOMEM: there are more.
	SysUserMap
	// SysBreakpoint sets the breakpoint address DR0 to RDI, and DR7, which holds its
	// kind, to RSI (SDM volume 3, 18.2). The #DB that it raises in ring 0 is
	// counted (PerCPU.Debugs), and the instruction runs.
	SysBreakpoint
	// SysPeek reads the word at the user's address RDI like kernel code that means not
	// to touch user memory, with SMAP as the entry path left it. It returns -EFAULT if
	// the read faults, else 0.
	SysPeek
	// SysFlags returns RFLAGS as its handler finds it.
	SysFlags
	// SysEvent makes an event of kind RSI (Event*) arrive each time that the CPU
	// reaches the kernel's instruction at RDI, until the next SysEvent. It returns
	// what became of the events of the call before: see EventMade. -EINVAL: there is
	// no such kind, or it cannot arrive there because #DB's own handler runs the
	// instruction.
	SysEvent
	// SysBootSeries fills the BootSeries at RDI, and copies what earlier boots have said to
	// the RDX bytes at RSI, as far as it fits.
	SysBootSeries
	// SysReadings fills the Readings at RSI of the thread with TID RDI; 0 is the caller,
	// NewestThread the one that was made last.
	// -ESRCH: there is no such thread.
	SysReadings
	// SysSamples copies the Samples so far to RSI and forgets them; then one is taken
	// every RDI ns, from the timer's interrupt. RDI 0: no more; RSI 0: not copied.
	// -EINVAL: a period of less than MinTimeSlice or more than MaxTimeSlice.
	SysSamples
	// SysScreenBits shows a square of RSI times RSI modules on a screen of pixels, as large as
	// fits with a white edge of ScreenEdge modules: RDI points to a byte for each, row after
	// row, 1 for black. With RSI 0 the screen shows its characters again. -ENODEV: there is no
	// screen of pixels; -EINVAL: more than ScreenBitsMost, or more than the screen has room for.
	SysScreenBits
	// SysStackLeft returns how many words of the calling thread's kernel stack below its own
	// are not StackErased.
	SysStackLeft
	// SysShadowStack gives the calling thread the shadow stack that ends at RDI, from its
	// return on; 0: none any more. What lies below RDI must be a page that the thread has
	// written and may not write any more: that is what the CPU takes for a shadow stack (SDM
	// volume 3, 4.6.1). -EINVAL: the selected variant does not keep shadow stacks apart. One
	// ends when the thread selects a variant or gets an exception's signal.
	SysShadowStack
	// SysCountEvent makes counter RDI, below CountedEvents, count an event, in both rings: RSI
	// is its number and its unit mask, as they are in the counter's control. It returns what
	// RDPMC takes in ECX for the counter. -EINVAL: there is no such counter; -ENODEV: the CPU
	// has no counters (Stats.CountersOn), or not so many.
	SysCountEvent
	sysControlEnd
)

// Kinds of events of SysEvent. All begin with a breakpoint of the debug registers,
// and so work on every CPU.
const (
	EventNone = iota
	// EventFind is the #DB of any instruction that begins at RDI or up to three bytes
	// after it. Its count is the set of the places where one began, as bits 0 to 3.
	EventFind
	EventBreakpoint // the #DB of the instruction alone
	// EventData is the #DB after the instruction that reads or writes the word at
	// offset RDI of the PerCPU.
	EventData
	EventNMI       // an NMI before the instruction
	EventNestedNMI // and another one while that is handled
	EventInterrupt // the timer's interrupt is pending before it, the first time
	EventSample    // a sample is taken before it, as perf_event takes one from an NMI
	// EventHeld is not made by SysEvent: it is a #DB that MOV SS holds back until the
	// kernel's first instruction (SDM volume 3, 7.8.3). Ring 3 makes it with
	// SysBreakpoint.
	EventHeld
	NumEvents = iota
)

// FlushPredictions is what has SysFlush drop predictions: IBPB in ASCII.
const FlushPredictions = 0x42504249

// EventMade is the bit at which SysEvent's result holds the number of events that were
// made; the bits below hold how many arrived at that instruction. An interrupt arrives
// where interrupts are on: Stats.Ticks counts those.
const EventMade = 32

// Event is the state that the kernel keeps for SysEvent. Blocking is set while #DB's
// handler waits for the NMI that blocks the next one, Second while the coming NMI is
// to be the second.
type Event[T any] struct {
	At, Kind, Made, Arrived, Blocking, Second T
}

// Sizes of what SysScreenBits shows, in modules: of a QR code's version 40 and of the edge
// around it (ISO/IEC 18004, 6.3.1 and 6.3.8).
const (
	ScreenBitsMost = 177
	ScreenEdge     = 4
)

// SysControlMax is the highest number of the control interface.
const SysControlMax = sysControlEnd - 1

// SysCallMax is the last entry of the call table. Entry paths compare a number with
// it, so it leaves room: another control call changes no listing.
const SysCallMax = 1023

// X32Bit distinguishes the numbers of x32's calls (Linux: __X32_SYSCALL_BIT).
const X32Bit = 0x40000000

// The control interface fits in the table.
const _ = uint(SysCallMax - SysControlMax)

// ControlWord is the word of the kernel's command line that enables the control calls.
const ControlWord = "control"

// PrinterWord is the word that makes the first parallel port the console, as in Linux.
// The port takes bytes as fast as they are written, where a serial port keeps its rate
// even in an emulator: 87 us a byte, which are 87,000 instructions of Bochs.
const PrinterWord = "console=lp0"

// Argv0Param is the parameter that gives init's argv[0]; without it, argv[0] is the path.
const Argv0Param = "argv0="

// ControlVector is the software interrupt that reaches SysSelect, SysInfo, SysEntryCR3 and
// SysEvent.
const ControlVector = 0x81

// AddressRange is a mapped range of virtual addresses.
type AddressRange[T any] struct{ Start, End T }

// UserMapMax is how many ranges SysUserMap can return.
const UserMapMax = 32

// Poison is what SysPoison fills a kernel stack with: the word at the frame's
// offset off (0 is PtRegs.R15) holds Poison+off.
const Poison = 0x504f_4953_4f4e_0000

// VariantInfo tells the guest what a variant promises.
type VariantInfo[T any] struct {
	// Name is the preset's name, or Axes again if it has none; Axes is its
	// Variant.String. Both are padded with zeros.
	Name [32]T
	Axes [48]T
	// Defined (a Slots) holds the slots that have the user's value when the
	// handler of an ordinary call runs; AX holds -ENOSYS.
	Defined T
	// Room holds the slots that the frame of an ordinary call has room for. A slot
	// in Room but not in Defined keeps what was on the stack.
	Room T
	// Full holds the slots that have the user's value after the fix-up of a
	// full-frame call. FullCX gives the CX slot.
	Full T
	// FullCX is the value of the CX slot after the fix-up; 0 means the return
	// address, which SYSCALL left in RCX.
	FullCX T
	// Bare is 1 for the floor, which answers only the null call.
	Bare T
	// IRQ is 1 if interrupts are on while a handler runs.
	IRQ T
	// CR3 (CR3Keep, CR3Switch or CR3PCID) says which page table ring 3 runs on.
	CR3 T
	// Needs (a Features) is the set of CPU features that the variant needs.
	Needs T
	// Star, LSTAR and SFMask are what MSR_STAR, MSR_LSTAR and MSR_SYSCALL_MASK hold
	// while the variant is selected.
	Star, LSTAR, SFMask T
	// ClearFlags are the flags that are clear while a handler runs, whatever ring 3
	// had set; IF and the arithmetic flags are not among them.
	ClearFlags T
	// LooksAtFrame (Looks*) says which exits treat RF and TF as IRETQ does.
	LooksAtFrame T
	// FRED is 1 if ring 3 enters and leaves by FRED: LSTAR and SFMask mean nothing then, and
	// a call changes neither RCX nor R11.
	FRED T
	// X32 is 1 if a call whose number has X32Bit is the one without it.
	X32 T
	// OldReaders are the readers, as bits, that take the user's RSP from VariantDesc.OldRSP
	// and from Thread.UserSP.
	OldReaders T
	// Traced is 1 if the variant has a way by a tracer: a call of a thread whose tracer asks
	// for stops (PTRACE_SYSCALL) comes to UD2 otherwise.
	Traced T
	// Erases is 1 if ring 3 finds nothing but StackErased on the kernel stack below the
	// frame when a call or a trap has ended.
	Erases T
}

// The values of VariantInfo.LooksAtFrame; 0: none, as far as the variant's axes say.
const (
	LooksChanged = 1 // exits after a handler that has changed the frame
	LooksAlways  = 2 // all exits
)

// CountedEvents is how many events SysCountEvent counts at a time.
const CountedEvents = 3

// Stats are counts since boot, the numbers of the CPU's counters, and its features.
type Stats[T any] struct {
	// Switches counts context switches.
	Switches T
	// MMSwitches counts the switches that loaded another address space.
	MMSwitches T
	// UserPreemptions and KernelPreemptions count the switches that an interrupt
	// forced in ring 3, and inside a system call.
	UserPreemptions, KernelPreemptions T
	// Ticks counts timer interrupts.
	Ticks T
	// PagesFree and PagesTotal are numbers of 4 KiB pages of RAM.
	PagesFree, PagesTotal T
	// CycleCounter and InstructionCounter are what RDPMC takes in ECX, in ring 3
	// too, for the core's cycles and for retired instructions, in both rings;
	// CountersOn is 1 if the CPU has these counters.
	CycleCounter, InstructionCounter, CountersOn T
	// Features (a Features) is the set of features, of those that variants may need,
	// that the CPU has.
	Features T
	// SpecCtrl is MSR_IA32_SPEC_CTRL as this very call found it, 0 if the CPU has no
	// such MSR; SpecCtrlRing3 is PerCPU.SpecCtrlRing3.
	SpecCtrl, SpecCtrlRing3 T
	// TSCHz is the rate of the TSC in Hz, as a TSCSource gives it.
	TSCHz, TSCSource T
	// TimerMult is local APIC timer ticks per ns, times 2^32.
	TimerMult T
	// Star, LSTAR, SFMask and EFER are SYSCALL's MSRs as this very call found them.
	Star, LSTAR, SFMask, EFER T
	// NMIs, Debugs and MachineChecks are the counts of PerCPU.
	NMIs, Debugs, MachineChecks T
	// EventIP is PerCPU.EventIP.
	EventIP T
	// EntryStart to EntryEnd is the text of SYSCALL's paths, IRQEntryStart to
	// IRQEntryEnd the text of the entries and exits of exceptions and interrupts.
	EntryStart, EntryEnd, IRQEntryStart, IRQEntryEnd T
	// Build tells kernels apart: a hash of the image's text and data, and of
	// the initramfs that it carries.
	Build T
	// Copies is how many copies the image has of each variant, at other addresses each: the
	// boots of a series take turns.
	Copies T
	// Stolen is for how many ns since boot the CPU was ready to run this machine and the
	// hypervisor had it run others; StolenOn is 1 if the hypervisor tells.
	Stolen, StolenOn T
}

// How the machine ends: what the kernel writes to isa-debug-exit (port
// DebugExitPort), from which QEMU makes the exit code value<<1|1. With each value goes
// a last line in the kernel's log; a verdict needs both.
const (
	ExitInit   = 0 // "init exited with status N"
	ExitSignal = 1 // "init killed by signal N (NAME)"
	ExitPanic  = 2 // "panic: ..." up to "end of panic"
	ExitBoot   = 3 // "cannot boot: ..."
)

// Ports of the machine that both sides name.
const (
	DebugExitPort = 0xf4 // isa-debug-exit
	DebugconPort  = 0xe9 // isa-debugcon; reads as 0xe9 where it exists
	COM1Port      = 0x3f8
	ShutdownPort  = 0x8900 // Bochs ends when ShutdownWord is written to it
)

// ShutdownWord is what Bochs expects at ShutdownPort, byte by byte (Bochs 2.7,
// iodev/unmapped.cc).
const ShutdownWord = "Shutdown"

// The values of VariantDesc.UsesScratch.
const (
	ScratchRSP = 1 // PerCPU.RSPScratch
	ScratchSP2 = 2 // PerCPU.TSS.SP2
)

// VariantDesc is the kernel's own entry for a variant: what SysSelect puts in
// force. The addresses are those of functions of package stubs.
type VariantDesc[T any] struct {
	// Entry is where SYSCALL arrives.
	Entry T
	// SyscallInit sets MSR_LSTAR to Entry, and SYSCALL's other MSRs.
	SyscallInit T
	// Wrappers go into sys_call_table, in the order of FullFrameCalls.
	Wrappers [numFullFrameCalls]T
	// SwitchTo is the context switch of threads that select the variant.
	SwitchTo T
	// UsesScratch is the per-CPU word that holds the user's RSP during a call
	// (Scratch*), 0 if its frame slot does. From the selection on, every thread's
	// switch must keep that word.
	UsesScratch T
	// OldRSP is the per-CPU word (Scratch*) that the variant's entry puts the user's RSP in,
	// whether or not it stays there.
	OldRSP T
	// TrapReturn is where a trap from ring 3 ends, with RSP at full PtRegs, IF 0 and
	// no work left; 0 means the kernel's own IRETQ.
	TrapReturn T
	// NewThread is where a new thread begins, with RSP at full PtRegs and IF 0; 0 means
	// the kernel's own end of traps.
	NewThread T
	// ErrorEntry and ParanoidEntry are where interrupts and exceptions go from the first
	// code of their vectors, as error_entry and paranoid_entry of the kernel, which 0
	// means.
	ErrorEntry, ParanoidEntry T
	// ReturnThunk is where the kernel's functions jump to return while the variant is
	// selected; 0: they return by RET.
	ReturnThunk T
	// ReturnThunkLast is the last address to which a CALL in ReturnThunk returns; 0: it has
	// none.
	ReturnThunkLast T
	// CountsCalls is 1 if ReturnThunk counts the call depth down, so that their CALLs must
	// count it up; else 0.
	CountsCalls T
	// DebugFirst to DebugLast are the variant's own instructions with which every #DB of
	// ring 0 begins and ends; 0: it has none.
	DebugFirst, DebugLast T
	// ForceIRET are the bits of Thread.Flags that execve and rt_sigreturn set:
	// TIFNotifyResume or none.
	ForceIRET T
	// SpecCtrl is the value that PerCPU.SpecCtrl gets.
	SpecCtrl T
	Info     VariantInfo[T]
}
