package picture_test

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/picture"
	"github.com/entrylab/entrylab/stubs"
)

// A slot is filled at entry, or only by the fix-up.
func ExampleSlot() {
	for _, name := range []string{"linux-3.19", "heukelum-v2"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := picture.Slot(v.Axes, layout.SlotSP)
		fmt.Printf("%s: %s: %s\n", name, layout.SlotSP, text)
	}
	// Output:
	// linux-3.19: sp: by the fix-up
	// heukelum-v2: sp: user RSP
}
