package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// stealing returns the part that makes the hypervisor tell for how long it had the CPU run
// others, where it is KVM and offers that.
func stealing() Program {
	return Program{
		Funcs: Funcs(
			stealInit, stealEnd,
		),
		Data: []Data{
			kvmSteal, stealOn,
		},
	}
}

// kvmSteal is written by KVM whenever it enters the guest. It must have 64 bytes at an
// address that 64 divides.
var kvmSteal = BSS("kvm_steal", SizeOf[layout.KVMSteal[Mem]](), 64)

var stealOn = BSS("steal_on", 8, 8)

func stealInit() Func {
	return FUNC("steal_init", "steal_init makes KVM tell how long it had the CPU run others, if it offers that.",
		CALL(kvmLeaf),
		TESTL(RAX, RAX),
		JE("none"),
		ADDL(kvmFeatures, RAX),
		XORL(RCX, RCX),
		CALL(cpuid),
		BTL(kvmFeatureStealTime, RAX),
		JAE("none"),
		LEAQ(Sym(kvmSteal), RAX),
		MOVQ(uint64(layout.KernelBase), RDX),
		SUBQ(RDX, RAX), // its physical address, below 4 GiB
		ORL(kvmMSREnable, RAX),
		XORL(RDX, RDX),
		MOVL(uint32(msrKVMStealTime), RCX),
		WRMSR().Fault("none"),
		MOVQ(1, Sym(stealOn)),
		LABEL("none"),
		RETURN(),
	).Saving(RBX).Takes()
}

func stealEnd() Func {
	return FUNC("steal_end", "steal_end makes KVM write no more: the memory is about to belong to others.",
		CMPQ(Sym(stealOn), 0),
		IF(E, RETURN()),
		MOVL(uint32(msrKVMStealTime), RCX),
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		WRMSR(),
		RETURN(),
	).Takes()
}
