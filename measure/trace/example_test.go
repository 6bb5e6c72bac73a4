package trace_test

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/trace"
)

// Two paths through one function, of which the second stores a register more.
func ExampleDiff() {
	load, store, ret := []byte{0x48, 0x8b, 0x47, 0x08}, []byte{0x48, 0x89, 0x47, 0x10}, []byte{0xc3}
	path := func(code ...[]byte) (p trace.Path) {
		at := uint64(0x1000)
		for _, c := range code {
			p.Steps = append(p.Steps, trace.Step{Addr: at, Code: c, Func: "f", Start: 0x1000})
			at += uint64(len(c))
		}
		return p
	}
	pairs, err := trace.Diff(path(load, ret), path(load, store, ret))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range pairs {
		switch {
		case p.Left == nil:
			fmt.Println("+", p.Right.Text())
		case p.Right == nil:
			fmt.Println("-", p.Left.Text())
		default:
			fmt.Println(" ", p.Right.Text())
		}
	}
	_, all := trace.ByPart(pairs)
	fmt.Println(all)
	// Output:
	//   mov 0x8(%rdi),%rax
	// + mov %rax,0x10(%rdi)
	//   retq
	// +1 instruction, +1 store
}
