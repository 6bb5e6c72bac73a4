package stubs

import (
	"encoding/binary"
	"slices"
	"sync"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis untrain.
const (
	UntrainNone      Value = "untrain=none"
	UntrainRetbleed  Value = "untrain=retbleed"
	UntrainSRSO      Value = "untrain=srso"
	UntrainSRSOAlias Value = "untrain=srso-alias"
	UntrainIBPB      Value = "untrain=ibpb"
)

var _ = Register(Axis{
	Name: "untrain", Rank: 350,
	Of: DispatchTree, Or: alsoByFrame, OfWhy: "what it protects are the RETs of the do_syscall_64 whose handlers take the frame and of what that calls",
	Doc: "what the entry does, before the first RET, about where ring 3 has taught the CPU that RETs go (UNTRAIN_RET)",
	Values: []Choice{
		{
			Value: UntrainNone, Since: "Linux 3.19", Doc: "nothing",
			Puts: Puts{BeforeHandler: func(v Axes) Block { return slices.Concat(v.nopBySYSCALL("UNTRAIN_RET"), v.depthPlace()) }},
		},
		{
			// Linux 6.12: arch/x86/lib/retpoline.S, retbleed_untrain_ret.
			Value: UntrainRetbleed, Since: "Linux 5.19", Promises: PromiseUntrained, PutsOwn: callUntrain, Funcs: untrainFuncs,
			Doc: "it executes the bytes of the RET of returns=retbleed as the middle of a TEST, so that the CPU drops what it predicts for that RET (on Zen 1 and 2)",
		},
		{
			// Linux 6.12: srso_untrain_ret, entry_untrain_ret.
			Value: UntrainSRSO, Since: "Linux 6.5", Promises: PromiseUntrained, PutsOwn: callUntrain, Funcs: untrainFuncs,
			Doc: "the same with a MOVABS that covers LEAQ and RET of returns=srso, and one such return (on Zen 1 and 2)",
		},
		{
			// Linux 6.12: srso_alias_untrain_ret.
			Value: UntrainSRSOAlias, Since: "Linux 6.5", PutsOwn: callUntrain, Funcs: untrainFuncs,
			Doc: "it makes one return through the thunk of returns=srso-alias (on Zen 3 and 4). The instructions are Linux's; their addresses are not: there the function and the thunk differ in bits 2, 8, 14 and 20 alone and so share what the CPU predicts, which would make each image a megabyte longer. So the price is right, and a CPU is not protected",
		},
		{
			// Linux 6.12: arch/x86/entry/entry.S, entry_ibpb.
			Value: UntrainIBPB, Since: "Linux 5.19", Promises: PromiseIBPB, PutsOwn: callUntrain, Funcs: untrainFuncs, Needs: layout.FeatureIBPB,
			Doc: "it has the CPU drop all that it predicts of branches, by a write to PRED_CMD (entry_ibpb)",
		},
	},
})

// depthPlace emits RESET_CALL_DEPTH or, where the variant has none, the NOPs in its place,
// which is also that of the call of entry_ibpb: 15 bytes.
func (v Axes) depthPlace() Block {
	if v.Is(ReturnsDepth) {
		return resetDepth()
	}
	return slices.Concat(v.nopBySYSCALL("CALL_DEPTH_ACCOUNT"), v.nopBySYSCALL("and the rest of its place"))
}

func callUntrain(v Axes, suffix string) Block {
	switch {
	case v.Is(UntrainSRSOAlias):
		return slices.Concat(Block{CALL(FuncName(srsoAliasUntrain, suffix))}, v.depthPlace())
	case v.Is(UntrainIBPB):
		return slices.Concat(v.nop("CALL_UNTRAIN_RET"), Block{CALL(FuncName("entry_ibpb", suffix))}, v.nop("the rest of RESET_CALL_DEPTH's place"))
	}
	return slices.Concat(Block{CALL(FuncName("entry_untrain_ret", suffix))}, v.depthPlace())
}

// resetDepth makes the call depth that of do_syscall_64's caller: RESET_CALL_DEPTH.
// Clobbers RAX.
func resetDepth() Block {
	return Block{
		XORL(RAX, RAX),
		BTSQ(63, RAX),
		MOVQ(RAX, gs.CallDepth),
	}
}

// Functions that forget, and the places of the RETs that they have the CPU forget.
const (
	retbleedUntrain  = "retbleed_untrain_ret"
	retbleedReturn   = "retbleed_return_thunk"
	srsoUntrain      = "srso_untrain_ret"
	srsoSafe         = "srso_safe_ret"
	srsoAliasUntrain = "srso_alias_untrain_ret"
)

// UntrainsAt returns the name of the place behind which the RET is that the entry has the
// CPU forget, without the variant's suffix; "" if there is none.
func (v Axes) UntrainsAt() string {
	switch {
	case v.Is(UntrainRetbleed):
		return retbleedReturn
	case v.Is(UntrainSRSO):
		return srsoSafe
	case v.Is(UntrainSRSOAlias):
		return srsoAliasSafe
	}
	return ""
}

func untrainFuncs(v Axes, suffix string) []Func {
	name := func(of string) string { return FuncName(of, suffix) }
	switch {
	case v.Is(UntrainIBPB):
		return []Func{v.entryIBPB(suffix)}
	case v.Is(UntrainSRSOAlias):
		return append(v.aliasThunk(suffix), FUNC(name(srsoAliasUntrain), "srso_alias_untrain_ret returns through the thunk once.",
			NOP(),
			LFENCE(),
			JMP(name(srsoAliasReturn)),
		).In("entry"))
	case v.Is(UntrainSRSO):
		return []Func{
			FUNC(name("entry_untrain_ret"), "", JMP(name(srsoUntrain))).In("entry"),
			srsoUntrainFunc(suffix),
		}
	}
	return []Func{
		FUNC(name("entry_untrain_ret"), "", JMP(name(retbleedUntrain))).In("entry"),
		retbleedUntrainFunc(suffix),
	}
}

// retbleedUntrainFunc has the RET at the start of a cache line, which decides which of
// its predictors' entries the CPU takes.
func retbleedUntrainFunc(suffix string) Func {
	thunk := FuncName(retbleedReturn, suffix)
	return FUNC(FuncName(retbleedUntrain, suffix), `retbleed_untrain_ret executes the RET's byte as the second of a TEST, which keeps all
registers, and then the RET. From the second byte on the TEST is RET and INT3:
retbleed_return_thunk.`,
		TESTB(0xcc, RBX).Inner(1, thunk).C("retbleed_return_thunk is its second byte: RET, INT3"),
		LFENCE().C("the prediction is gone"),
		JMP(thunk),
		INT3(),
	).At(lineSize, lineSize-1).In("entry")
}

// lineSize is the size of a cache line in bytes.
const lineSize = 64

func srsoUntrainFunc(suffix string) Func {
	safe := FuncName(srsoSafe, suffix)
	return FUNC(FuncName(srsoUntrain, suffix), `srso_untrain_ret executes the safe return's bytes as the constant of a MOVABS, and then
the safe return. From the third byte on the MOVABS is srso_safe_ret: LEAQ 8(RSP), RSP;
RET; INT3; INT3. It is called with an address too many on the stack. Clobbers RAX.`,
		MOVQ(safeReturn(), RAX).Inner(2, safe).C("srso_safe_ret is its third byte: LEAQ, RET, INT3, INT3"),
		LFENCE().C("the prediction is gone"),
		CALL(safe),
		UD2().C("the RET is predicted to come here"),
	).At(lineSize, lineSize-2).In("entry")
}

// safeReturn is the machine code of a return that drops a word first.
var safeReturn = sync.OnceValue(func() uint64 {
	obj, err := Link(Program{Funcs: []Func{FUNC(srsoSafe, "", LEAQ(RSP.At(8), RSP), RET(), INT3(), INT3())}}, layout.KernelBase, layout.KernelBase)
	if err != nil {
		panic(err) // the listing is in this function
	}
	return binary.LittleEndian.Uint64(obj.Sections[0].Bytes)
})

func (v Axes) entryIBPB(suffix string) Func {
	return FUNC(FuncName("entry_ibpb", suffix), "entry_ibpb has the CPU drop all that it predicts of branches. Clobbers RAX, RCX and RDX.",
		MOVL(x86.MSR_IA32_PRED_CMD, RCX),
		MOVL(Sym(predCmd), RAX),
		XORL(RDX, RDX),
		WRMSR(),
		v.jumpOver("FILL_RETURN_BUFFER, for CPUs whose IBPB leaves the return stack alone"),
		v.returns(suffix),
	).In("entry")
}

// predCmd is a word that holds what entry_ibpb writes: Linux chooses that when it boots.
const predCmd = "x86_pred_cmd"
