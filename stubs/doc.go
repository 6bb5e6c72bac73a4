// Package stubs holds the code by which SYSCALL enters and leaves the kernel: the
// variants whose cost and correctness are compared, and the part of the context
// switch that follows from each.
//
// A [Variant] is a point on a few axes, its [Axes], with a name. An [Axis] is one
// file: its values and what each means, what it excludes, and the part of the listing
// that it decides, which is empty for a value that adds nothing. So a path reads
// straight down from SWAPGS to SYSRETQ. A [Preset] names the point that stands for a
// release or a mail.
//
// # Terms
//
//   - hardware frame: the five words from SS down to IP that an interrupt pushes
//     and IRETQ pops (SDM volume 3, 7.14). SYSCALL pushes nothing: it leaves the
//     user's RIP in RCX, RFLAGS in R11, and RSP where it was (SDM volume 2).
//   - PtRegs: the hardware frame and the general registers below it, at the same
//     place however the kernel was entered.
//   - partial frame: a PtRegs that ends at R11. The callee-saved registers RBX,
//     RBP and R12 to R15 have no room; the handler keeps them, as any function does.
//   - top of the stack: the slots SS, SP, FLAGS, CS and CX, which SYSRET does not
//     need. Linux 3.19 leaves them undefined.
//   - fix-up and restore: FIXUP_TOP_OF_STACK fills those slots for a full-frame
//     call; RESTORE_TOP_OF_STACK copies what such a call may have changed in them
//     to where the exit reads it.
//   - RSPScratch: a per-CPU word (Linux's old_rsp, later rsp_scratch) for the
//     user's RSP while there is no stack yet. With sp=percpu it stays there. With
//     scratch=sp2 a word of the TSS takes its place.
//   - fast path and slow path: a call takes the fast path if it does not need full
//     pt_regs and ends without work to do, and the slow path otherwise. With slow=c
//     the slow path, and with slow=only every call, goes through do_syscall_64, a
//     function of the frame, which is C in Linux. With slow=doreti every call goes
//     through amd64_syscall, which is C in FreeBSD, and doreti ends it if PCB_FULL_IRET
//     asks for that.
//   - trampoline stack: a few words that leave=trampoline takes the user's RDI
//     and RSP through.
//   - the user's page table: with cr3=switch and cr3=pcid, the table that ring 3 runs
//     on. It maps the lower half as the kernel's does. Of the upper half it maps the
//     text groups of entries, a page of constants (mds_verw_sel), the page of the
//     per-CPU area that the TSS begins, the trampoline and interrupt stacks, IDT and GDT.
//
// # The two frames
//
//	        linux-3.19                      heukelum-v2 and linux-4.1
//
//	top    +--------------------+          +--------------------+
//	+160   | ss       undefined |   (c)    | ss       USER_DS   |  \
//	+152   | sp       undefined |   (a)    | sp       RSP       |   |
//	+144   | flags    undefined |   (b)    | flags    R11       |   | hardware frame
//	+136   | cs       undefined |   (c)    | cs       USER_CS   |   |
//	+128   | ip       RCX       |          | ip       RCX       |  /
//	+120   | orig_ax  RAX       |          | orig_ax  RAX       |
//	+112   | di       RDI       |          | di       RDI       |
//	+104   | si       RSI       |          | si       RSI       |
//	 +96   | dx       RDX       |          | dx       RDX       |
//	 +88   | cx       undefined |   (c)    | cx       RCX       |
//	 +80   | ax       -ENOSYS   |          | ax       -ENOSYS   |
//	 +72   | r8       R8        |          | r8       R8        |
//	 +64   | r9       R9        |          | r9       R9        |
//	 +56   | r10      R10       |          | r10      R10       |
//	 +48   | r11      R11       |          | r11      R11       |
//	RSP -> +--------------------+          +--------------------+
//	 +40     bx        no room               bx        no room; linux-4.1:
//	 ...     bp r12 r13 r14                  ...       room, not written
//	  +0     r15                             r15
//
//	       RSPScratch: RSP, until          RSPScratch: RSP, until the
//	       the exit                        sp slot is written
//
// In linux-3.19 the user's flags are in the r11 slot and the user's RSP is in
// RSPScratch. Interrupts are on meanwhile, so the context switch must save
// and restore RSPScratch. The question that this project answers begins here.
//
// # FRED
//
// With entry=fred the CPU itself delivers every event, a call among them: it turns to
// the kernel's GS, takes the thread's stack from an MSR (IA32_FRED_RSP0), and pushes
// eight words, the hardware frame above an error code among them (layout.FREDRegs). So
// the frame lies 16 bytes deeper than with SYSCALL, RCX and R11 are the user's, and
// ERETU takes back what is in the frame: no SWAPGS, no scratch word, no limits on RIP
// and flags. An event of ring 3 arrives at a page's beginning, one of ring 0 256 bytes
// behind it (IA32_FRED_CONFIG); type and vector are in the bits of the ss slot above the
// selector. NMI, #DB and #MC have stack levels of their own, and #DF the highest.
//
// A variant's syscall_init sets the entries; the kernel sets levels and stacks, and
// CR4.FRED where the running thread is one that entered by FRED. The kernel takes a CPU
// to have FRED when it has executed ERETS; that CPUID shows it is not enough.
//
// # The code around a stub
//
// A variant's syscall_init sets the MSRs that lead to it: MSR_STAR, MSR_LSTAR,
// MSR_SYSCALL_MASK, and EFER.SCE. The kernel calls it when the variant is
// selected, with interrupts off. So a wrong selector, or a flag that is not cleared, is
// a fault of the variant like any other.
//
// # What may interrupt a stub
//
// SYSCALL clears IF and TF, and the other flags that the axis sfmask selects. From
// SWAPGS to the load of the kernel's RSP, and again from the load of the user's RSP to
// SYSRETQ, RSP or GS is the user's. Interrupts are off there. The events that can still
// come (NMI, #MC, the #DB that MOV SS holds back, #DF) have their own stacks, and their
// handlers do not infer the GS base from CS. Everything here is in the text group
// "entry": with interrupts on, the timer may switch threads at any instruction of it, as
// in a preemptible Linux.
//
// # Why SYSRET is safe
//
// On Intel, SYSRETQ to a non-canonical RCX raises #GP in ring 0, when RSP is already
// the user's (CVE-2012-0217). RCX comes from the ip slot, which holds
// what SYSCALL left, the address after a SYSCALL instruction: at most
// layout.TaskSizeMax, one page below the end of the canonical half. Code that
// changes an ip slot returns by IRETQ, whose fault the kernel turns into the
// user's: signal delivery, rt_sigreturn and the start of a thread always do, the
// set-frame call unless it changed a slot that SYSRET carries. From 4.0 on the slow
// exit uses SYSRET too; that exit, and an opportunistic one, test the address
// themselves (see IPTest).
//
// # What the kernel provides
//
//   - sys_call_table, SysCallMax+1 addresses of handlers; for full-frame calls it
//     holds the wrappers of the selected variant.
//   - Handlers that the wrappers call: sys_clone, sys_fork, sys_vfork, sys_iopl, sys_execve,
//     sys_execveat, sys_rt_sigreturn, sys_full_frame, sys_set_frame, and sys_poison, which
//     returns to ring 3 directly. All find the PtRegs at the top of the stack.
//   - schedule, called with interrupts off, which returns with them off and
//     TIFNeedResched clear.
//   - schedule_user, which lets another thread run for TIFNeedResched, and
//     do_notify_resume, called with full pt_regs in RDI and the work in EDX, which
//     delivers the signals of TIFSigPending and clears TIFNotifyResume: both may be
//     called with interrupts on or off, and leave them so.
//   - syscall_return_slowpath, called with full pt_regs in RDI, which does the
//     work and returns with interrupts off.
//   - exit_to_user_mode_loop, the same without a tracer's stop, which the variant makes
//     before where Thread.SyscallWork asks for it.
//   - syscall_trace_enter_phase1, called with the frame in RDI while TIFEntryWork is set: it
//     returns 0 if the tracer has gone meanwhile. syscall_trace_enter and
//     syscall_trace_leave, called with full pt_regs in RDI, stop the thread where a call
//     begins and ends; any slot may change, and the first returns the call's number. IF is
//     any, and they leave it so.
//   - retint_user, jumped to with RSP at full pt_regs, which does the work that
//     Thread.Flags asks for. It then returns by IRETQ, or through the selected
//     variant's TrapReturn, on the page table and with the SPEC_CTRL that the
//     variant has ring 3 run on. Traps and new threads go there.
//   - fred_event_user and fred_event_kernel, called with a PtRegs in RDI, which handle
//     an event that is no call. The first has the error code in RSI and does all work
//     that is then pending; both leave interrupts off.
//   - stackleak_erase, called with interrupts off and RSP right below the frame or on the
//     trampoline stack, which overwrites the thread's stack below the frame. While a
//     variant with stackleak=erase is selected, the kernel's own end of traps does so too.
//   - gs.FREDRSP0, the word that IA32_FRED_RSP0 holds. The kernel does not change it at a
//     thread switch: the exit does, where it finds another thread's stack.
//   - The TSS, with the top of the thread's stack in SP0 and the top of the
//     trampoline stack in SP1; while the selected variant isolates the page tables,
//     both hold the latter.
//   - Two page tables for each address space, whose CR3 values differ by
//     layout.PTIUserBits. In any call of a variant that isolates them, the kernel runs
//     on its own table; the entry may find either, as a thread that was in the kernel
//     when the variant was selected leaves by another variant's exit.
//   - gs.UserPCIDFlushMask, whose bit 0 says that translations of the user's PCID
//     have become invalid: the code that next loads it clears the bit and drops them.
//   - The switch: with the next thread's page table loaded, the kernel jumps to the
//     SwitchTo that both threads have, with the old thread in RDI and the next in RSI. It
//     leaves a layout.SwitchFrame on the old thread's stack, its address in Thread.SP, goes
//     on from the next one's, and calls or jumps to __switch_to there, which sets
//     gs.Current and gs.TopOfStack and returns the old thread. Between threads of two
//     variants the kernel's own switch runs. A new thread has TIFFork and a frame whose
//     return address is ret_from_fork.
//   - gs.SpecCtrl, the kernel's value of SPEC_CTRL while a variant with ibrs=entry
//     is selected. The kernel's own entries leave it in the MSR, its own exits the same
//     word without IBRS; a variant calls the kernel with IBRS set.
//   - A call that changes Thread.SwitchTo of its own thread does so with interrupts
//     off and returns so: from there to the exit nothing may switch threads, or
//     RSPScratch would be handled by the wrong rule.
package stubs
