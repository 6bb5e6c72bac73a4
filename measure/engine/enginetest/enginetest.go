// Package enginetest adds an engine from outside, for tests: a program that imports it
// has one more engine.
package enginetest

import (
	"context"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
)

// Name is the engine's name.
const Name = "letters"

// The engine counts the letters in the names of its subjects.
func init() {
	engine.Register(engine.Engine{
		Name: Name, About: "counts the letters of names", Kind: engine.Exact, Unit: record.Bytes, Rank: 25,
		Ops:      []engine.Op{{Operation: record.Operation{Op: wire.OpNullCall, Title: "name", Short: "name", Bench: "Name"}}},
		Emulated: true, Includes: "vowels included",
		Notes: func(*engine.Account) []string { return []string{"a letter is no instruction"} },
		Plan:  plan,
	})
}

func plan(_ context.Context, j engine.Job) ([]engine.Step, error) {
	c := engine.HostConfig()
	c.Engine, c.Machine, c.CPU, c.Code = Name, "none", "any", "names"
	return []engine.Step{{
		Title:  "the names",
		Config: c,
		Done:   func(have []record.Record) bool { return len(have) > 0 && have[len(have)-1].Engine == Name },
		Run: func(_ context.Context, out engine.Out) error {
			for _, n := range j.Subjects {
				x := float64(len(n.Name))
				m := wire.Measure{Variant: n.Name, Op: wire.OpNullCall, N: 1, Batches: 1, Min: x, Median: x, Max: x, Agree: 1}
				if err := out.Records(record.New(c, m, n.Axes.String(), record.Bytes, 0, time.Now())); err != nil {
					return err
				}
			}
			return nil
		},
	}}, nil
}
