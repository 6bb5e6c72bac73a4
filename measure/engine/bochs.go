package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
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
			d := d
			if vm.BochsFRED(ctx) == nil && slices.ContainsFunc(j.Subjects, needsFRED) {
				d.CPU = vm.BochsFREDCPU
			}
			generated, real := j.targets(vm.Bochs, d)
			if len(real) > 0 {
				return nil, fmt.Errorf("%s: engine bochs boots a disk image, which only the generated kernel has: use -engine icount", real[0].linux.name)
			}
			step, err := generated.counts(ctx)
			return []Step{step}, err
		},
	})
}

// needsFRED reports whether the variant runs on no CPU without FRED.
func needsFRED(v stubs.Variant) bool { return v.Axes.Is(stubs.EntryFRED) }
