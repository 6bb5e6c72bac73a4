package boot_test

import (
	"context"
	"fmt"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// A kernel with two variants is booted, and checks both. It takes QEMU, and so this
// example is compiled and not run.
func ExampleRunGuest() {
	var list []stubs.Variant
	for _, name := range []string{"linux-3.19", "linux-4.1"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		list = append(list, v)
	}
	run, err := boot.RunGuest(context.Background(), boot.Config{Variants: list, Args: []string{"verify"}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range list {
		fmt.Printf("%s: %d checks pass, %d fail\n", v.Name, run.Count(v.Name, wire.Pass), run.Count(v.Name, wire.Fail))
	}
}
