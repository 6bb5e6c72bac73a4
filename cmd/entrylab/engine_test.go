package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
)

// addedEngine is the variable that adds engines to a command which a test plays: one
// that counts the letters of names, and one that boots a machine.
const addedEngine = "PLAY_ADDED_ENGINE"

func addEngine() {
	name := record.Operation{Op: wire.OpNullCall, Title: "name", Short: "name", Bench: "Name"}
	engine.Register(engine.Engine{
		Name: "letters", About: "counts the letters of names", Kind: engine.Exact, Unit: record.Bytes, Rank: 25,
		Ops: []engine.Op{{Operation: name}}, Emulated: true, Includes: "vowels included",
		Plan: func(_ context.Context, j engine.Job) ([]engine.Step, error) {
			c := engine.HostConfig()
			c.Engine, c.Machine, c.CPU, c.Code = "letters", "none", "any", "names"
			return []engine.Step{{
				Config: c,
				Done:   func(have []record.Record) bool { return len(have) > 0 },
				Run: func(_ context.Context, out engine.Out) error {
					for _, n := range j.Subjects {
						x := float64(len(n.Name))
						m := wire.Measure{Variant: n.Name, Op: name.Op, N: 1, Batches: 1, Min: x, Median: x, Max: x, Agree: 1}
						if err := out.Records(record.New(c, m, n.Axes.String(), record.Bytes, 0, time.Now())); err != nil {
							return err
						}
					}
					return nil
				},
			}}, nil
		},
	})
	engine.Register(engine.Engine{
		Name: "added", About: "boots a machine", Kind: engine.Exact, Unit: record.Bytes, Rank: 26, Ops: []engine.Op{{Operation: name}},
		VM: "added", Defaults: engine.Defaults{Machine: vm.PC, CPU: "its own"},
		Plan: func(context.Context, engine.Job) ([]engine.Step, error) { return nil, nil },
	})
}

// TestAddedEngine: what one file registers is in the help texts, is taken by -engine,
// and its figures are printed.
func TestAddedEngine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		output []string
	}{
		{"boot", []string{"boot", "-h"}, []string{"bochs, added, kvm", "for added its own"}},
		{"verify", []string{"verify", "-h"}, []string{"bochs, added, kvm"}},
		{"compare", []string{"compare", "-h"}, []string{"letters, added"}},
		{"study", []string{"study", "-h"}, []string{"letters, added"}},
		{"its figures", []string{"compare", "-engine", "letters", "linux-4.1", "heukelum-v2"}, []string{"vowels included", "+2"}},
		{"none of that name", []string{"compare", "-engine", "digits", "linux-4.1", "heukelum-v2"}, []string{"letters, added"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], tt.args...)
			cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1", addedEngine+"=1")
			out, err := cmd.CombinedOutput()
			if _, ended := err.(*exec.ExitError); err != nil && !ended {
				t.Fatal(err)
			}
			text := strings.Join(strings.Fields(string(out)), " ") // as if no line were broken
			for _, want := range tt.output {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}
