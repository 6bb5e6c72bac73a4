package kernel

import (
	"math/bits"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Flags of clone (Linux include/uapi/linux/sched.h).
const (
	cloneSignal       = 0xff // the signal at the end of a new process
	cloneVM           = 0x100
	cloneFS           = 0x200
	cloneFILES        = 0x400
	cloneSIGHAND      = 0x800
	cloneVFORK        = 0x4000
	cloneTHREAD       = 0x10000
	cloneSYSVSEM      = 0x40000
	cloneSETTLS       = 0x80000
	clonePARENTSETTID = 0x100000
	cloneCHILDCLEAR   = 0x200000
	cloneDETACHED     = 0x400000 // ignored since Linux 2.6
	cloneCHILDSETTID  = 0x1000000

	// cloneRequired are the flags for a thread of this process; any other must have all of
	// them or belong to a new process.
	cloneRequired = cloneVM | cloneFS | cloneFILES | cloneSIGHAND | cloneTHREAD
	cloneOptional = cloneSYSVSEM | cloneSETTLS | clonePARENTSETTID | cloneCHILDCLEAR | cloneDETACHED | cloneCHILDSETTID
	cloneAllowed  = cloneRequired | cloneOptional
	// cloneProcess are the flags that a new process may have.
	cloneProcess = cloneSignal | cloneVM | cloneVFORK | cloneOptional
)

// Codes of arch_prctl (Linux arch/x86/include/uapi/asm/prctl.h).
const (
	archSetGS = 0x1001
	archSetFS = 0x1002
	archGetFS = 0x1003
	archGetGS = 0x1004
)

const ssDisable = 2 // SS_DISABLE: there is no alternative signal stack

// userLimit compares r with the end of user addresses. Clobbers tmp.
func userLimit(r, tmp Reg) Block {
	return Block{MOVQ(uint64(layout.TaskSizeMax), tmp), CMPQ(r, tmp)}
}

func current(r Reg) Block {
	return Block{MOVQ(gs.Current, r)}
}

// threads makes and ends threads, and has the calls about the calling thread.
func threads() Program {
	return Program{
		Funcs: Funcs(
			threadAlloc, threadJoin, wakeUpNew, reapThreads, findThread, sysSchedYield, sysGetppid, sysGetpid, sysGettid, sysSetTidAddress, sysArchPrctl, sysIopl,
			sysSchedGetaffinity, sysSchedSetaffinity,
		),
		Data: []Data{
			threadHash,
		},
	}
}

// threadHash finds living threads by their TID.
var threadHash = BSS("thread_hash", layout.ThreadBuckets*8, 64)

// threadAll, threadPeer and threadHashed give the links of the thread that r points to: among
// all threads, those of its process, and those of one bucket of threadHash.
func threadAll(r Reg) *layout.HListNode[Mem]    { return &thread(r).All }
func threadPeer(r Reg) *layout.HListNode[Mem]   { return &thread(r).Peer }
func threadHashed(r Reg) *layout.HListNode[Mem] { return &thread(r).Hash }

// threadHashAdd makes thread t one that is found by its TID. Clobbers tmp and tmp2.
func threadHashAdd(t, tmp, tmp2 Reg) Block {
	return Block{
		MOVQ(thread(t).TID, tmp),
		bucket(threadHash, layout.ThreadBuckets, tmp, tmp, tmp2),
		hlistAdd(t, threadHashed, tmp2, tmp),
	}
}

func threadAlloc() Func {
	threadPtr := RBX
	t := thread(threadPtr)
	words := SizeOf[layout.Thread[Mem]]() / 8
	return FUNC("thread_alloc",
		`thread_alloc returns a new thread in RAX, or 0 if there is no memory. It has a
TID, an FX image as after reset, and will begin at ret_from_fork with a PtRegs at its
stack's top, which the caller fills. It can run once it belongs to a process
(thread_join or process_make), after wake_up_new.`,
		CALL(reapThreads),
		CALL(allocThreadStack),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, threadPtr),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(words, RCX),
		REP(STOSQ()),
		LEAQ(threadPtr.At(layout.ThreadSize), RAX),
		SUBQ(gs.StackPad, RAX),
		MOVQ(RAX, t.StackTop),
		SUBQ(regsSize+SizeOf[layout.SwitchFrame[Mem]](), RAX),
		MOVQ(RAX, t.SP),
		LEAQ(Sym(retFromFork), RCX),
		MOVQ(RCX, Fields[layout.SwitchFrame[Mem]](RAX).Return),
		MOVL(layout.TIFFork, t.Flags),
		LEAQ(Sym(sleepTimeout), RAX),
		MOVQ(RAX, t.Sleep.Func),
		MOVQ(gs.SwitchTo, RAX),
		MOVQ(RAX, t.SwitchTo),
		MOVQ(ssDisable, t.AltFlags),
		MOVL(0x37f, t.FX[0]),
		MOVL(0x1f80, t.FX[3]),
		INCQ(sched.LastTID),
		MOVQ(sched.LastTID, RAX),
		MOVQ(RAX, t.TID),
		MOVQ(RAX, t.StackCanary),
		MOVQ(threadPtr, RAX),
		RETURN(),
	).Saving(RBX).Takes().Returns(RAX)
}

func threadJoin() Func {
	t := thread(RDI)
	self := thread(RAX)
	return FUNC("thread_join", "thread_join makes thread RDI, which thread_alloc made, one of the current thread's process, in its address space. Clobbers RAX.",
		current(RAX),
		MOVQ(self.MM, RAX),
		MOVQ(RAX, t.MM),
		INCQ(mm(RAX).Users),
		MOVQ(memory.Space, RAX),
		INCQ(space(RAX).Threads),
		MOVQ(gs.Process, RAX),
		MOVQ(RAX, t.Process),
		INCQ(process(RAX).Threads),
		RETURN(),
	).Takes(RDI).Keeps(RDI, RSI, RDX, RCX)
}

func wakeUpNew() Func {
	return FUNC("wake_up_new", "wake_up_new makes the thread RDI, which thread_alloc made, runnable, and puts it on the lists of threads. Turns interrupts off.",
		CLI(),
		LEAQ(sched.All, RCX),
		hlistAdd(RDI, threadAll, RCX, RAX),
		MOVQ(thread(RDI).Process, RCX),
		LEAQ(process(RCX).ThreadList, RCX),
		hlistAdd(RDI, threadPeer, RCX, RAX),
		threadHashAdd(RDI, RAX, RCX),
		INCQ(sched.Threads),
		MOVQ(layout.ThreadBlocked, thread(RDI).State),
		XORL(RSI, RSI),
		JMP(wakeUp),
	).Takes(RDI)
}

func reapThreads() Func {
	mmPtr := RBX
	return FUNC("reap_threads", "reap_threads frees the stacks of dead threads, and the address spaces in which only they ran.",
		LOOP(
			MOVQ(sched.Dead, RDI),
			TESTQ(RDI, RDI),
			BREAK(E),
			MOVQ(thread(RDI).Next, RAX),
			MOVQ(RAX, sched.Dead),
			MOVQ(thread(RDI).MM, mmPtr),
			CALL(freeThreadStack),
			MOVQ(mmPtr, RDI),
			CALL(mmPut),
		),
		RETURN(),
	).Saving(RBX).Takes()
}

// eachThread runs the items for every thread, with its address in th, which the items
// keep. BREAK leaves with th there; else th is 0 afterwards.
func eachThread(th Reg, items ...Item) Block {
	return Block{
		MOVQ(sched.All, th),
		LOOP(
			TESTQ(th, th),
			BREAK(E),
			Block(items),
			MOVQ(thread(th).All.Next, th),
		),
	}
}

// eachPeer runs the items for every thread of the process p, as eachThread does.
func eachPeer(p, th Reg, items ...Item) Block {
	return Block{
		MOVQ(process(p).ThreadList, th),
		LOOP(
			TESTQ(th, th),
			BREAK(E),
			Block(items),
			MOVQ(thread(th).Peer.Next, th),
		),
	}
}

func findThread() Func {
	t := thread(RAX)
	return FUNC("find_thread", "find_thread returns the thread with TID EDI that has not ended, or 0.",
		MOVL(RDI, RDI),
		bucket(threadHash, layout.ThreadBuckets, RDI, R9, RAX),
		MOVQ(RAX.At(0), RAX),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(RDI, t.TID),
			BREAK(E),
			MOVQ(t.Hash.Next, RAX),
		),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDI).Keeps(RSI, RDX, RCX, R8)
}

func sysSchedYield() Func {
	return FUNC("sys_sched_yield", "sys_sched_yield lets the other runnable threads run first.",
		CLI(),
		CALL(schedule),
		XORL(RAX, RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func sysGetppid() Func {
	return FUNC("sys_getppid", "sys_getppid is the null call: it returns the parent's PID, 0 for init.",
		MOVQ(gs.ParentPID, RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func sysGetpid() Func {
	return FUNC("sys_getpid", "sys_getpid returns the process's PID.",
		MOVQ(gs.PID, RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func sysGettid() Func {
	self := thread(RAX)
	return FUNC("sys_gettid", "sys_gettid returns the thread's TID; a process's first thread has its PID.",
		current(RAX),
		MOVQ(self.TID, RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func sysSetTidAddress() Func {
	self := thread(RAX)
	return FUNC("sys_set_tid_address", "sys_set_tid_address(address RDI) sets the word to clear and wake at exit and returns the TID.",
		current(RAX),
		MOVQ(RDI, self.ClearTID),
		MOVQ(self.TID, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func sysIopl() Func {
	frame, level := RAX, RDI
	return FUNC("sys_iopl",
		`sys_iopl(level EDI) lets ring 3 use ports, CLI and STI from level 3 on: it changes the
flags slot of the frame, as Linux did up to 5.4. Every user here is root, so a level is
never refused for being higher than the one before. With FRED all but 0 are (-EPERM), as
ERETU takes no frame with IOPL (Flexible Return and Event Delivery, ERETU).`,
		CMPL(level, 3),
		IF(A, fail(EINVAL)),
		TESTL(layout.FREDPad, gs.TopOfStack),
		IF(NE,
			TESTL(level, level),
			IF(NE, fail(EPERM)),
		),
		SHLL(bits.TrailingZeros(x86.X86_EFLAGS_IOPL), level),
		MOVQ(gs.TopOfStack, frame),
		SUBQ(regsSize, frame),
		ANDQ(^x86.X86_EFLAGS_IOPL, ptRegs(frame).Flags),
		ORQ(level, ptRegs(frame).Flags),
		returns(0),
	).Takes(RDI).Returns(RAX)
}

func sysArchPrctl() Func {
	threadPtr := RBX
	t := thread(threadPtr)
	return FUNC("sys_arch_prctl", "sys_arch_prctl(code EDI, address RSI) sets or gets the FS and GS base.",
		current(threadPtr),
		CMPL(RDI, archSetFS),
		IF(E,
			userLimit(RSI, RAX),
			IF(AE, fail(EPERM)),
			MOVQ(RSI, t.FSBase),
			MOVQ(RSI, RAX),
			setBase(x86.MSR_FS_BASE),
			returns(0),
		),
		CMPL(RDI, archSetGS),
		IF(E,
			userLimit(RSI, RAX),
			IF(AE, fail(EPERM)),
			MOVQ(RSI, t.GSBase),
			MOVQ(RSI, RAX),
			setBase(x86.MSR_KERNEL_GS_BASE),
			returns(0),
		),
		XCHGQ(RDI, RSI),
		CMPL(RSI, archGetFS),
		IF(E,
			MOVQ(t.FSBase, RSI),
			JMP("put"),
		),
		CMPL(RSI, archGetGS),
		IF(NE, fail(EINVAL)),
		MOVQ(t.GSBase, RSI),
		LABEL("put"),
		CALL(putUserLong),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func sysSchedGetaffinity() Func {
	mask := RBX
	return FUNC("sys_sched_getaffinity", "sys_sched_getaffinity(tid EDI, size RSI, mask RDX) fills 8 bytes with CPU 0 and returns 8.",
		MOVQ(RSI, RCX),
		MOVQ(RDX, mask),
		CMPL(RCX, 8),
		IF(B, fail(EINVAL)),
		TESTL(7, RCX),
		IF(NE, fail(EINVAL)),
		CALL(findTask),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)),
		MOVQ(mask, RDI),
		MOVL(1, RSI),
		CALL(putUserLong),
		TESTQ(RAX, RAX),
		IF(E, MOVL(8, RAX)),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysSchedSetaffinity() Func {
	tid, mask := RBX, R12
	return FUNC("sys_sched_setaffinity", "sys_sched_setaffinity(tid EDI, size RSI, mask RDX) accepts every mask with CPU 0 in it.",
		MOVL(RDI, tid),
		MOVQ(RDX, RDI),
		XORL(mask, mask),
		CMPL(RSI, 8), // only the first 64 CPUs of the mask are examined
		IF(AE,
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			IF(NE, fail(EFAULT)),
			MOVQ(RAX, mask),
		).ELSE(
			MOVL(RSI, RDX),
			MOVQ(RDI, RSI),
			PUSHQ(0),
			MOVQ(RSP, RDI),
			CALL(copyFromUser),
			POPQ(mask),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVL(tid, RDI),
		CALL(findTask),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)),
		TESTL(1, mask),
		IF(E, fail(EINVAL)),
		returns(0),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}
