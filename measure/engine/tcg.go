package engine

import (
	"context"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/record"
)

// emulatorsClock says why samples of an emulator's guest are not a CPU's costs.
const emulatorsClock = "an emulator's clock says nothing about a CPU's cycles"

// Plain TCG is for correctness. It takes samples as KVM does, which shows that all steps
// from the machine to the table work.
func init() {
	d := Defaults{Machine: vm.MicroVM, CPU: vm.DefaultCPU, Boots: 20}
	Register(Engine{
		Name: string(vm.TCG), Kind: Sampled, Unit: record.Cycles, Rank: 70, Ops: ops(record.Sampled),
		About: "QEMU without a clock of its own, for correctness",
		VM:    vm.TCG, Defaults: d, Emulated: true,
		Includes:   wholeCall,
		Hypervisor: "TCGTCGTCGTCG", Meaningless: emulatorsClock,
		Costless:  "its time measures the emulator, not the code; use icount",
		Sample:    "boot",
		Available: func(ctx context.Context) error { return vm.TCG.Available(ctx, nil) },
		Plan:      func(ctx context.Context, j Job) ([]Step, error) { return j.boots(ctx, vm.TCG, d) },
	})
}
