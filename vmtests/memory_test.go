package vmtests

import (
	"cmp"
	"os/exec"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestMemory runs testdata/memory, which checks what the memory calls do, on
// machines that differ in what the kernel's memory management heeds; and on
// the host, to show that what it expects is what Linux does.
func TestMemory(t *testing.T) {
	t.Parallel()
	path := program(t, "memory")
	t.Run("host", func(t *testing.T) {
		if out, err := exec.CommandContext(t.Context(), path, "300").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for _, tt := range []struct {
		name   string
		cpu    string
		memory int // MiB
		model  vm.Machine
		rounds string // of churn; as many as give a small machine all of its RAM often
	}{
		{name: "plain"},
		{name: "no SMAP and SMEP", cpu: "qemu64"},
		{name: "little RAM", memory: 8, rounds: "3000"},
		{name: "RAM above 4 GiB", memory: 5000},
		{name: "q35", model: vm.Q35},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.CPU, m.MemoryMiB, m.Machine = tt.cpu, tt.memory, tt.model
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: path, Args: []string{cmp.Or(tt.rounds, "300")}, VM: m})
			if res.Outcome != vm.Exited || res.Status != 0 {
				t.Errorf("%v, status %d: %s\n%s%s", res.Outcome, res.Status, res.Reason, console, res.Report())
			}
		})
	}
}
