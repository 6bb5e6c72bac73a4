package engine_test

import (
	"context"
	"fmt"

	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// An engine is found by its name, and hands out records.
func ExampleRunner_Run() {
	var list []stubs.Variant
	for _, name := range []string{"linux-3.19", "heukelum-v2"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		list = append(list, v)
	}
	static, _ := engine.Find("static")
	out, err := engine.Runner{Job: engine.Job{Subjects: list}, Note: func(string) {}}.Run(context.Background(), static)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range out.Records {
		if r.Op == "insns" {
			fmt.Println(r.Variant, r.Median, r.Unit)
		}
	}
	// Output:
	// linux-3.19 40 instructions
	// heukelum-v2 46 instructions
}
