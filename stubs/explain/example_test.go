package explain_test

import (
	"fmt"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/explain"
)

// Beside each instruction stands what the proof knows of it.
func ExampleObject() {
	v, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	im, err := image.Build(image.Config{Variants: []stubs.Variant{v}})
	if err != nil {
		fmt.Println(err)
		return
	}
	explained, err := explain.Object(im.Object, v)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range explained.Funcs {
		if f.Name != "entry_SYSCALL_64" {
			continue
		}
		for _, r := range f.Rows[1:8] {
			fmt.Print(r.Plain)
			for _, e := range r.Effects {
				fmt.Printf("   %s = %s", e.Name, e.Value)
			}
			fmt.Println()
		}
	}
	// Output:
	// MOVQ RSP, PerCPU.RSPScratch(GS)
	// MOVQ PerCPU.TopOfStack(GS), RSP   RSP = stack.top
	// PUSHQ $0x2b   ss = 0x2b
	// PUSHQ PerCPU.RSPScratch(GS)   sp = user.RSP
	// STI
	// PUSHQ R11   flags = user.RFLAGS
	// PUSHQ $0x33   cs = 0x33
}
