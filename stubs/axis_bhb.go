package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis bhb.
const (
	BHBKept  Value = "bhb=kept"
	BHBShort Value = "bhb=loop-short"
	BHBLong  Value = "bhb=loop-long"
	BHBDisS  Value = "bhb=dis-s"
)

var _ = Register(Axis{
	Name: "bhb", Rank: 370,
	Doc: "what of the branches that ring 3 has taken is left to predict the kernel's indirect branches by (branch history injection)",
	Values: []Choice{
		{
			Value: BHBKept, Since: "Linux 3.19", Doc: "all of them, on CPUs that do not tell ring 3's history from the kernel's",
			Puts: Puts{BeforeHandler: func(v Axes) Block { return v.nopBySYSCALL("CLEAR_BRANCH_HISTORY") }},
		},
		{
			// Linux 6.12: arch/x86/entry/entry_64.S, clear_bhb_loop; nospec-branch.h,
			// CLEAR_BRANCH_HISTORY.
			Value: BHBShort, Since: "Linux 6.9", Promises: PromiseHistory, PutsOwn: clearHistory, Funcs: clearHistoryFuncs,
			Doc: "none: a loop of five turns takes as many branches as the history of Intel's CPUs before Alder Lake holds (clear_bhb_loop)",
		},
		{
			// P. Gupta, "x86/bhi: Make clear_bhb_loop() effective on newer CPUs", of
			// the series VMSCAPE optimization for BHI variant, December 2025.
			Value: BHBLong, Since: "proposed in 2025", Promises: PromiseHistory, PutsOwn: clearHistory, Funcs: clearHistoryFuncs,
			Doc: "none: the same loop with twelve turns, for the longer history of Alder Lake and later CPUs",
		},
		{
			// Linux 6.9: arch/x86/kernel/cpu/bugs.c, spec_ctrl_bhi_dis.
			Value: BHBDisS, Since: "Linux 6.9", Promises: PromiseBHIDisS, Needs: layout.FeatureBHICtrl,
			Puts: Puts{BeforeHandler: func(v Axes) Block { return v.nopBySYSCALL("CLEAR_BRANCH_HISTORY") }},
			Doc:  "what the CPU allows by itself: SPEC_CTRL.BHI_DIS_S is set when the variant is selected and stays so, and no instruction is added to the path",
		},
	},
})

// The values of axis bhbfence.
const (
	BHBFenceIn  Value = "bhbfence=inside"
	BHBFenceOut Value = "bhbfence=caller"
)

var _ = Register(Axis{
	Name: "bhbfence", Rank: 380,
	Doc: "where the LFENCE is that keeps an indirect branch from running before the loop of bhb has ended",
	Values: []Choice{
		{Value: BHBFenceIn, Since: "Linux 6.9", Doc: "in the function, before its own RET"},
		{Value: BHBFenceOut, Since: "proposed in 2025", Doc: "behind the CALL, so that callers without an indirect branch near need none"},
	},
	Excludes: []Exclusion{{
		What: "bhbfence=caller without a loop of bhb",
		Why:  "there is no loop to wait for",
		Is:   func(v Axes) bool { return v.Is(BHBFenceOut) && !v.clearsHistory() },
	}},
})

// clearsHistory reports whether the path has a loop that clears the branch history.
func (v Axes) clearsHistory() bool { return v.Is(BHBShort) || v.Is(BHBLong) }

// Branches returns how many branches the loop of bhb takes from its function's first
// instruction to the fence; 0 if the variant has none.
func (v Axes) Branches() int {
	outer, inner := v.HistoryTurns()
	if outer == 0 {
		return 0
	}
	// The CALL of the outer loop and the JMP behind it; in each turn the CALL, the
	// inner loop's branches, the branch back and a RET, with a RET more for a
	// branch back less.
	return 2 + outer*(1+inner+(inner-1)) + (outer - 1) + (outer + 1)
}

// HistoryTurns returns the turns of bhb's outer loop, and of the inner loop in each; 0
// and 0 if the variant has no loop.
func (v Axes) HistoryTurns() (outer, inner int) {
	switch {
	case v.Is(BHBShort):
		return 5, 5
	case v.Is(BHBLong):
		return 12, 7
	}
	return 0, 0
}

// setBHIDisS sets SPEC_CTRL when the variant is selected. With ibrs=entry it does not,
// as PerCPU.SpecCtrl has the bit.
func (v Axes) setBHIDisS() Block {
	if !v.Is(BHBDisS) || v.Is(IBRSEntry) {
		return nil
	}
	return Block{
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX).C("IA32_SPEC_CTRL"),
		MOVL(x86.SPEC_CTRL_BHI_DIS_S, RAX),
		XORL(RDX, RDX),
		WRMSR(),
	}
}

func clearHistory(v Axes, suffix string) Block {
	b := Block{CALL(FuncName("clear_bhb_loop", suffix))}
	if v.Is(BHBFenceOut) {
		b = append(b, LFENCE().C("no branch runs ahead of the loop"))
	}
	return b
}

// clearHistoryFuncs returns clear_bhb_loop and the functions of its two loops. Each turn of
// the outer loop calls the inner one, and only the last returns: its RET is followed by
// those of all turns before. Both RETs are in upper halves of cache lines, as returns=its
// wants them.
func clearHistoryFuncs(v Axes, suffix string) []Func {
	turns, left, count := RCX, RAX, RDX
	outer, inner := v.HistoryTurns()
	name := func(of string) string { return FuncName(of, suffix) }
	counts, load, spoils, skew := Block{MOVL(outer, turns)}, MOVL(inner, left), "Clobbers RAX and RCX.", 10
	if v.Is(BHBLong) { // Linux patches both counts where they are loaded
		counts, load, spoils, skew = append(counts, MOVL(inner, count)), MOVL(count, left), "Clobbers RAX, RCX and RDX.", 13
	}
	fence := Block{LFENCE().C("no branch runs ahead of the loop")}
	if v.Is(BHBFenceOut) {
		fence = nil
	}
	ret := v.returns(suffix)
	if v.Is(ReturnsITS) {
		ret = RET()
	}
	return []Func{
		FUNC(name("clear_bhb_loop"), `clear_bhb_loop takes branches until the CPU's branch history holds no branch of ring 3.
`+spoils,
			PUSHQ(RBP),
			MOVQ(RSP, RBP),
			counts,
			CALL(name("clear_bhb_outer")),
			JMP(name("clear_bhb_done")),
		).In("entry"),
		FUNC(name("clear_bhb_outer"), "clear_bhb_outer begins a turn.",
			CALL(name("clear_bhb_inner")),
			ret,
		).At(lineSize, lineSize/2-5).In("entry"),
		FUNC(name("clear_bhb_inner"), "clear_bhb_inner is the inner loop, and begins the next turn unless this is the last.",
			load,
			LABEL("clear_bhb_turn"),
			JMP("clear_bhb_next"),
			NOP(),
			LABEL("clear_bhb_next"),
			SUBL(1, left),
			JNE("clear_bhb_turn"),
			SUBL(1, turns),
			JNE(name("clear_bhb_outer")),
			ret,
			GLOBAL(name("clear_bhb_done")),
			fence,
			POPQ(RBP),
			v.returns(suffix),
		).At(lineSize, skew).In("entry"),
	}
}
