package gnuas_test

import (
	"context"
	"fmt"

	"github.com/entrylab/entrylab/stubs/gnuas"
	"github.com/entrylab/entrylab/stubs/prove"
)

// A file for the GNU assembler is a variant like any other. It takes as, and so this
// example is compiled and not run.
func ExampleLoad() {
	v, err := gnuas.Load(context.Background(), "mine.S")
	if err != nil {
		fmt.Println(err)
		return
	}
	proof, err := prove.Prove(v)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proof)
}
