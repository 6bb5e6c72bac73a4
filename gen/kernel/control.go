package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// variant gives the fields of the VariantDesc that r points to.
func variant(r Reg) *layout.VariantDesc[Mem] { return Fields[layout.VariantDesc[Mem]](r) }

// flushLines flushes the cache lines of the size bytes at r, which begins a line.
// Clobbers r, RDX.
func flushLines(r Reg, size int) Block {
	return Block{
		LEAQ(r.At(size), RDX),
		DO(
			CLFLUSH(r.At(0)),
			ADDQ(cacheLine, r),
			CMPQ(r, RDX),
		).WHILE(B),
	}
}

// cacheLine is how many bytes CLFLUSH flushes on every CPU so far.
const cacheLine = 64

// findVariant makes descPtr the address of variant RDI, or leaves.
func findVariant(descPtr Reg) Block {
	size := SizeOf[layout.VariantDesc[Mem]]()
	return Block{
		CMPQ(RDI, Sym(variantsCount)),
		IF(AE, fail(EINVAL)),
		IMULQ(size, RDI),
		MOVQ(Sym(variantsHere), descPtr),
		ADDQ(RDI, descPtr),
	}
}

// readMSR stores an MSR. Clobbers RAX, RCX and RDX.
func readMSR(msr uint32, to Mem) Block {
	return Block{
		MOVL(msr, RCX),
		RDMSR(),
		SHLQ(32, RDX),
		ORQ(RDX, RAX),
		MOVQ(RAX, to),
	}
}

func copyField(from, to Mem) Block {
	return Block{MOVQ(from, RAX), MOVQ(RAX, to)}
}

func addressOf(place Data, to Mem) Block {
	return Block{LEAQ(Sym(place), RAX), MOVQ(RAX, to)}
}

// control returns the control interface of layout/control.go: the calls that tests and
// measurements make.
func control() Program {
	return Program{
		Funcs: Funcs(
			variantsInit, variantUnknown, setVariant, controlInit, sysVariantSelect, sysVariantInfo,
			controlInterrupt, sysFrame, sysFullFrame, sysSetFrame, sysPoison, sysSpin, sysFlush,
			sysStats, sysFlags,
		),
		Data: []Data{
			variantsHere, variantName(), variantAsked, controlOn, statsBuf, poisonFrame,
		},
	}
}

var controlOn = BSS("control_on", 8, 8)

var statsBuf = BSS("stats_buf", SizeOf[layout.Stats[Mem]](), 64)

var poisonFrame = BSS("poison_frame", regsSize, 64)

func controlInit() Func {
	return FUNC("control_init",
		`control_init puts the control calls in sys_call_table, if the command line asks
for them. Otherwise they do not exist.`,
		CMPQ(Sym(controlOn), 0),
		IF(E, RETURN()),
		LEAQ(Sym(controlCalls), RSI),
		LEAQ(Sym(sysCallTable).Add(8*layout.SysSelect), RDI),
		MOVL(layout.SysCallMax+1-layout.SysSelect, RCX),
		CLD(),
		REP(MOVSQ()),
		RETURN(),
	).Takes()
}

func sysVariantSelect() Func {
	descPtr := RBX
	desc := variant(descPtr)
	// wrappers puts the variant's wrappers into the table: those for control
	// calls, or those for Linux's.
	wrappers := func(control bool) (b Block) {
		for i, c := range layout.FullFrameCalls {
			if isControl(c.Nr) == control {
				b = append(b, copyField(desc.Wrappers[i], Sym(sysCallTable).Add(8*c.Nr)))
			}
		}
		return b
	}
	return FUNC("sys_variant_select",
		`sys_variant_select(index) is layout.SysSelect. It returns with interrupts off and
with TIFNeedResched clear: until the exit nothing may switch threads, or
what the old variant keeps in RSPScratch would be handled by the new one's rule.`,
		MOVQ(RDI, R8),
		findVariant(descPtr),
		lacks(desc),
		IF(NE, fail(ENODEV)),
		CLI(),
		MOVQ(gs.Current, RDX),
		ANDL(^layout.TIFNeedResched, thread(RDX).Flags), // the next tick sets it again
		CALL(shadowStackEnd),
		MOVQ(desc.Info.CR3, RDI),
		CALL(ptiSelect),
		MOVQ(gs.Current, RDX),
		wrappers(false),
		CMPQ(Sym(controlOn), 0),
		IF(NE, wrappers(true)),
		copyField(desc.Info.Bare, gs.NoResched),
		copyField(desc.OldRSP, gs.OldRSP),
		copyField(desc.Info.OldReaders, gs.OldReaders),
		MOVQ(desc.SwitchTo, RAX),
		MOVQ(RAX, gs.SwitchTo),
		MOVQ(RAX, thread(RDX).SwitchTo),
		MOVQ(gs.Idle, RDX), // which is in no call
		MOVQ(RAX, thread(RDX).SwitchTo),
		MOVQ(desc.UsesScratch, RCX),
		TESTQ(RCX, RCX),
		IF(NE, // the other threads enter by this variant too from now on
			MOVQ(RCX, Sym(switchScratch)),
			eachThread(RDX,
				MOVQ(RAX, thread(RDX).SwitchTo),
			),
			TESTL(uint64(layout.FeatureCETSS), desc.Info.Needs),
			IF(E, // no switch turns their shadow stacks on again
				eachThread(RDX, MOVQ(0, thread(RDX).UserCET)),
			),
		),
		MOVQ(desc.TrapReturn, RAX),
		TESTQ(RAX, RAX),
		IF(E,
			LEAQ(Sym(returnToUsermode), RAX),
			CMPQ(desc.Info.Erases, 0),
			IF(NE,
				LEAQ(Sym(eraseAndReturn), RAX),
				eachThread(RDX, MOVQ(0, thread(RDX).LowestStack)), // other variants have left what they liked
			),
		),
		MOVQ(RAX, gs.Return),
		MOVQ(desc.NewThread, RCX),
		TESTQ(RCX, RCX),
		IF(E, LEAQ(Sym(retintUser), RCX)),
		MOVQ(RCX, gs.NewThread),
		padStacks(desc.Info.FRED),
		MOVQ(RAX, gs.TrapReturn),
		MOVQ(desc.ErrorEntry, RAX),
		TESTQ(RAX, RAX),
		IF(E, LEAQ(Sym(errorEntry), RAX)),
		MOVQ(RAX, Sym(trapEntries)),
		MOVQ(desc.ParanoidEntry, RDI),
		MOVQ(desc.Info.Needs, RSI),
		CALL(paranoidSelect),
		MOVQ(desc.ReturnThunk, RDI),
		MOVQ(desc.CountsCalls, RSI),
		CALL(returnsSelect),
		copyField(desc.ReturnThunkLast, Sym(returnThunkLast)),
		copyField(desc.DebugFirst, Sym(debugOwn)),
		copyField(desc.DebugLast, Sym(debugOwn).Add(8)),
		copyField(desc.ForceIRET, gs.ForceIRET),
		copyField(desc.SpecCtrl, gs.SpecCtrl),
		forgetSpecCtrl(),
		MOVQ(R8, gs.Variant),
		CALL(desc.SyscallInit),
		otherMode(desc.Info.FRED),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func sysVariantInfo() Func {
	descPtr := RBX
	desc := variant(descPtr)
	info := SizeOf[layout.VariantInfo[Mem]]()
	return FUNC("sys_variant_info", "sys_variant_info(index, info) is layout.SysInfo.",
		findVariant(descPtr),
		MOVQ(RSI, RDI),
		LEAQ(desc.Info.Name[0], RSI),
		MOVL(info, RDX),
		CALL(copyToUser),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func controlInterrupt() Func {
	frame := RBX
	regs := ptRegs(RDI)
	return FUNC("control_interrupt",
		`control_interrupt handles INT $layout.ControlVector with the PtRegs RDI: the control
calls by which a variant that answers nothing else can be left.`,
		MOVQ(RDI, frame),
		MOVQ(regs.AX, RAX),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DI, RDI),
		CMPQ(Sym(controlOn), 0),
		IF(E, XORL(RAX, RAX)), // none of these numbers
		CMPQ(RAX, layout.SysSelect),
		IF(E,
			CALL(sysVariantSelect),
		).ELSE(
			CMPQ(RAX, layout.SysEntryCR3),
			IF(E, MOVQ(gs.EntryCR3, RAX)).ELSE(
				CMPQ(RAX, layout.SysEvent),
				IF(E, CALL(sysEvent)).ELSE(
					CMPQ(RAX, layout.SysInfo),
					MOVQ(-ENOSYS, RAX),
					IF(E, CALL(sysVariantInfo)),
				),
			),
		),
		MOVQ(RAX, ptRegs(frame).AX),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func sysFrame() Func {
	return FUNC("sys_frame", "sys_frame(regs) is layout.SysFrame.",
		MOVQ(gs.TopOfStack, RSI),
		SUBQ(regsSize, RSI),
		MOVL(regsSize, RDX),
		JMP(copyToUser),
	).Takes(RDI).Returns(RAX)
}

func sysFullFrame() Func {
	return FUNC("sys_full_frame", "sys_full_frame(regs) is layout.SysFullFrame; the variant's wrapper calls it.",
		TESTQ(RDI, RDI),
		JNE(sysFrame),
		returns(0),
	).Takes(RDI).Returns(RAX)
}

func sysSetFrame() Func {
	return FUNC("sys_set_frame",
		`sys_set_frame(slot, value) is layout.SysSetFrame; the variant's wrapper calls it.
As with ptrace, nothing may lead into ring 0: a selector must be of ring 3 (EIO), and
only the user's flags change.`,
		CMPQ(RDI, int(layout.NumSlots)),
		IF(AE, fail(EINVAL)),
		MOVQ(gs.TopOfStack, RDX),
		SUBQ(regsSize, RDX),
		LEAQ(RDX.Index(RDI, 8), RDX),
		CMPL(RDI, int(layout.SlotCS)),
		IF(NE, CMPL(RDI, int(layout.SlotSS))),
		IF(E,
			MOVL(RSI, RAX),
			NOTL(RAX),
			TESTL(3, RAX),
			IF(NE, fail(EIO)),
		),
		CMPL(RDI, int(layout.SlotFlags)),
		IF(E,
			ANDL(x86.UserFlags, RSI),
			MOVQ(RDX.At(0), RAX),
			ANDL(^x86.UserFlags, RAX),
			ORQ(RAX, RSI),
		),
		MOVQ(RSI, RDX.At(0)),
		XORL(RAX, RAX),
		CMPL(RDI, int(layout.SlotAX)),
		CMOVQE(RSI, RAX), // the entry path stores the result in that slot
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysPoison() Func {
	top := R8
	poison := Fields[layout.PtRegs[Mem]](Sym(poisonFrame))
	return FUNC("sys_poison",
		`sys_poison is layout.SysPoison: the PtRegs are complete, RSP is at them or below.
It moves the frame away first, as the frame's place is poisoned too.`,
		CLI(),
		MOVQ(gs.TopOfStack, top),
		LEAQ(top.At(-regsSize), RSI),
		MOVQ(RSI, RDX),
		LEAQ(Sym(poisonFrame), RDI),
		MOVQ(RDI, RSP),
		MOVL(regsSize/8, RCX),
		REP(MOVSQ()),
		MOVQ(0, poison.AX),
		TESTL(layout.FREDPad, top),
		IF(E,
			MOVQ(poison.IP, RAX), // as after SYSRET
			MOVQ(RAX, poison.CX),
		),

		MOVQ(gs.Current, RDI),
		ADDQ(layout.ThreadStack, RDI),
		MOVQ(uint64(layout.Poison), RAX),
		ADDQ(RDI, RAX),
		SUBQ(RDX, RAX), // the word's offset in the frame
		DO(
			MOVQ(RAX, RDI.At(0)),
			ADDQ(8, RDI),
			ADDQ(8, RAX),
			CMPQ(RDI, top),
		).WHILE(B),
		JMP(gs.TrapReturn),
	).Takes().Returns(RAX)
}

func sysSpin() Func {
	return FUNC("sys_spin",
		`sys_spin(rounds) is layout.SysSpin. It is in the group "entry" so that the timer
switches threads inside it.`,
		MOVQ(gs.Current, RDX),
		MOVQ(thread(RDX).Switches, RCX),
		LOOP(
			SUBQ(1, RDI),
			IF(B, fail(EAGAIN)),
			PAUSE(),
			CMPQ(RCX, thread(RDX).Switches),
			BREAK(NE),
		),
		returns(0),
	).Takes(RDI).Returns(RAX).In("entry")
}

func sysFlush() Func {
	return FUNC("sys_flush", "sys_flush(what) is layout.SysFlush. Every CPU with SSE2 has CLFLUSH, and so has every CPU with long mode.",
		CMPQ(RDI, layout.FlushPredictions),
		IF(E,
			TESTL(int(layout.FeatureIBPB), Sym(cpuFeatures)),
			IF(E, fail(ENODEV)),
			MOVL(uint32(x86.MSR_IA32_PRED_CMD), RCX),
			MOVL(x86.PRED_CMD_IBPB, RAX),
			XORL(RDX, RDX),
			WRMSR(),
			returns(0),
		),
		CLI(),
		MOVQ(gs.Self, RDI),
		flushLines(RDI, SizeOf[layout.PerCPU[Mem]]()),
		MOVQ(gs.Current, RDI),
		flushLines(RDI, SizeOf[layout.Thread[Mem]]()),
		MOVQ(sched.RunHead, RDI),
		TESTQ(RDI, RDI),
		IF(NE, flushLines(RDI, SizeOf[layout.Thread[Mem]]())),
		MFENCE(), // nothing else orders CLFLUSH (SDM volume 2)
		JMP(sysSchedYield),
	).Takes(RDI).Returns(RAX)
}

func sysStats() Func {
	stats := Fields[layout.Stats[Mem]](Sym(statsBuf))
	return FUNC("sys_stats", "sys_stats(stats) is layout.SysStats.",
		copyField(sched.Switches, stats.Switches),
		copyField(sched.MMSwitches, stats.MMSwitches),
		MOVQ(sched.Preempted, RCX),
		SUBQ(sched.KernelPreemptions, RCX),
		eachThread(RAX,
			ADDQ(thread(RAX).Preempted, RCX),
		),
		MOVQ(RCX, stats.UserPreemptions),
		copyField(sched.KernelPreemptions, stats.KernelPreemptions),
		copyField(sched.Ticks, stats.Ticks),
		copyField(Sym(pagesFree), stats.PagesFree),
		copyField(Sym(pagesTotal), stats.PagesTotal),
		copyField(counters.cycles, stats.CycleCounter),
		copyField(counters.instructions, stats.InstructionCounter),
		copyField(counters.on, stats.CountersOn),
		copyField(Sym(cpuFeatures), stats.Features),
		copyField(gs.SpecCtrlRing3, stats.SpecCtrlRing3),
		readSpecCtrl(stats.SpecCtrl),
		copyField(clk.TSCHz, stats.TSCHz),
		copyField(clk.TSCSource, stats.TSCSource),
		copyField(clk.TimerMult, stats.TimerMult),
		readMSR(x86.MSR_STAR, stats.Star),
		readMSR(x86.MSR_SYSCALL_MASK, stats.SFMask),
		readMSR(x86.MSR_EFER, stats.EFER),
		readMSR(x86.MSR_LSTAR, stats.LSTAR),
		copyField(gs.NMIs, stats.NMIs),
		copyField(gs.Debugs, stats.Debugs),
		copyField(gs.MachineChecks, stats.MachineChecks),
		copyField(gs.EventIP, stats.EventIP),
		addressOf(entryStart, stats.EntryStart),
		addressOf(entryEnd, stats.EntryEnd),
		addressOf(irqentryStart, stats.IRQEntryStart),
		addressOf(irqentryEnd, stats.IRQEntryEnd),
		copyField(Sym(kernelBuild), stats.Build),
		copyField(Sym(variantsCopies), stats.Copies),
		copyField(Fields[layout.KVMSteal[Mem]](Sym(kvmSteal)).Steal, stats.Stolen),
		copyField(Sym(stealOn), stats.StolenOn),
		LEAQ(Sym(statsBuf), RSI),
		MOVL(SizeOf[layout.Stats[Mem]](), RDX),
		JMP(copyToUser),
	).Takes(RDI).Returns(RAX)
}

func sysFlags() Func {
	return FUNC("sys_flags", "sys_flags is layout.SysFlags.",
		PUSHFQ(),
		POPQ(RAX),
		RETURN(),
	).Takes().Returns(RAX)
}
