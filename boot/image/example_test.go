package image_test

import (
	"fmt"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/stubs"
)

// An image has the listing of each function that it holds.
func ExampleBuild() {
	v, err := stubs.ParseVariant("bare")
	if err != nil {
		fmt.Println(err)
		return
	}
	im, err := image.Build(image.Config{Variants: []stubs.Variant{v}})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, _ := im.Object.Listing(v.FuncName(stubs.Entry))
	for _, r := range l.Rows {
		if r.Label == "" {
			fmt.Println(r.Ins)
		}
	}
	// Output:
	// XORL    RAX, RAX
	// SYSRETQ
}
