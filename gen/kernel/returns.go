package kernel

import (
	"sync"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// returnThunks returns the part that makes the returns and CALLs of the kernel's functions
// follow the selected variant (Linux 6.12: arch/x86/kernel/alternative.c, apply_returns;
// arch/x86/kernel/callthunks.c).
func returnThunks() Program {
	return Program{Funcs: Funcs(returnsSelect), Data: []Data{returnThunk, returnThunkLast, callsCounted}}
}

// keepRET returns the names of the functions that return by RET whatever the variant, and
// count no call: what #DB of ring 0 runs, and the NMIs that it makes, or a breakpoint in a thunk
// would arrive there again; and what handles the other events that paranoid_body calls for.
var keepRET = sync.OnceValue(func() (names []string) {
	for _, f := range []func() Func{debugKernel, nmiKernel, machineCheck, eventMake, paranoidBody} {
		names = append(names, f().Name)
	}
	return names
})

// returnThunk is where the kernel's functions jump to return, 0 if they return by RET.
var returnThunk = BSS("return_thunk", 8, 8)

// returnThunkLast is VariantDesc.ReturnThunkLast of the selected variant.
var returnThunkLast = BSS("return_thunk_last", 8, 8)

// callsCounted is VariantDesc.CountsCalls of the selected variant.
var callsCounted = BSS("calls_counted", 8, 8)

// Opcodes of RET and of JMP to a distance of 32 bits, and that JMP's length.
const (
	opRET     = 0xc3
	opJMP     = 0xe9
	lengthJMP = 5
)

func returnsSelect() Func {
	thunk, counts, next, end, site, text, flags := RDI, RSI, RCX, R11, R9, R10, RDX
	return FUNC("returns_select",
		`returns_select(thunk, counts) makes every RET of the kernel's functions a JMP to RDI, or
a RET again if RDI is 0. If RSI is not 0 the thunk counts the call depth down and clobbers
the flags: then the functions' CALLs go by the code that counts it up, and those that
return flags return by RET and are not counted. It writes by the linear map, where the text
is writable. IF is 0, but NMIs come: what is written at a time is the distance of a CALL, that
behind a RET or JMP, or its opcode.`,
		CMPQ(thunk, Sym(returnThunk)),
		IF(E, RETURN()),
		MOVQ(thunk, Sym(returnThunk)),
		MOVQ(layout.PhysMap-layout.KernelBase, text),

		CMPQ(counts, Sym(callsCounted)),
		IF(NE,
			MOVQ(counts, Sym(callsCounted)),
			MOVQ(Sym(callPrefixSize), RAX),
			TESTQ(counts, counts),
			IF(NE, NEGQ(RAX)),
			LEAQ(Sym(callSites), next),
			LEAQ(Sym(callSitesEnd), end),
			LOOP(
				CMPQ(next, end),
				BREAK(AE),
				MOVSLQ(next.At(0), site),
				ADDL(RAX, site.Index(text, 1)),
				ADDQ(4, next),
			),
		),

		LEAQ(Sym(returnSites), next),
		LEAQ(Sym(returnSitesFlags), flags),
		LEAQ(Sym(returnSitesEnd), end),
		LOOP(
			CMPQ(next, end),
			BREAK(AE),
			CMPQ(next, flags),
			IF(E,
				TESTQ(counts, counts),
				IF(NE, XORL(thunk, thunk)),
			),
			MOVQ(next.At(0), site),
			MOVQ(thunk, RAX),
			SUBQ(site, RAX),
			SUBQ(lengthJMP, RAX),
			ADDQ(text, site),
			TESTQ(thunk, thunk),
			IF(E,
				MOVB(opRET, site.At(0)),
			).ELSE(
				MOVL(RAX, site.At(1)),
				MOVB(opJMP, site.At(0)),
			),
			ADDQ(8, next),
		),
		MOVQ(CR0, RAX), // serializes: what is written is what is fetched (SDM volume 3, 9.1.3)
		MOVQ(RAX, CR0),
		RETURN(),
	).Takes(RDI, RSI).Keeps(R8)
}

// returnsToKernel returns if a function of the kernel is returning by the variant's thunk,
// which lies in the group "entry": its callers are not to be preempted. Then the word on the
// interrupted stack, behind those that CALLs in the thunk have pushed, is an address of the
// kernel's functions. What lies behind it is not looked at: it may never have been written.
// Clobbers RAX, RCX, RDX, RSI.
func returnsToKernel(sp Mem) Block {
	return Block{
		MOVQ(Sym(returnThunk), RCX),
		TESTQ(RCX, RCX),
		JE("no_caller_in_kernel"),
		MOVQ(sp, RDX),
		MOVQ(Sym(returnThunkLast), RSI),
		DO(
			MOVQ(RDX.At(0), RAX),
			ADDQ(8, RDX),
			CMPQ(RAX, RCX),
			BREAK(B),
			CMPQ(RAX, RSI),
		).WHILE(BE),
		LEAQ(Sym(entryStart), RCX),
		CMPQ(RAX, RCX),
		IF(AE,
			LEAQ(Sym(entryEnd), RCX),
			CMPQ(RAX, RCX),
			JB("no_caller_in_kernel"),
		),
		LEAQ(Sym(textStart), RCX),
		CMPQ(RAX, RCX),
		IF(AE,
			LEAQ(Sym(textEnd), RCX),
			CMPQ(RAX, RCX),
			IF(B, RETURN()),
		),
		LABEL("no_caller_in_kernel"),
	}
}
