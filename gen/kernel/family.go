package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// process gives the fields of the Process that r points to.
func process(r Reg) *layout.Process[Mem] { return Fields[layout.Process[Mem]](r) }

// families returns the part that knows the processes: who they are, and which one is
// loaded.
func families() Program {
	return Program{
		Funcs: Funcs(
			processInit, processLoad, findProcess, findOwner, findMember, findTask,
		),
		Data: []Data{
			initProcess, processHash,
		},
	}
}

// processHash finds processes by their PID.
var processHash = BSS("process_hash", layout.ProcessBuckets*8, 64)

var initProcess = BSS("init_process", layout.PageSize, layout.PageSize)

// actionsBase puts in dst where the action of signal 0 of the Process p would be.
func actionsBase(p, dst Reg) Ins {
	return LEAQ(process(p).Actions[0].Handler.Add(-actionSize), dst)
}

func processInit() Func {
	p := process(RDX)
	limits := layout.NumRLimits * 2
	return FUNC("process_init", "process_init makes the process of init, which the idle thread belongs to as well.",
		LEAQ(Sym(initProcess), RDX),
		MOVQ(initPID, p.PID),
		MOVQ(initPID, p.Group),
		MOVQ(initPID, p.Session),
		processLists(RDX, RAX, RCX),
		LEAQ(Sym(initFiles), RAX),
		MOVQ(RAX, p.Files),
		LEAQ(Sym(cwdRoot), RAX),
		MOVQ(RAX, p.Cwd),
		MOVQ(0o22, p.Umask),
		MOVQ(1, p.Dumpable),
		LEAQ(Sym(rlimits()), RSI),
		LEAQ(p.RLimits[0][0], RDI),
		MOVL(limits, RCX),
		REP(MOVSQ()),
		actionsBase(RDX, RAX),
		MOVQ(RAX, p.ActionsBase),
		MOVQ(gs.Current, RAX),
		MOVQ(RDX, thread(RAX).Process),
		CALL(itimersInit),
		LEAQ(Sym(initSpace), RAX),
		MOVQ(gs.Current, RSI),
		JMP(processLoad),
	).Takes()
}

// siblings, processAll and processHashed give the links of the process that r points to:
// among its parent's children, all processes, and those of one bucket of processHash.
func siblings(r Reg) *layout.HListNode[Mem]      { return &process(r).Sibling }
func processAll(r Reg) *layout.HListNode[Mem]    { return &process(r).All }
func processHashed(r Reg) *layout.HListNode[Mem] { return &process(r).Hash }

// processLists puts the process p on the list of all processes and on that of its PID.
// Clobbers tmp and tmp2.
func processLists(p, tmp, tmp2 Reg) Block {
	return Block{
		LEAQ(sched.Processes, tmp2),
		hlistAdd(p, processAll, tmp2, tmp),
		MOVQ(process(p).PID, tmp),
		bucket(processHash, layout.ProcessBuckets, tmp, tmp, tmp2),
		hlistAdd(p, processHashed, tmp2, tmp),
	}
}

func processLoad() Func {
	p := process(R8)
	return FUNC("process_load",
		`process_load makes the process of thread RSI the loaded one: its Space, and what
PerCPU repeats of it. Keeps RDI, RSI. IF is 0.`,
		MOVQ(thread(RSI).Process, R8),
		MOVQ(R8, gs.Process),
		MOVQ(p.PID, RAX),
		MOVQ(RAX, gs.PID),
		XORL(RAX, RAX),
		MOVQ(p.Parent, RCX),
		TESTQ(RCX, RCX),
		IF(NE, MOVQ(process(RCX).PID, RAX)),
		MOVQ(RAX, gs.ParentPID),
		MOVQ(p.Files, RAX),
		MOVQ(RAX, gs.Files),
		MOVQ(p.ActionsBase, RAX),
		MOVQ(RAX, gs.SigActions),
		MOVQ(thread(RSI).MM, RAX),
		MOVQ(mm(RAX).Space, RAX),
		CMPQ(RAX, memory.Space),
		IF(NE, JMP(spaceLoad)),
		RETURN(),
	).Takes(RSI).Keeps(RDI, RSI)
}

func findProcess() Func {
	return FUNC("find_process", "find_process returns the process with PID EDI, which may be a zombie, or 0.",
		MOVL(RDI, RDI),
		bucket(processHash, layout.ProcessBuckets, RDI, R9, RAX),
		MOVQ(RAX.At(0), RAX),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(RDI, process(RAX).PID),
			BREAK(E),
			MOVQ(process(RAX).Hash.Next, RAX),
		),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDI).Keeps(RSI, RDX, RCX, R8)
}

func findOwner() Func {
	return FUNC("find_owner",
		`find_owner returns the process with PID EDI, which may be a zombie, or the process of
the thread with that TID, or 0.`,
		CALL(findProcess),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		CALL(findThread),
		TESTQ(RAX, RAX),
		IF(NE, MOVQ(thread(RAX).Process, RAX)),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RSI, RDX, RCX, R8)
}

func findMember() Func {
	return FUNC("find_member",
		`find_member returns in RAX the thread with TID ESI and in RDX its process, which has
PID EDI unless that is 0. Of a process's first thread that has ended there is only the
process: RAX is 0. Both are 0 if there is no such thread.`,
		MOVL(RDI, RDX),
		MOVL(RSI, RDI),
		CALL(findThread),
		TESTQ(RAX, RAX),
		IF(NE, MOVQ(thread(RAX).Process, RDI)).ELSE(
			CALL(findProcess),
			MOVQ(RAX, RDI),
			XORL(RAX, RAX),
			TESTQ(RDI, RDI),
			JE("none"),
		),
		TESTL(RDX, RDX),
		IF(NE,
			CMPL(RDX, process(RDI).PID),
			JNE("none"),
		),
		MOVQ(RDI, RDX),
		RETURN(),
		LABEL("none"),
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX, RDX).Keeps(RSI)
}

func findTask() Func {
	return FUNC("find_task",
		`find_task returns the thread with TID EDI, the current one for 0, or 0. A process's
first thread is found by its TID even after its end: another thread then takes its
place. Keeps RDI.`,
		TESTL(RDI, RDI),
		IF(E,
			MOVQ(gs.Current, RAX),
			RETURN(),
		),
		CALL(findThread),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		PUSHQ(RDX),
		CALL(findProcess),
		MOVQ(RAX, RDX),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(process(RAX).ThreadList, RAX), // 0: a zombie
		),
		POPQ(RDX),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDI).Keeps(RSI, RDX, RCX, R8)
}
