package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axes intgs and paranoid.
const (
	IntGSRPL         Value = "intgs=rpl"
	IntGSCS          Value = "intgs=cs"
	ParanoidRDMSR    Value = "paranoid=rdmsr"
	ParanoidRDGSBASE Value = "paranoid=rdgsbase"
)

var _ = Register(Axis{
	Name: "intgs", Rank: 452,
	Doc: "how the entry of interrupts and exceptions finds out that they come from ring 3, with the user's GS",
	Values: []Choice{
		{
			// Linux 3.18-rc6: arch/x86/kernel/entry_64.S, error_entry; 6.12:
			// arch/x86/entry/entry_64.S.
			Value: IntGSRPL, Since: "Linux 3.19", Doc: "by the two lowest bits of the CS that the CPU has pushed, its RPL",
		},
		{Value: IntGSCS, Since: "no release", Doc: "by the whole selector: any CS but the kernel's is ring 3's, as in many small kernels"},
	},
	Excludes: []Exclusion{byIDT("intgs", IntGSCS)},
})

var _ = Register(Axis{
	Name: "paranoid", Rank: 454,
	Doc: "how the entries of NMI, #DB, #MC and #DF, which CS tells nothing as they may come between SYSCALL and SWAPGS, get the kernel's GS",
	Values: []Choice{
		{
			// Linux 3.18-rc6: arch/x86/kernel/entry_64.S, save_paranoid; 6.12: paranoid_entry
			// without X86_FEATURE_FSGSBASE.
			Value: ParanoidRDMSR, Since: "Linux 3.19",
			Doc: "by the sign of the base, read by RDMSR: the upper half is the kernel's. So ring 3 must not be able to set its base by an instruction: CR4.FSGSBASE is 0",
		},
		{
			// Linux 5.9: arch/x86/entry/entry_64.S, paranoid_entry; entry/calling.h,
			// SAVE_AND_SET_GSBASE.
			Value: ParanoidRDGSBASE, Since: "Linux 5.9", Needs: layout.FeatureFSGSBASE,
			Doc: "in ring 0 the base is kept by RDGSBASE and the kernel's set by WRGSBASE, whosever it was; CS tells of ring 3 alone. CR4.FSGSBASE is 1, and ring 3 may set its bases by the same instructions, which a context switch keeps",
		},
	},
	Excludes: []Exclusion{byIDT("paranoid", ParanoidRDGSBASE)},
})

// byIDT excludes a choice about entries that FRED does without.
func byIDT(name string, value Value) Exclusion {
	return Exclusion{
		What: "entry=fred with a choice of " + name,
		Why:  "FRED changes GS with the ring itself, and uses no IDT",
		Is:   func(v Axes) bool { return v.Is(EntryFRED) && v.Is(value) },
	}
}

// What the kernel has behind these entries.
const (
	errorFromUser   = "error_from_user"
	errorFromKernel = "error_from_kernel"
	paranoidBody    = "paranoid_body"
	percpuArea      = "percpu"
)

// interruptEntries returns the variant's own entries of interrupts and exceptions.
func (v Axes) interruptEntries(suffix string) (list []Func) {
	frame := Fields[layout.PtRegs[Mem]](RSP)
	if v.Is(IntGSCS) {
		list = append(list, FUNC(FuncName(ErrorEntry, suffix), `error_entry completes the frame of an interrupt or exception, which is pushed down to
DI, and gets the kernel's GS if it comes from ring 3. EDI is the vector.`,
			interruptFrame(),
			CMPW(frame.CS, x86.KERNEL_CS),
			JE("from_kernel"),
			SWAPGS().C("GS.base: user -> PerCPU"),
			JMP(errorFromUser),
			LABEL("from_kernel"),
			JMP(errorFromKernel),
		).In("irqentry"))
	}
	if v.Is(ParanoidRDGSBASE) {
		was := RBX
		list = append(list, FUNC(FuncName(ParanoidEntry, suffix), `paranoid_entry completes the frame of an event that may come at any instruction, and
lets the kernel handle it with the kernel's GS. EDI is the vector.`,
			interruptFrame(),
			TESTB(3, frame.CS),
			JE("from_kernel"),
			SWAPGS().C("GS.base: user -> PerCPU"),
			JMP("handle"),
			LABEL("from_kernel"),
			RDGSBASEQ(was).C("the user's, or PerCPU"),
			LEAQ(Sym(percpuArea), RAX),
			WRGSBASEQ(RAX).C("GS.base: PerCPU"),
			LABEL("handle"),
			CALL(paranoidBody).C("returns only if it came from ring 0"),
			WRGSBASEQ(was),
			v.popRegs(),
			POPQ(RDI).Is(pt.DI),
			ADDQ(8, RSP).C("orig_ax"),
			GLOBAL(FuncName(ParanoidLast, suffix)),
			IRETQ(),
		).In("irqentry"))
	}
	return list
}

// interruptFrame pushes what the vector's own code has not, and puts the vector in ESI.
func interruptFrame() Block {
	return Block{
		FRAME(pt.DI.Off),
		pushScratch(),
		pushCalleeSaved(),
		CLD(),
		MOVL(RDI, RSI).C("the vector"),
	}
}
