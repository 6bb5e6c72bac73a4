package vmtests

import (
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/stubs"
)

// TestStealTold gives the kernel hypervisors that tell, or do not, what time they take
// for others.
func TestStealTold(t *testing.T) {
	t.Parallel()
	hypervisor := leaf{ecx: 1 << 31}
	for _, tt := range []struct {
		name   string
		leaves map[uint32]leaf
		want   string // StolenOn, Stolen
	}{
		{"told", map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0001, "KVMKVMKVM"), 0x4000_0001: {eax: 1 << 5}}, "1 12345"},
		{"not offered", map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0001, "KVMKVMKVM"), 0x4000_0001: {eax: 1 << 4}}, "0 "},
		{"another hypervisor", map[uint32]leaf{1: hypervisor, 0x4000_0000: signed(0x4000_0001, "VMwareVMware"), 0x4000_0001: {eax: 1 << 5}}, "0 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s layout.Stats[layout.Word]
			config := clockConfig(t, machine(t, vm.ICount))
			on, at := strconv.Itoa(int(unsafe.Offsetof(s.StolenOn)/8)), strconv.Itoa(int(unsafe.Offsetof(s.Stolen)/8))
			config.Args = []string{config.Args[0], on, at, on}
			config.Variants[0].Edit = fakeCPUID(tt.leaves, 0, 0)
			prepared, err := boot.Prepare(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			prepared.Kernel = replaced(t, prepared.Kernel, "cpuid", "fake_cpuid")
			if res, console := bootMachine(t, prepared); res.Outcome != vm.Exited || !strings.HasPrefix(console, tt.want) {
				t.Errorf("console %q, want %q first\n%s", console, tt.want, res.Report())
			}
		})
	}
}

// TestKVMStolen takes samples under KVM on a CPU that something else keeps busy: KVM must
// tell, and samples must be dropped for it.
func TestKVMStolen(t *testing.T) {
	needKVM(t)
	cpu, err := vm.PinCPU()
	if err != nil {
		t.Fatal(err)
	}
	m := machine(t, vm.KVM)
	m.HostCPU = &cpu
	var done atomic.Bool
	defer done.Store(true)
	for range runtime.NumCPU() {
		go func() {
			for !done.Load() {
			}
		}()
	}
	do := wire.Command{Sample: true, Samples: 4}
	res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Args: do.Words(), VM: m})
	boots, damaged, err := cycles.Parse("the console", strings.NewReader(console))
	if err != nil || len(damaged) > 0 || len(boots) != 1 {
		t.Fatalf("%d boots, damaged %q (%v)\n%s", len(boots), damaged, err, res.Report())
	}
	t.Logf("%d of %d samples dropped", boots[0].Stolen, boots[0].Taken)
	if b := boots[0]; !b.StealTold || b.Stolen == 0 || b.Taken <= b.Stolen {
		t.Errorf("steal time told: %v, %d of %d samples dropped", b.StealTold, b.Stolen, b.Taken)
	}
}
