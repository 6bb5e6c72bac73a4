package vmtests

import (
	"os/exec"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestPtrace runs testdata/c/ptrace.c: a tracer that looks at a stopped child, changes it and
// lets it go on, with what it may and may not write. The registers of a stopped child come
// through the path's own slow exit, so it runs on several. On the host it shows that what it
// expects is what Linux does.
func TestPtrace(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "ptrace")
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		if out, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for _, v := range processVariants(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			reportParts(t, res, console)
		})
	}
}
