package kernel

import (
	"slices"
	"sync"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// gs is the per-CPU area in the kernel.
var gs = Fields[layout.PerCPU[Mem]](GS)

// regsSize is the size of PtRegs in bytes.
var regsSize = SizeOf[layout.PtRegs[Mem]]()

// thread gives the fields of the Thread that r points to.
func thread(r Reg) *layout.Thread[Mem] { return Fields[layout.Thread[Mem]](r) }

// ptRegs gives the slots of the PtRegs that r points to.
func ptRegs(r Reg) *layout.PtRegs[Mem] { return Fields[layout.PtRegs[Mem]](r) }

// subsystem is a part of the kernel.
type subsystem struct {
	name  string
	parts []func() Program
}

// subsystems are the kernel's, in the order in memory.
var subsystems = []subsystem{
	{"core", []func() Program{start, console, uarts, screens, answers, panics, traps, bases, freds, erasing, shadowStacks, messages}},
	{"mm", []func() Program{
		pages, slabs, threadStacks, pageTables, pageTableIsolation, addressSpaces, areas, mmap, mprotect, mremap,
		faults, uaccess, spaces,
	}},
	{"exec", []func() Program{cmdline, elf, exec}},
	{"time", []func() Program{clocks, tscRates, stealing, calibration, references, acpi, rtc, apic}},
	{"sched", []func() Program{scheduler, switches, cpuTimes, threads, schedCalls}},
	{"timers", []func() Program{timeCalls, sigTimers}},
	{"futex", []func() Program{futexes, futexesPI, robustLists}},
	{"signal", []func() Program{signals, signalQueues, signalFrames, signalCalls}},
	{"fs", []func() Program{files, initrd, devices, procFiles, paths, opens, stats, transfers}},
	{"ipc", []func() Program{waits, eventfds, timerFDs, pipes, epolls, polls, selects}},
	{"fs-changes", []func() Program{readOnly, memfds}},
	{"process", []func() Program{randoms, processes, ids, families, forks, execs, exits, children, ptraces, coredumps}},
	{"control", []func() Program{control, returnThunks, rspReaders, sampler, features, performanceCounters, callTable, dispatch}},
}

// Body is the kernel: everything but the boot protocols, the stubs and the
// symbol table. Its slices are shared; do not write to them.
var Body = sync.OnceValue(func() Program {
	p := made(len(subsystems), func(i int) Program { return subsystems[i].program() })
	for i := range p.Funcs {
		f := &p.Funcs[i]
		f.ReturnSites = f.Bits == 0 && !slices.Contains(keepRET(), f.Name)
	}
	return p
})

// program returns the subsystem's parts.
func (s subsystem) program() Program {
	return made(len(s.parts), func(i int) Program { return s.parts[i]() })
}

// made returns n parts, one behind the other, which are made on all CPUs.
func made(n int, part func(int) Program) Program {
	parts := make([]Program, n)
	var making sync.WaitGroup
	for i := range parts {
		making.Go(func() { parts[i] = part(i) })
	}
	making.Wait()
	var p Program
	for _, part := range parts {
		p.Add(part)
	}
	return p
}

// wrmsr writes the address of sym to an MSR. Clobbers RAX, RCX, RDX.
func wrmsr[S Symbolic](msr uint32, sym S) Block {
	return Block{
		LEAQ(Sym(sym), RAX),
		MOVQ(RAX, RDX),
		SHRQ(32, RDX),
		MOVL(msr, RCX),
		WRMSR(),
	}
}

// start returns the part where the boot protocols end and the kernel begins.
func start() Program {
	return Program{
		Funcs: Funcs(
			startup64, initramfsCheck, startKernel, cpuInit, ignoreSysret,
		),
		Data: []Data{
			percpuData(), percpuTss, percpuEnd, idleThread, gdtr, cpuSmap, ownInitramfs,
		},
	}
}

func percpuData() Data {
	tss := Slots[layout.PerCPU[Slot]]().TSS.Reserved0.Off
	return Data{Name: "percpu", Align: layout.PageSize, Skip: layout.PageSize - tss, Size: tss}
}

var percpuTss = BSS("percpu_tss", layout.PageSize, layout.PageSize) // continued here

var percpuEnd = BSS("percpu_end", 0, layout.PageSize)

var idleThread = BSS("idle_thread", layout.ThreadSize, layout.ThreadSize)

// ownInitramfs is 1 if the initramfs is the image's own.
var ownInitramfs = BSS("own_initramfs", 8, 8)

var gdtr = BSS("gdtr", 16, 16)

var cpuSmap = BSS("cpu_smap", 8, 8) // its first byte is 1 if CR4.SMAP is on

func startup64() Func {
	idlePtr := RBX
	idle := thread(idlePtr)
	info := Fields[layout.BootInfo[Mem]](Sym(bootInfoData))
	percpu := Fields[layout.PerCPU[Mem]](Sym(percpuData))
	initMM := Fields[layout.MM[Mem]](Sym(initMMData))
	return FUNC("startup_64",
		`startup_64 is entered in long mode in the upper half, with the boot GDT and
no stack. boot_handoff and boot_parser hold what the protocol's entry left there.`,
		LEAQ(Sym(gdt), RAX),
		MOVQ(RAX, Sym(gdtr).Add(2)),
		MOVW(10*8-1, Sym(gdtr)),
		LGDT(Sym(gdtr)),
		MOVL(x86.KERNEL_DS, RAX),
		MOVW(RAX, SS),
		XORL(RAX, RAX),
		MOVW(RAX, DS),
		MOVW(RAX, ES),
		MOVW(RAX, FS),
		MOVW(RAX, GS),
		wrmsr(x86.MSR_GS_BASE, percpuData),
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		MOVL(uint32(x86.MSR_KERNEL_GS_BASE), RCX), // the user's, until arch_prctl sets one
		WRMSR(),

		LEAQ(Sym(idleThread), idlePtr),
		LEAQ(idlePtr.At(layout.ThreadSize), RSP),
		MOVQ(RSP, percpu.TopOfStack),
		MOVQ(RSP, idle.StackTop),
		LEAQ(Sym(contextSwitch), RAX),
		MOVQ(RAX, percpu.ThreadSwitch),
		MOVQ(idlePtr, percpu.Current),
		MOVQ(idlePtr, percpu.Idle),
		LEAQ(Sym(percpuData), RAX),
		MOVQ(RAX, percpu.Self),
		MOVL(uint32(layout.PreemptNoResched), percpu.PreemptCount),
		MOVQ(0x37f, idle.FX[0]), // FXSAVE image: FCW and MXCSR at reset values
		MOVQ(0x1f80, idle.FX[3]),

		// The identity map is no longer needed, and nothing is executed
		// through the linear map.
		MOVQ(0, Sym(initPgDir)),
		MOVQ(uint64(x86.PAGE_NX), RAX),
		ORQ(RAX, Sym(initPgDir).Add(8*(layout.PhysMap>>39&511))),
		MOVQ(CR3, RAX),
		MOVQ(RAX, CR3),
		MOVQ(RAX, initMM.PGD),
		MOVQ(1, initMM.Users), // the idle thread, which does not end
		LEAQ(Sym(initSpace), RAX),
		MOVQ(RAX, initMM.Space),
		LEAQ(Sym(initMMData), RAX),
		MOVQ(RAX, idle.MM),

		// The guard page of the idle thread's stack, as alloc_thread_stack
		// makes it for others.
		LEAQ(idlePtr.At(layout.ThreadGuard), RDI),
		slot(RDI, ptShift, RCX),
		LEAQ(Sym(kernelPageTable), RAX),
		MOVQ(0, RAX.Index(RCX, 1)),
		INVLPG(RDI.At(0)),

		CALL(consoleInit),
		CALL(trapInit),
		CALL(cpuInit),
		CALL(ptiInit),
		MOVL(Sym(bootHandoff), RDI),
		MOVL(Sym(bootParser), RAX),
		MOVQ(uint64(layout.KernelBase), RCX),
		ADDQ(RCX, RAX),
		CALL(RAX),
		CALL(uartFirmware),
		CALL(screenInit),
		CALL(answerReason),
		CMPQ(info.InitrdStart, 0),
		IF(E, // the loader gave no initramfs: use the image's own, if it has one
			MOVQ(Sym(builtinInitramfs).Add(8), RCX), // length
			TESTQ(RCX, RCX),
			IF(NE,
				MOVQ(1, Sym(ownInitramfs)),
				MOVQ(uint64(layout.PhysMap), RAX),
				ADDQ(Sym(builtinInitramfs), RAX),
				MOVQ(RAX, info.InitrdStart),
				ADDQ(RCX, RAX),
				MOVQ(RAX, info.InitrdEnd),
			),
		),
		CMPQ(Sym(ownInitramfs), 0),
		IF(NE, CALL(initramfsCheck)),
		JMP(startKernel),
	).Takes().NoReturn()
}

func initramfsCheck() Func {
	return FUNC("initramfs_check", "initramfs_check fails by boot_fail if the image's own initramfs has not the sum that it was built with.",
		MOVQ(bootInfo.InitrdStart, RSI),
		MOVQ(Sym(builtinInitramfs).Add(8), RCX),
		SHRQ(2, RCX),
		XORL(RDX, RDX),
		LOOP(
			SUBQ(1, RCX),
			BREAK(B),
			IMULL(layout.DiskSumFactor, RDX),
			ADDL(RSI.At(0), RDX),
			ADDQ(4, RSI),
		),
		CMPL(RDX, Sym(builtinInitramfs).Add(16)),
		IF(E, RETURN()),
		LEAQ(Str("the image is cut short or damaged: its initramfs is not the one that it was built with"), RDI),
		JMP(bootFail),
	).Takes()
}

func startKernel() Func {
	return FUNC("start_kernel",
		`start_kernel brings up the kernel's parts, makes init's thread and becomes the
idle thread: it runs when no other thread can.`,
		CALL(mmInit),
		CALL(timeInit),
		CALL(stealInit),
		CALL(schedInit),
		CALL(processInit),
		CALL(filesInit),
		CALL(parseCmdline),
		CALL(controlInit),
		CALL(variantsInit),
		CALL(execInit),
		JMP(cpuIdle),
	).Takes().NoReturn()
}

func cpuInit() Func {
	return FUNC("cpu_init",
		`cpu_init turns on SMEP, SMAP and machine checks where the CPU has them, and sets
MSR_CSTAR; SYSCALL's other MSRs are the variant's.`,
		MOVL(1, RAX),
		CPUID(),
		BTL(x86.CPUID_1_EDX_MCE, RDX),
		IF(B,
			MOVQ(CR4, RAX),
			ORQ(x86.CR4_MCE, RAX),
			MOVQ(RAX, CR4),
		),
		XORL(RAX, RAX),
		CPUID(),
		CMPL(RAX, 7),
		IF(AE,
			MOVL(7, RAX),
			XORL(RCX, RCX),
			CPUID(),
			MOVQ(CR4, RAX),
			BTL(x86.CPUID_7_EBX_SMEP, RBX),
			IF(B, ORQ(x86.CR4_SMEP, RAX)),
			BTL(x86.CPUID_7_EBX_SMAP, RBX),
			IF(B,
				ORQ(x86.CR4_SMAP, RAX),
				MOVB(1, Sym(cpuSmap)),
			),
			MOVQ(RAX, CR4),
		),
		wrmsr(x86.MSR_CSTAR, ignoreSysret),
		CALL(featuresInit),
		CALL(countersInit),
		RETURN(),
	).Saving(RBX).Takes()
}

func ignoreSysret() Func {
	return FUNC("ignore_sysret",
		`ignore_sysret is where SYSCALL arrives from a 32-bit code segment on AMD: there
are no 32-bit system calls. On entry RSP and GS are the user's, RCX is the
return address, IF is 0.`,
		MOVL(-ENOSYS, RAX),
		SYSRETL(),
	).In("irqentry")
}
