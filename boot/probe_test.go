package boot

import (
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
)

// TestProbeImage boots what ProbeKVM boots, without KVM: it must see the SYSCALL
// arrive.
func TestProbeImage(t *testing.T) {
	need.QEMU(t)
	kernel, initrd, err := probeImage()
	if err != nil {
		t.Fatal(err)
	}
	res, err := vm.Run(t.Context(), vm.Config{Engine: vm.TCG, Kernel: kernel, Initrd: initrd})
	if err != nil || res.Outcome != vm.Exited || res.Status != 0 {
		t.Errorf("%v\n%s", err, res.Report())
	}
}
