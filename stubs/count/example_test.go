package count_test

import (
	"fmt"

	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// The counts of a phase, of the code of two variants.
func ExampleVariants() {
	var list []stubs.Variant
	for _, name := range []string{"linux-3.19", "heukelum-v2"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		list = append(list, v)
	}
	counted, err := count.Variants(list)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range counted {
		c := v.Counts[0]
		fmt.Printf("%s, %s: %d instructions, %d stores\n", v.Name, count.Phases[0].Name, c.Instructions, c.Stores)
	}
	// Output:
	// linux-3.19, entry: 22 instructions, 12 stores
	// heukelum-v2, entry: 28 instructions, 17 stores
}
