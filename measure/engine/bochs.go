package engine

import (
	"context"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/record"
)

func init() {
	d := Defaults{Machine: vm.PC, CPU: vm.BochsCPU, Boots: 1}
	Register(Engine{
		Name: string(vm.Bochs), Kind: Exact, Unit: record.Instructions, Rank: 20, Ops: ops(record.Operations),
		About: "another emulator, which counts the same and has PCIDs",
		VM:    vm.Bochs, Defaults: d, Emulated: true, Features: layout.FeaturePCID,
		Includes:   wholeCall,
		Hypervisor: "bochs", Meaningless: emulatorsClock,
		Available: func(ctx context.Context) error { return vm.Bochs.Available(ctx, nil) },
		Plan: func(ctx context.Context, j Job) ([]Step, error) {
			step, err := j.target(vm.Bochs, d).counts(ctx)
			return []Step{step}, err
		},
	})
}
