// Package kernel is the body of the generated kernel, as listings: traps, scheduler,
// memory, system calls, loader, console. The entry and exit of SYSCALL are in package
// stubs, the boot protocols in boot/proto.
//
// It is one package of thirteen subsystems (kernel.go), each with its own files and
// golden listing. As in any kernel, subsystems call each other in circles: scheduler,
// signals, memory and traps each need the others. If they were packages, they would
// have to name functions by strings or register them, and the compiler could no longer
// check CALL(futexWait).
//
// # Conventions of the kernel's functions
//
// Arguments are in RDI, RSI, RDX, RCX, R8, R9, the result is in RAX; RBX, RBP
// and R12 to R15 are kept (Func.Saving), all others are clobbered. Each function
// says what it takes and returns, and where it departs from this convention; the
// assembler checks that (gen/asm, Contracts). It names the registers that it keeps
// after what they hold. DF is 0. No function touches x87 or SSE registers: they are
// the user's until the context switch saves them. The GS base is the PerCPU.
//
// A failing system call returns -errno as Linux does.
//
// # A thread's kernel stack
//
//	top      +----------------+ <- gs.TopOfStack, TSS.sp0
//	  -168   | PtRegs         | the frame of the entry from ring 3
//	         | calls          |
//	+8192    +----------------+ layout.ThreadStack
//	         | not mapped     | an overrun is a #DF, which says so
//	+4096    +----------------+ layout.ThreadGuard
//	         | Thread         | gs.Current; thread_info's flags first
//	bottom   +----------------+ aligned to 16384
//
// With a variant that enters by FRED, the CPU writes two words above the frame, so
// that gs.TopOfStack is 16 less than the stack's end (gs.StackPad) for its threads. Other
// than that, the frame is at the same place however the kernel was entered from
// ring 3. A system-call handler may rely on all of it only if it is reached by
// a variant's slow-path wrapper.
//
// # Interrupts and preemption
//
// A handler starts with interrupts on or off, as the variant has it. The
// kernel's text is not preempted: the timer interrupt only sets
// TIFNeedResched there, which every exit to ring 3 tests. The exception is the group
// "entry" (the stubs' text and the control call that spins): there the interrupt
// switches threads at once, as a preemptible Linux would, because the variants differ
// in what then happens to the user's RSP.
// Code that touches the run queue, timers or futexes turns interrupts off
// (CLI) and leaves them so; the exits expect that.
//
// # Address spaces
//
// What a process has mapped is its Space (layout.Space): areas, heap, and the page tables
// below the top level. A top-level table is an MM (layout.MM). Each process has its own;
// one that vfork has made has the Space of its parent until it runs another program, and
// layout.SysOwnMM gives a thread an MM of its own in its process's Space, so that a switch
// costs a write of CR3 and the translations that it drops. A switch between threads with
// the same MM costs a comparison. All MMs share one PCID: only the loaded one has
// translations in the TLB, and code that unmaps or protects a page invalidates them there
// alone (mm.go, pgtable.go). The loaded one is the current thread's, or init_mm for the
// idle thread; so an MM without a thread is not loaded, and can be freed.
//
// # Processes
//
// A process is a layout.Process, to which its threads point. What only its own threads use,
// and often, is in PerCPU and Memory while it is loaded (processLoad). After a fork both
// processes have the same pages, read-only, until one writes (space.go). execve takes
// programs from the initramfs. A process whose threads have all ended is a zombie, a
// page, until its parent waits for it; the machine ends with init. A process can trace others
// (ptrace.go). Groups and sessions matter for kill and wait alone, as there is no
// terminal that would send signals.
//
// # Page-table isolation
//
// Each address space has two top-level tables, side by side. The kernel runs on the
// first; ring 3 does too, unless a variant with cr3=switch or cr3=pcid is selected
// (pti.go). Traps then arrive on the trampoline stack, in the group "irqentry",
// which with "entry" is all the text that the user's table maps, and continue on the
// thread's stack once CR3 is the kernel's. The kernel's pages are not global then.
//
// The user's table has its own PCID, which INVLPG and a load of the kernel's
// CR3 do not reach. Code that drops a translation therefore sets a mark
// (markUserFlush), and the next load of the user's CR3 drops all of its translations.
//
// # FRED
//
// A CPU that shows FRED is believed when the kernel has delivered an event to itself and
// come back by ERETS (fred.go). While a variant with entry=fred is selected, CR4.FRED is
// set and all events arrive by FRED: calls, traps and interrupts of both rings. #DB
// arrives at stack level 1, NMI and #MC at 2 and #DF at 3, whose stacks are those of the
// IDT's entries. Variants alternate in one boot: a thread enters by FRED or by the IDT, as
// Thread.StackTop says, and schedule and the exits change CR4.FRED where two threads
// differ. ERETU refuses a frame that IRETQ would refuse; bad_eretu makes that a SIGSEGV.
//
// # SPEC_CTRL
//
// While a variant with ibrs=entry is selected, IBRS is set in the kernel and clear
// in ring 3. Entries that can come on either side of the write of the MSR, those of the
// vectors with their own stacks, restore the value that they found, as they do for GS
// and CR3 (specctrl.go).
//
// # Time
//
// The clock is the time-stamp counter, at the rate that CPUID or the hypervisor gives,
// or that a comparison with a counter of known rate yields: the PIT, else the HPET, else
// ACPI's timer (clock.go). A guest may be stopped at any instruction for longer than the
// PIT takes to wrap, so no single comparison is trusted, and no loop that waits for a
// device is bounded by time (calibrate.go).
//
// # Signals
//
// Signals are delivered at the exits, with Linux's frame. Unlike on Linux, init is not
// immune although it has PID 1: a signal without a handler does what it would do to any
// process, so that a crash ends the machine and is named. Stop signals do nothing: there
// is no job control.
//
// Pending signals are a mask, and a SigQueue for each real-time signal and for each
// signal that carries a siginfo (sigqueue.go). A signal by kill or tkill that is not
// real-time and comes from the process itself has no SigQueue, because its round trip is
// what is measured.
//
// # Timers
//
// Everything that happens at a set time is a layout.Timer on one list, whose function
// the timer interrupt calls: it wakes a sleeper, sends a signal or notifies a file. The
// interrupt can come wherever IF is 1, so the data that such functions touch (signals,
// the run queue, the waiters of a file) is changed with IF 0. They allocate nothing.
//
// # Time on the CPU
//
// CPU time is charged to threads where the clock is read anyway (cputime.go): no entry,
// exit or switch pays for it until a program asks for the time of one thread.
//
// # Files
//
// The file system is the initramfs, read where the loader has put it. It never changes;
// a call that would change it returns EROFS. An open file is a File, which descriptors
// share; a kind of file is a table of functions (layout.FileOps). Only memfds can be
// written. They live as long as a descriptor or an area that maps them.
//
// # Memory
//
// A page is allocated when it is first touched. More memory can be mapped than there is
// RAM; a process that touches more than there is dies as by SIGKILL (out_of_memory). The
// kernel's own objects for it, such as areas, files and pipes, come from the slab
// allocator or get_kernel_page, which fail with ENOMEM once only layout.ReservePages are
// left.
//
// # Screen
//
// A screen of pixels or of VGA's text shows 80 columns and 25 rows (screen.go): the console,
// or what a program writes to /dev/tty1, and the log. The characters are kept, and only those
// that have changed are drawn, since reading pixels or moving them takes long.
//
// # User memory
//
// User memory is touched only by the routines of uaccess.go, whose faulting
// instructions are in __ex_table; with SMAP they set AC around the access.
package kernel
