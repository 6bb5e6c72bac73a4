package vmtests

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestLeaksCatches runs testdata/c/leaks.c on kernels that are patched to lose
// what it has given back.
func TestLeaksCatches(t *testing.T) {
	t.Parallel()
	program := cProgram(t, "leaks")
	for _, tt := range []struct {
		name, function string
		old, new       string // machine code, which the function has once
		part           string // of leaks.c
	}{
		{
			"a pipe", "release_pipe",
			"480b45207523", "480b4520eb23", // ORQ(pipe.Writer, RAX); JNE over its end becomes JMP
			"pipes",
		},
		{
			"the pages of a memfd", "release_memfd",
			"4885ff7508", "4885ff9090", // TESTQ(RDI, RDI); JNE to what frees them becomes NOPs
			"memfds",
		},
		{
			"an area", "remove_area",
			"4889fe488d", "eb0dfe488d", // MOVQ(RDI, RSI), ... CALL(slab_free) becomes JMP behind it
			"areas",
		},
		{
			"an open file", "fput",
			"5e488d3d", "5eeb0a3d", // POPQ(RSI), ... CALL(slab_free) becomes JMP behind it
			"files",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program, VM: machine(t, vm.TCG)})
			if err != nil {
				t.Fatal(err)
			}
			m.Kernel = patched(t, m.Kernel, tt.function, tt.old, tt.new)
			res, console := bootMachine(t, m)
			// What is lost may be all of the memory, and the rest of the program then dies of it.
			if !strings.Contains(console, "FAILED "+tt.part+": ") {
				t.Errorf("not caught: %v\n%s\n%s", res.Outcome, console, res.Report())
			}
		})
	}
}
