package engine

import (
	"context"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/record"
)

func init() {
	d := Defaults{Machine: vm.MicroVM, CPU: vm.HostModel, Boots: 20, Samples: 500}
	Register(Engine{
		Name: string(vm.KVM), Kind: Sampled, Unit: record.Cycles, Rank: 40, Ops: ops(record.Sampled),
		About: "cycles of this CPU in a virtual machine, where it has VMX or SVM",
		VM:    vm.KVM, Defaults: d,
		Includes:   wholeCall,
		Hypervisor: "KVMKVMKVM",
		Sample:     "boot",
		Available:  func(ctx context.Context) error { return vm.KVM.Available(ctx, boot.ProbeKVM) },
		Plan:       func(ctx context.Context, j Job) ([]Step, error) { return j.boots(ctx, vm.KVM, d) },
	})
}
