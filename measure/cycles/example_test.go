package cycles_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
)

// The console of a machine that was booted twice, with 20 samples of each operation, and
// whose variant b takes 2 cycles more than a.
func ExampleParse() {
	console := cyclestest.Quiet(2, 20, 2).Console(rand.New(rand.NewPCG(1, 2)))
	boots, damaged, err := cycles.Parse("serial.log", strings.NewReader(console))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(boots), "boots,", len(damaged), "damaged")
	for i := range boots {
		for _, v := range boots[i].Variants() {
			if f, ok := boots[i].Find(v, wire.OpNullCall); ok {
				fmt.Printf("%s, %s: %.1f cycles\n", boots[i].Source, v, f.Low)
			}
		}
	}
	// Output:
	// 2 boots, 0 damaged
	// serial.log:1, a: 148.0 cycles
	// serial.log:1, b: 150.0 cycles
	// serial.log:1, bare: 88.0 cycles
	// serial.log:16, a: 148.0 cycles
	// serial.log:16, b: 150.0 cycles
	// serial.log:16, bare: 88.0 cycles
}
