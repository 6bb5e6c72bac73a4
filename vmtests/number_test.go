package vmtests

import (
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestNumber runs testdata/c/number.c: the number of a call is RAX, or as in Linux
// 6.12 EAX.
func TestNumber(t *testing.T) {
	t.Parallel()
	init := cProgram(t, "number")
	for _, p := range programVariants(t) {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			want := "1 -38 -38 -38 -38\n" // PID 1, -ENOSYS
			if p.Axes.IntNumber() {
				want = "1 1 1 -38 -38\n"
			}
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{p}, Init: init, VM: machineFor(t, p, vm.ICount)})
			if res.Outcome != vm.Exited || res.Status != 0 || console != want {
				t.Errorf("console is %q, want %q\n%s", console, want, res.Report())
			}
		})
	}
}
