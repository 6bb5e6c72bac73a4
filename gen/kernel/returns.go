package kernel

import (
	"sync"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// returnThunks returns the part that makes the returns of the kernel's functions follow the
// selected variant (Linux 6.12: arch/x86/kernel/alternative.c, apply_returns).
func returnThunks() Program {
	return Program{Funcs: Funcs(returnsSelect), Data: []Data{returnThunk}}
}

// keepRET returns the names of the functions that return by RET whatever the variant: what
// #DB of ring 0 runs, and the NMIs that it makes, or a breakpoint in a thunk would arrive there
// again.
var keepRET = sync.OnceValue(func() (names []string) {
	for _, f := range []func() Func{doTrapKernel, debugKernel, nmiKernel, eventMake, paranoidBody} {
		names = append(names, f().Name)
	}
	return names
})

// returnThunk is where the kernel's functions jump to return, 0 if they return by RET.
var returnThunk = BSS("return_thunk", 8, 8)

// Opcodes of RET and of JMP to a distance of 32 bits, and that JMP's length.
const (
	opRET     = 0xc3
	opJMP     = 0xe9
	lengthJMP = 5
)

func returnsSelect() Func {
	thunk, next, end, site, text := RDI, RSI, R11, R9, R10
	return FUNC("returns_select",
		`returns_select(thunk) makes every RET of the kernel's functions a JMP to RDI, or a RET
again if RDI is 0. It writes by the linear map, where the text is writable. IF is 0, but NMIs
come: what is written at a time is the distance behind a RET or JMP, or its opcode.`,
		CMPQ(thunk, Sym(returnThunk)),
		IF(E, RETURN()),
		MOVQ(thunk, Sym(returnThunk)),
		LEAQ(Sym(returnSites), next),
		LEAQ(Sym(returnSitesEnd), end),
		MOVQ(layout.PhysMap-layout.KernelBase, text),
		LOOP(
			CMPQ(next, end),
			BREAK(AE),
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
	).Takes(RDI).Keeps(R8)
}

// returnsToKernel returns if the word at the distance at from the interrupted RSP is an address
// of the kernel's functions: one of them is returning by the variant's thunk, which lies in the
// group "entry", and its callers are not to be preempted. A thunk calls once at most, so that the
// address is the first word or the second. Clobbers RAX, RCX, RDX.
func returnsToKernel(sp Mem, at int) Block {
	return Block{
		MOVQ(sp, RDX),
		MOVQ(RDX.At(at), RAX),
		LEAQ(Sym(textStart), RCX),
		CMPQ(RAX, RCX),
		IF(AE,
			LEAQ(Sym(entryStart), RCX),
			CMPQ(RAX, RCX),
			IF(B, RETURN()),
			LEAQ(Sym(entryEnd), RCX),
			CMPQ(RAX, RCX),
			IF(AE,
				LEAQ(Sym(textEnd), RCX),
				CMPQ(RAX, RCX),
				IF(B, RETURN()),
			),
		),
	}
}
