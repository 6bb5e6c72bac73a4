package vmtests

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// cProgram compiles a program of testdata/c with the static glibc.
func cProgram(t *testing.T, name string) string {
	t.Helper()
	gcc := need.Tool(t, "gcc")
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.CommandContext(t.Context(), gcc, "-O2", "-Wall", "-Wextra", "-static", "-pthread",
		"-o", path, filepath.Join("testdata", "c", name+".c"), "-lm").CombinedOutput()
	switch {
	case err != nil && strings.Contains(string(out), "cannot find -l"):
		need.Missing(t, "no static C library: run `make deps`")
	case err != nil || len(out) > 0:
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestC runs static glibc programs as init: signals and stress on every
// entry path, as the frame that they save and restore is the path's, the others
// on the oldest and the newest.
func TestC(t *testing.T) {
	var all []stubs.Named
	for _, p := range stubs.Presets() {
		all = append(all, p.Named)
	}
	ends := []stubs.Named{variant(t, "linux-3.19"), variant(t, "linux-4.1")}
	for _, tt := range []struct {
		name     string
		engine   vm.Engine
		variants []stubs.Named
	}{
		{"signals", vm.ICount, all},
		{"stress", vm.ICount, all},
		{"threads", vm.TCG, ends},
		{"queue", vm.TCG, ends},
		{"robust", vm.TCG, ends},
		{"timers", vm.TCG, ends},
		{"sched", vm.ICount, ends}, // its sleeps are compared
		{"fpu", vm.TCG, ends},
		{"libc", vm.TCG, ends},
	} {
		t.Run(tt.name, func(t *testing.T) {
			program := cProgram(t, tt.name)
			for _, v := range tt.variants {
				if v.Variant.Bare {
					continue
				}
				t.Run(v.Name, func(t *testing.T) {
					t.Parallel()
					res, console := bootInit(t, lab.Config{Variants: []stubs.Named{v}, Init: program, VM: machineFor(t, v, tt.engine)})
					reportParts(t, res, console)
				})
			}
		})
	}
}
