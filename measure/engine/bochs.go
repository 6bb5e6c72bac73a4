package engine

import (
	"context"
	"fmt"

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
			generated, real := j.targets(vm.Bochs, d)
			if len(real) > 0 {
				return nil, fmt.Errorf("%s: engine bochs boots a disk image, which only the generated kernel has: use -engine icount", real[0].linux.name)
			}
			step, err := generated.counts(ctx)
			return []Step{step}, err
		},
	})
}
