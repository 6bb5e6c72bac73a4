package nightly_test

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/nightly"
)

// A matrix is a small file; a key that it does not know is an error with its line.
func ExampleParseMatrix() {
	_, err := nightly.ParseMatrix("lab.toml", []byte("subjects = [\"linux-6.12\"]\nengine = [\"static\"]\n"))
	fmt.Println(err)
	// Output:
	// lab.toml:2: no key "engine": did you mean engines? want subjects, base, engines, machines, cpus, hosts, verify, boots
}
