package vmtests

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestCPURefused boots on CPUs that cannot run the kernel: one sentence says why.
func TestCPURefused(t *testing.T) {
	t.Parallel()
	const noNX, noLM = "cannot boot: the CPU has no NX, or the firmware has turned it off", "cannot boot: the CPU has no 64-bit mode"
	for _, tt := range []struct {
		name, cpu string
		format    image.Format
		machine   vm.Machine
		uefi      bool
		want      string
	}{
		{name: "PVH, no NX", cpu: "max,-nx", format: image.ELF, want: noNX},
		{name: "PVH, no long mode", cpu: "max,-lm", format: image.ELF, want: noLM},
		{name: "PVH, a 32-bit CPU", cpu: "pentium3", format: image.ELF, want: noLM},
		{name: "setup code, no NX", cpu: "max,-nx", format: image.EFI, machine: vm.PC, want: noNX},
		{name: "setup code, a 32-bit CPU", cpu: "pentium3", format: image.EFI, machine: vm.PC, want: noLM},
		{name: "disk, no NX", cpu: "max,-nx", format: image.Disk, machine: vm.PC, want: noNX},
		{name: "disk, a 32-bit CPU", cpu: "pentium3", format: image.Disk, machine: vm.PC, want: noLM},
		{name: "UEFI, no NX", cpu: "max,-nx", format: image.EFI, machine: vm.Q35, uefi: true, want: noNX},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.uefi {
				needOVMF(t)
			}
			m := machine(t, vm.TCG)
			m.CPU, m.Machine, m.UEFI, m.MemoryMiB = tt.cpu, tt.machine, tt.uefi, 256
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: tt.format, Init: program(t, "words"), VM: m})
			if res.Outcome != vm.Refused || res.Reason != tt.want || tt.uefi && !strings.Contains(console, tt.want) {
				t.Errorf("console %q; want a refusal with %q\n%s", console, tt.want, res.Report())
			}
		})
	}
}
