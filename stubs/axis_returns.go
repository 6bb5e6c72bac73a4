package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis returns.
const (
	ReturnsRET       Value = "returns=ret"
	ReturnsRetbleed  Value = "returns=retbleed"
	ReturnsSRSO      Value = "returns=srso"
	ReturnsSRSOAlias Value = "returns=srso-alias"
	ReturnsITS       Value = "returns=its"
	ReturnsDepth     Value = "returns=calldepth"
)

var _ = Register(Axis{
	Name: "returns", Rank: 360,
	Of: DispatchTree, Or: alsoByFrame, OfWhy: "it is about the RETs of the do_syscall_64 whose handlers take the frame and of what that calls",
	Doc: "how functions return: the variant's, and those of the kernel, such as the handler, which are made to do so when the variant is selected, but for what handles #DB, NMIs and machine checks of ring 0",
	Values: []Choice{
		{Value: ReturnsRET, Since: "Linux 3.19", Doc: "by RET"},
		{
			// Linux 6.12: arch/x86/lib/retpoline.S, retbleed_return_thunk;
			// arch/x86/kernel/alternative.c, apply_returns.
			Value: ReturnsRetbleed, Since: "Linux 5.19", Promises: PromiseReturns, Funcs: returnFuncs,
			Doc: "by a JMP to the one RET that untrain=retbleed has the CPU forget",
		},
		{
			Value: ReturnsSRSO, Since: "Linux 6.5", Promises: PromiseReturns, Funcs: returnFuncs,
			Doc: "by a JMP to a CALL of the safe return that untrain=srso has the CPU forget: it drops the CALL's address and returns, so that what the CPU predicts is UD2",
		},
		{
			Value: ReturnsSRSOAlias, Since: "Linux 6.5", Promises: PromiseReturns, Funcs: returnFuncs,
			Doc: "as returns=srso, with the safe return in a function of its own",
		},
		{
			// Linux 6.12.29: its_return_thunk.
			Value: ReturnsITS, Since: "Linux 6.15", Promises: PromiseUpperHalf, Funcs: returnFuncs,
			Doc: "by a JMP to a RET in the upper half of a cache line, where what the CPU predicts is not another branch's (indirect target selection, on Intel's CPUs from Cascade Lake to Rocket Lake). Linux leaves a RET that is in an upper half already; here all go by the thunk",
		},
		{
			// Linux 6.12: call_depth_return_thunk; arch/x86/kernel/callthunks.c.
			Value: ReturnsDepth, Since: "Linux 6.2", Promises: PromiseReturns | PromiseCallDepth, Funcs: returnFuncs,
			Doc: "by a JMP to a thunk that counts the call depth down, which the entry sets, and fills the return stack before that is empty (retbleed=stuff, on Skylake, in place of IBRS). Each CALL counts it up where it goes: a function of the variant begins with the count, and one of the kernel has it in front, where the kernel's CALLs are made to go when the variant is selected. A CALL through a pointer is not counted, as Linux counts it in its retpoline, but the function's return is; so a call that makes one fills the return stack once more than Linux's. The kernel's functions that return flags, which no function in C does, are called and return without a count. A trap from ring 3 finds the depth of the call before, where Linux sets it",
		},
	},
	Excludes: []Exclusion{{
		What: "untrain of one thunk with returns by another",
		Why:  "the CPU forgets the RET of a thunk that nobody returns by",
		Is: func(v Axes) bool {
			return v.UntrainsAt() != "" && v.ReturnsAt() != "" && v.UntrainsAt() != v.ReturnsAt() && !v.Is(ReturnsDepth)
		},
	}, {
		What: "returns=calldepth with a loop of bhb",
		Why:  "the loop's calls are not counted, and its returns are",
		Is:   func(v Axes) bool { return v.Is(ReturnsDepth) && v.clearsHistory() },
	}, {
		What: "returns=calldepth with untrain",
		Why:  "what is untrained are the RETs of other thunks, and the functions that do so count no call",
		Is:   func(v Axes) bool { return v.Is(ReturnsDepth) && !v.Is(UntrainNone) },
	}, {
		What: "returns=calldepth with rsb=kept",
		Why:  "a thread that continues would find other threads' count, and a return stack that it does not tell of",
		Is:   func(v Axes) bool { return v.Is(ReturnsDepth) && v.Is(RSBKept) },
	}, {
		What: "returns=calldepth with ibrs=entry or branch=retpoline",
		Why:  "with ibrs=entry it is not needed, and a retpoline's RET is counted by thunks of its own, which are not here",
		Is: func(v Axes) bool {
			return v.Is(ReturnsDepth) && (v.Is(IBRSEntry) || v.Is(BranchRetpoline))
		},
	}},
})

// Functions by which others return.
const (
	srsoReturn      = "srso_return_thunk"
	srsoAliasReturn = "srso_alias_return_thunk"
	srsoAliasSafe   = "srso_alias_safe_ret"
	itsReturn       = "its_return_thunk"
	depthReturn     = "call_depth_return_thunk"

	srsoReturnLast      = "srso_return_thunk_last"
	srsoAliasReturnLast = "srso_alias_return_thunk_last"
)

// thunkNames are the names of a return thunk, without the variant's suffix.
type thunkNames struct {
	thunk string // the function that returns
	rets  string // the place where its RET begins
	last  string // the place to which the last CALL in it would return, "" if it has none
}

var thunks = map[Value]thunkNames{
	ReturnsRetbleed:  {retbleedReturn, retbleedReturn, ""},
	ReturnsSRSO:      {srsoReturn, srsoSafe, srsoReturnLast},
	ReturnsSRSOAlias: {srsoAliasReturn, srsoAliasSafe, srsoAliasReturnLast},
	ReturnsITS:       {itsReturn, itsReturn, ""},
	ReturnsDepth:     {depthReturn, depthReturn, depthFilled(DepthFill - 1)},
}

// returnThunk returns the names of the function by which others return; empty ones if each
// has its own RET.
func (v Axes) returnThunk() thunkNames {
	for value, names := range thunks {
		if v.Is(value) {
			return names
		}
	}
	return thunkNames{}
}

// ReturnsAt returns the name of the place behind which the variant's RETs are, without its
// suffix; "" if each function has its own.
func (v Axes) ReturnsAt() string { return v.returnThunk().rets }

// returns ends a function.
func (v Axes) returns(suffix string) Ins {
	if thunk := v.returnThunk().thunk; thunk != "" {
		return JMP(FuncName(thunk, suffix))
	}
	return RET()
}

// called begins a function that others call.
func (v Axes) called() Block {
	if !v.Is(ReturnsDepth) {
		return nil
	}
	return countCall
}

// countCall is CALL_DEPTH_ACCOUNT.
var countCall = Block{SARQ(depthShift, gs.CallDepth).C("one call deeper")}

// countCalls has the CALLs of the kernel's functions counted: the variant's, and those of
// the kernel itself while the variant is selected (VariantDesc.CountsCalls).
func (v Axes) countCalls(p *Program) {
	if !v.Is(ReturnsDepth) {
		return
	}
	p.Prefix = countCall
	for i := range p.Funcs {
		p.Funcs[i].CallsPrefixed = true
	}
}

// The call depth is shifted by depthShift for each call (Linux 6.12: nospec-branch.h,
// RET_DEPTH_SHIFT, RSB_RET_STUFF_LOOPS).
const (
	depthShift = 5
	// DepthFill is how many addresses the thunk of returns=calldepth puts on an empty return
	// stack.
	DepthFill = 16
)

func returnFuncs(v Axes, suffix string) []Func {
	switch {
	case v.Is(ReturnsRetbleed) && v.Is(UntrainRetbleed), v.Is(ReturnsSRSOAlias) && v.Is(UntrainSRSOAlias):
		return nil // it is there
	case v.Is(ReturnsRetbleed):
		return []Func{retbleedUntrainFunc(suffix)}
	case v.Is(ReturnsSRSO):
		funcs := []Func{FUNC(FuncName(srsoReturn, suffix), "srso_return_thunk returns to the address on top of the stack.",
			CALL(FuncName(srsoSafe, suffix)),
			GLOBAL(FuncName(srsoReturnLast, suffix)),
			UD2().C("the RET is predicted to come here"),
		).In("entry")}
		if !v.Is(UntrainSRSO) {
			funcs = append(funcs, srsoUntrainFunc(suffix))
		}
		return funcs
	case v.Is(ReturnsSRSOAlias):
		return v.aliasThunk(suffix)
	case v.Is(ReturnsITS):
		return []Func{FUNC(FuncName(itsReturn, suffix), "its_return_thunk returns to the address on top of the stack.",
			RET(),
			INT3(),
		).At(lineSize, lineSize/2).In("entry")}
	}
	return []Func{v.depthThunk(suffix)}
}

// aliasThunk returns the functions by which Zen 3 and 4 return.
func (v Axes) aliasThunk(suffix string) []Func {
	return []Func{
		FUNC(FuncName(srsoAliasSafe, suffix), "srso_alias_safe_ret drops the address on top of the stack and returns to the next.",
			LEAQ(RSP.At(8), RSP),
			RET(),
			INT3(),
		).In("entry"),
		FUNC(FuncName(srsoAliasReturn, suffix), "srso_alias_return_thunk returns to the address on top of the stack.",
			CALL(FuncName(srsoAliasSafe, suffix)),
			GLOBAL(FuncName(srsoAliasReturnLast, suffix)),
			UD2().C("the RET is predicted to come here"),
		).In("entry"),
	}
}

// depthThunk fills the return stack if the depth comes to 0: the CPU would take an empty
// one's next prediction from what ring 3 has taught it.
func (v Axes) depthThunk(suffix string) Func {
	var fill Block
	for i := range DepthFill {
		next := FuncName(depthFilled(i), suffix)
		fill = append(fill, CALL(next), INT3().C("a RET is predicted to come here"), GLOBAL(next))
	}
	return FUNC(FuncName(depthReturn, suffix), "call_depth_return_thunk returns to the address on top of the stack.",
		SHLQ(depthShift, gs.CallDepth).C("one call less deep"),
		JE("fill_return_stack"),
		RET(),
		INT3(),
		LABEL("fill_return_stack"),
		fill,
		ADDQ(8*DepthFill, RSP).C("nobody returns"),
		v.creditDepth(),
		RET(),
		INT3(),
	).At(lineSize, 0).In("entry")
}

// depthFilled returns the name of the place behind CALL i that fills the return stack.
func depthFilled(i int) string { return "depth_filled_" + string(rune('a'+i)) }

// creditDepth notes that the return stack is full.
func (v Axes) creditDepth() Block {
	if !v.Is(ReturnsDepth) {
		return nil
	}
	return Block{MOVQ(-1, gs.CallDepth)}
}
