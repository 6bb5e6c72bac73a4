package lab

import (
	"context"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// ProbeKVM is the vm.Probe of this kernel: it boots the guest under KVM. The
// guest's own system calls reach the kernel only if SYSCALL arrives at CPL 0:
// at any other level the entry's SWAPGS is a #GP.
func ProbeKVM(ctx context.Context) error {
	plain, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		return err
	}
	m, err := Prepare(ctx, Config{Variants: []stubs.Named{plain}, Args: []string{"verify"}})
	if err != nil {
		return err
	}
	return vm.ProbeImage(m.Kernel, m.Initrd)(ctx)
}
