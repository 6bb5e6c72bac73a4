// Package prove decides whether a variant's SYSCALL entry and exit are right:
// it runs the variant's machine code symbolically, on every path and for all
// inputs at once, and compares what the handler, the next thread and ring 3 find
// with what they must find. It takes the linked bytes of a variant and boots nothing.
//
// [Variant] proves a variant by itself, [Object] one within a linked kernel. A
// [Proof] is a list of claims, each at an instruction and each Proved, Refuted
// or Undecided. A refuted one tells the path to the instruction, the two values
// that differ, the instructions that brought the wrong one there, and a witness:
// an input that takes the path and fails the claim. A claim that fails without a
// witness is undecided. What the proof cannot follow is undecided too, and never
// proved: an instruction that it does not know, a jump or an access to an unknown
// place, or a loop whose end it does not find. A loop that never ends is refuted: one
// without an exit, and one that comes again to the same state with no test of an unknown
// on the way.
//
// # The machine
//
// The code is decoded from its bytes by a decoder of its own, which knows the
// integer instructions, the system instructions of entry paths, of SSE the
// moves, XORPS and the like, LDMXCSR and STMXCSR, and FXSAVE, FXRSTOR, FNINIT, EMMS, FLDCW
// and FNSTCW. It refuses everything else. A word of
// the machine is a value: a constant, a symbol plus a constant, or one of a few
// operations on such values. A branch that the facts of the path leave open is followed
// both ways, and each way adds a fact.
//
// A call begins with every register, RIP and RFLAGS the user's own, in the state
// that SYSCALL leaves (SDM volume 2): RIP in RCX, at most layout.TaskSizeMax, RFLAGS
// in R11, and IF, DF, AC, NT and TF clear. RFLAGS has no RF here: SYSRETQ clears it.
// The bases of FS and GS, the selectors, the XMM registers and MXCSR are the
// user's own as well.
//
// Memory is the frame and the words below it on the kernel stack, the per-CPU
// scratch words (RSPScratch and TSS.SP2), the trampoline stack, and Thread.Status, of
// which only TS_COMPAT may be cleared; Thread.Flags, constants and the variant's code can
// only be read. In the context switch it is the old thread's stack and its SP, IP and
// UserSP, and the free part of the next thread's stack; the next thread's SP and IP can
// only be read. An access to any other place, or by a pointer from ring 3, is refuted or
// undecided. The top of the stack is a multiple of layout.ThreadSize.
//
// With cr3=switch and cr3=pcid CR3 is a value too, and a call begins with either of
// the two of its address space; after a function of the kernel the address space
// may be another. While the kernel's page table is not known to be in force, memory
// is what the user's maps: the TSS's page, the trampoline stack, and the page of
// constants that begins with mds_verw_sel.
//
// While interrupts may be on, one may come after each instruction: the words
// below RSP are lost, Thread.Flags has a new value, and another thread may run
// and write the scratch words and the trampoline stack. In a function of the kernel all
// this can happen with interrupts off too, since the function may block. A scratch word
// survives, and may be read again, only if the proof of the variant's switch shows that
// it does.
//
// With entry=fred the machine begins as FRED delivers an event: eight words are on the
// stack, GS is the kernel's, and all other registers are the user's. It begins three
// times more: with any event of ring 3 whose type is not a call's, with one of that type
// that is not SYSCALL of 64-bit code, and with any event of ring 0, whose registers are
// then the kernel's. FRED_RSP0 is a value, which another thread may change.
//
// With intgs=cs and paranoid=rdgsbase the entries of interrupts and exceptions are the
// variant's too, up to the kernel's part of them. The machine begins where the vector's own
// code jumps to them: from ring 3, by each CS that code runs with there, with the user's GS;
// from ring 0 with the kernel's, or, in paranoid_entry, with either. The fault of an IRETQ to
// ring 3, which error_from_kernel looks for, is the kernel's own. The entries that the kernel
// has for all other variants are proved like these, once, by [Heads].
//
// # What is proved
//
//   - Of each instruction: it touches only what is the variant's; a scratch word
//     is read only while it is this thread's; interrupts are off while RSP or GS is
//     the user's, and throughout the switch; POPFQ does not set TF.
//
//   - At the call through sys_call_table: the number is RAX, with slow=only EAX, in
//     the table; each slot in Defined holds what it should, and no slot in Room but
//     not in Defined was written; the arguments are in their registers, R10's in RCX;
//     RSP is at the frame; GS is the kernel's; DF, AC, NT and TF are clear; interrupts
//     are as promised; TIFEntryWork was tested, or a tracer has had the frame: then all of
//     it, the number and the arguments are what that has left there.
//
//   - At the call of a handler that needs full pt_regs, or through the table
//     from a function that has it: the same, and every slot holds what it should, CX
//     by FullCX; the handler is the one that belongs to the entry of the table.
//
//   - At SYSRETQ and IRETQ: every register, RSP, RIP, RFLAGS, CS and SS is what
//     ring 3 had, or what a handler put in its place; RAX is the result; RCX and
//     R11 are what SYSRETQ makes them; GS is the user's; interrupts are off; no
//     work is pending; RCX is canonical at SYSRETQ, and RF and TF are clear if a
//     handler may have set them. As each register has a value that it must have,
//     none can hold a word of the kernel. NT is clear at IRETQ.
//
//   - At the call of do_notify_resume or syscall_return_slowpath, and at the jump to
//     retint_user, which returns by IRETQ: the frame is a full PtRegs and each of its
//     slots is right. At these, and at IRETQ in a variant that also has SYSRETQ: a fact
//     of the path requires it. That a slow exit which ends by SYSRETQ is taken only when
//     required is not proved: ring 3 sees no difference. At the call of schedule_user:
//     TIFNeedResched was set.
//
//   - At the call of syscall_trace_enter and syscall_trace_leave: the frame is a full
//     PtRegs, each of its slots is right, and work was asked for. A tracer that was told of a
//     call's begin is told of its end, unless it has gone when the variant looks, and
//     with dispatch=tree everybody that Thread.SyscallWork stands for; and it is told
//     once.
//
//   - At every function of the kernel, at the end of the switch and at SYSRETQ and
//     IRETQ: the bases of FS and of the user's GS, the selectors, MXCSR, the XMM
//     registers and the x87 unit are the user's, or what a handler put in their place. The
//     exception are the XMM registers and the x87 unit at an ordinary handler, which does not use them.
//
//   - At error_from_user, error_from_kernel and paranoid_body: GS is the kernel's, and
//     MSR_KERNEL_GS_BASE what belongs to it; each slot of the frame is what the interrupted
//     code had; the vector is in RSI; DF is clear. At the IRETQ behind paranoid_body, which
//     keeps RBX, RBP, R13 and R15 alone, every register, GS and the frame are as they were.
//
//   - Of the switch: the callee-saved registers, RSP, the return address and,
//     if the variant keeps it there, the user's RSP come back from whatever another
//     variant's switch did on the other side; the next thread is entered at its IP
//     with its SP and itself in RSI.
//
//   - What the value of an axis promises in addition (stubs.Promises):
//
//     exit=iret: only IRETQ returns, unless there is a slow path of another kind.
//
//     clear=xor: at the first call, and at the handler, each register that is not an
//     argument is 0, or an address on the thread's stack, so that no word of the user's or
//     of an earlier call is left.
//
//     buffers=verw: there is a VERW with an operand in memory, and no load or store
//     after it.
//
//     stackleak=erase: stackleak_erase was called, and after it nothing was written on the
//     thread's stack below the frame. At a function of the kernel no run of words above RSP
//     is as the call found it, where the search for what was used would end; that the
//     kernel's own functions leave no such run is taken for granted.
//
//     branch=retpoline: there is no JMP or CALL through a register or memory. Where a
//     RET goes elsewhere than the CPU's return stack predicts, the prediction leads to a
//     loop of LFENCE.
//
//     ibrs=entry: SPEC_CTRL is PerCPU.SpecCtrl at every function of the kernel, at
//     every indirect branch and RET, and while interrupts are on; at SYSRETQ and IRETQ
//     it is that word without IBRS. It is never anything else, and no other variant
//     touches it.
//
//     sfmask and star: syscall_init, which is run before all paths, leaves in
//     MSR_SYSCALL_MASK and MSR_STAR what the axes say.
//
//     canary=switch: after the switch the CPU's canary is that of the thread that runs.
//     No other variant touches that word.
//
//     cet=user: the thread that leaves takes ring 3's SSP along and leaves IA32_U_CET 0; that
//     which continues has its own SSP and IA32_U_CET. No other variant touches these.
//
//     rsb=filled: before the switch's first RET, ReturnStack CALLs have filled the
//     return stack, an LFENCE has followed them, and each of their return addresses
//     leads to a breakpoint.
//
//     bhb=loop-short and bhb=loop-long: before any function of the kernel and any indirect
//     branch, as many branches were taken as Linux's loop takes, and an LFENCE has followed.
//     bhb=dis-s: syscall_init sets SPEC_CTRL.BHI_DIS_S, unless ibrs=entry writes it.
//
//     untrain=retbleed and untrain=srso: before any function of the kernel and any RET, an
//     instruction has been executed that has the byte of the thunk's RET in its middle, and
//     an LFENCE has followed. The kernel's own entries do not do that. untrain=ibpb: by then IBPB has
//     been written to PRED_CMD. Of untrain=srso-alias nothing more is proved than of
//     untrain=none.
//
//     returns: every RET of the call, and that of the switch, is in the thunk; where the
//     CPU predicts it to go is its address or a stop. returns=its: every RET and every
//     indirect branch of the call ends in the upper half of a cache line.
//     returns=calldepth: the call depth is set before all this; each CALL of a function of
//     the variant or of the kernel is counted by the first instruction where it goes, and no
//     RET is executed with a depth of 0, or without having been counted down.
//
//     leave=trampoline, landing=endbr: the exit goes by the trampoline stack; the entry
//     begins with ENDBR64.
//
//     cr3=switch and cr3=pcid: CR3 is loaded with nothing but the two tables of this
//     address space. The kernel's is in force at every function of the kernel and while
//     interrupts are on, the user's at SYSRETQ and IRETQ.
//
//     cr3=pcid: a load keeps the translations, unless the kernel has marked them as
//     invalid; then it drops them and clears the mark. With cr3=switch the bit that
//     keeps them is clear. With cr3=keep CR3 is never loaded.
//
//     entry=fred: syscall_init sets FRED_CONFIG to the entry and a red zone, and the entry
//     begins a page. At ERETU and ERETS each register and each word of the hardware frame
//     is what the event found or a handler put there, RCX and R11 included; GS is the
//     kernel's, interrupts are off, and RSP is where the CPU left it. ERETU is for events
//     of ring 3; FRED_RSP0 is then this thread's stack, and PerCPU.FREDRSP0 what the MSR
//     holds. Each event reaches the function of its ring once, and only a call a handler.
//
// # What is assumed
//
// The functions of the kernel keep the contracts of package stubs (contract.go
// has them as the proof uses them): a handler keeps the callee-saved registers,
// turns no interrupts on, and edits the frame only where it is given a whole one.
// fred_event_user may edit all slots and leaves no work, fred_event_kernel those of RIP
// and flags.
// sys_clone, sys_fork, sys_vfork and sys_full_frame may edit the slots SP and Flags, sys_iopl,
// which needs no other slot than that, Flags,
// sys_execve, sys_execveat, sys_rt_sigreturn, do_notify_resume and
// syscall_return_slowpath all, and with them the XMM registers and MXCSR, sys_set_frame
// the one in RDI, or any where all exits behind it look at the frame. Any handler may set the bases of the user's
// FS and GS. syscall_trace_enter and syscall_trace_leave may edit all slots, and
// syscall_trace_enter returns what is then in orig_ax; with flags=r11 R11 is not followed, which
// becomes the flags. A flags slot that
// is edited and then returned by a SYSRETQ without conditions is proved to arrive,
// but a TF in it traps one instruction early (see package stubs, opportunistic
// exit). schedule_user, do_notify_resume, syscall_return_slowpath and the tracer's functions take interrupts
// as they are. Loads and stores do not fault, the CPU has the instructions, and
// the registers that no known instruction changes (the YMM registers above the
// XMM registers, debug registers) stay as they are. The kernel's functions leave the x87
// unit as it is.
//
// PerCPU.SpecCtrl has IBRS set and no bit from 32 on, which are reserved, and stays
// as it is during a call. Of the other MSRs a path may read only the bases of
// segments, and write none: a WRMSR to any other is undecided.
//
// During a call, no variant is selected that keeps the user's RSP in another word: a
// thread switch in the middle of the call would follow the new variant's rule.
//
// PerCPU.IBPBExit is 0, as no guest runs. PerCPU.CallDepth comes back from another thread
// as it was or as that of a full return stack, and the kernel's functions return by the
// variant's thunk, which leaves it above 0.
// PerCPU.PreemptCount is 0, but for its highest bit, when a call begins; while it is not, an
// interrupt lets no other thread run. Thread.TaskFlags and Thread.UnwindMask are 0.
//
// # Paths that meet
//
// A path ends where a state like its own has been before: where functions of the kernel
// return (seen.go), and where the tests of a frame lead to one exit (meet.go). There the
// proof forgets what the tests have shown, and so proves more than it must; if that fails,
// it begins again and forgets nothing, and only then a claim has failed.
//
// # The second opinion
//
// [ProveObligations] writes a proof as a script for an SMT solver: what must be shown
// at each place of each path, in bit-vectors. For this, a second model of the
// instructions (smt_inst.go) runs each path again in the solver's terms. It finds anew
// what registers, flags and memory hold, whether a branch that the proof follows in one
// direction only can go the other way, and whether an address is where the proof takes
// it to be. It uses nothing of the proof's simplifier, facts and regions, so that a
// wrong rule in them shows.
//
// Both models share the decoder; the contracts of the kernel's functions and the state
// at the start of a path; which claims are made where, and about which words; which
// word of memory an address is in; and the rule that a path ends where it reaches a
// known state. Claims that are not about the machine's words, such as that a call has
// one handler, are not put to the solver, only counted.
//
// # On machines
//
// [Trials] are the paths of a proof as something to run: on a [Machine] each path gets
// a random word for each unknown, and the machine is compared with the proof at every
// stop. The witness of a refuted claim is run in the same way (see measure/confirm).
//
// # How the proof itself is tested
//
// Each instruction of each preset is changed in every way that its encoding allows,
// swapped with the next, and run twice (mutate_test.go); each mutant that is still
// proved is reviewed (survivors_test.go). The decoder is compared with GNU as, llvm-mc and Zydis, the
// meaning of each instruction with the CPU that runs the test (cpu_test.go), and the
// facts with random inputs. Every claim has a variant that fails it. A solver agrees
// with the proofs of presets, broken variants and mutants, and finds a planted wrong
// rule (smt_test.go).
package prove
