package vmtests

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// cProgram compiles a program of testdata/c with the static glibc; linkage are the
// options for that, by default -static.
func cProgram(t *testing.T, name string, linkage ...string) string {
	t.Helper()
	if path := builtProgram(cName(name, linkage)); path != "" {
		return path
	}
	gcc := need.Tool(t, "gcc")
	path := filepath.Join(t.TempDir(), name)
	if len(linkage) == 0 {
		linkage = []string{"-static"}
	}
	args := append([]string{"-O2", "-Wall", "-Wextra", "-pthread"}, linkage...)
	args = append(args, "-o", path, filepath.Join("testdata", "c", name+".c"), "-lm")
	out, err := exec.CommandContext(t.Context(), gcc, args...).CombinedOutput()
	switch {
	case err != nil && strings.Contains(string(out), "cannot find -l"):
		need.Missing(t, "no static C library: run `make deps`")
	case err != nil || len(out) > 0:
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// cName returns the path of a program of testdata/c among those that are built: a folder
// tells it from those of Go, another by its linkage.
func cName(name string, linkage []string) string {
	return filepath.Join("c", strings.Join(linkage, " "), name)
}

// TestC runs static glibc programs as init: signals and stress on more entry paths,
// as the frame that they save and restore is the path's, the others on two.
func TestC(t *testing.T) {
	t.Parallel()
	all := programVariants(t)
	ends := []stubs.Variant{variant(t, "linux-3.19"), variant(t, "linux-4.1")}
	for _, tt := range []struct {
		name     string
		engine   vm.Engine
		variants []stubs.Variant
	}{
		{"signals", vm.ICount, all},
		{"stress", vm.ICount, all},
		{"threads", vm.TCG, ends},
		{"queue", vm.TCG, ends},
		{"robust", vm.ICount, ends}, // in these sleeps say who comes first
		{"timers", vm.ICount, ends},
		{"pi", vm.ICount, ends},
		{"sched", vm.ICount, ends}, // its sleeps are compared
		{"fpu", vm.TCG, ends},
		{"libc", vm.TCG, ends},
		{"leaks", vm.TCG, ends},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			program := cProgram(t, tt.name)
			for _, v := range tt.variants {
				t.Run(v.Name, func(t *testing.T) {
					t.Parallel()
					res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: program, VM: machineFor(t, v, tt.engine)})
					reportParts(t, res, console)
				})
			}
		})
	}
}

// TestStaticPIE runs a program that is position-independent, with segments
// aligned as usual and to 2 MiB.
func TestStaticPIE(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		linkage []string
	}{
		{"fixed", nil},
		{"page", []string{"-static-pie", "-fPIE"}},
		{"2 MiB", []string{"-static-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			program := cProgram(t, "image", tt.linkage...)
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program, VM: machine(t, vm.ICount)})
			reportParts(t, res, console)
		})
	}
}
