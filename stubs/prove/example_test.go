package prove_test

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// A variant is proved by itself; nothing is booted.
func ExampleProve() {
	v, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	proof, err := prove.Prove(v)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proof.Outcome(), len(proof.Failed()))
	// Output:
	// proved 0
}

// An entry that answers without having saved anything is refuted, with the
// instruction at which it shows.
func ExampleProve_refuted() {
	v, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	v.Name = "wrong"
	v.Edit = func(p *asm.Program) error {
		return p.Replace(asm.FUNC(v.FuncName(stubs.Entry), "wrong answers -ENOSYS, and lets the user's RDI be 0.",
			asm.MOVQ(-38, asm.RAX),
			asm.MOVQ(0, asm.RDI),
			asm.SYSRETQ(),
		).In("entry"))
	}
	proof, err := prove.Prove(v)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proof.Outcome())
	for _, c := range proof.Failed() {
		fmt.Println(c.What)
	}
	// Output:
	// refuted
	// RDI returns right by SYSRETQ
	// only numbers beyond the table have no handler
	// no work is pending
}
