package vmtests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/stubs"
)

// needKVM asks for what tests of engine kvm alone need, and tells whether its CPU is
// emulated.
func needKVM(t *testing.T) (emulated bool) {
	t.Helper()
	if err := vm.KVM.Available(t.Context(), boot.ProbeKVM); err != nil {
		need.Absent(t, need.KVM, err.Error())
	}
	model, _ := host.Model()
	return host.Emulated(model)
}

// TestAutoKVM: engine auto is KVM on a real CPU, and says why it is not on an emulated
// one.
func TestAutoKVM(t *testing.T) {
	emulated := needKVM(t)
	auto, reason := vm.Auto(t.Context(), boot.ProbeKVM)
	if (auto == vm.KVM) == emulated || emulated != strings.Contains(reason, "the CPU is emulated") {
		t.Errorf("auto is %v (%q), and the CPU is emulated: %v", auto, reason, emulated)
	}
}

// TestKVMCommand runs the command on engine kvm.
func TestKVMCommand(t *testing.T) {
	emulated := needKVM(t)
	type row struct {
		name, args string
		user       uint32
		status     int
		want       string
	}
	rows := []row{{"verify", "verify -engine kvm -variants linux-3.19", 0, 0, "engine kvm, machine microvm"}}
	if emulated { // else it takes an hour
		rows = append(rows, row{"study", "study -engines kvm -o /dev/null", 0, 2, "an emulator's clock says nothing about a CPU's cycles"})
	}
	if os.Getuid() == 0 {
		rows = append(rows, row{"no right to open it", "verify -engine kvm", 65534, 2, "open /dev/kvm: permission denied: is this user in the group kvm?"})
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), command(t, "../cmd/entrylab"), strings.Fields(tt.args)...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
			if tt.user != 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: tt.user, Gid: tt.user}}
			}
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != tt.status || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v, want status %d and %q\n%s", err, tt.status, tt.want, out)
			}
		})
	}
}

// TestKVMResume interrupts boots under KVM that take samples, and goes on: what was
// measured stays, and is not measured again.
func TestKVMResume(t *testing.T) {
	needKVM(t)
	kvm, _ := engine.Find(string(vm.KVM))
	path := filepath.Join(t.TempDir(), "results.jsonl")
	const boots, stop = stats.MinPlacements, 3
	var kept []record.Record
	for _, interrupted := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		file, old, _, err := store.Open(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		job := engine.Job{Subjects: []stubs.Variant{linux319(t)}, Machine: machine(t, vm.KVM), Boots: boots, Samples: 2, Progress: func(step string) {
			if interrupted && strings.HasSuffix(step, fmt.Sprintf("boot %d of %d", stop, boots)) {
				cancel()
			}
		}}
		out, err := engine.Runner{Job: job, Store: file, Old: old, Note: func(string) {}}.Run(ctx, kvm)
		if closed := file.Close(); closed != nil {
			t.Fatal(closed)
		}
		if interrupted {
			if !errors.Is(err, context.Canceled) || len(engine.Boots(out.Records)) != stop-1 {
				t.Fatalf("%d boots before the interruption, want %d: %v", len(engine.Boots(out.Records)), stop-1, err)
			}
			kept = out.Records
			continue
		}
		again := engine.Boots(out.Records[len(old):])
		if err != nil || len(again) != boots-(stop-1) || len(engine.Boots(out.Asked)) != boots {
			t.Errorf("%d boots in all, %d of them measured now; want %d and %d: %v", len(engine.Boots(out.Asked)), len(again), boots, boots-(stop-1), err)
		}
		if len(old) != len(kept) {
			t.Errorf("%d records were kept of %d", len(old), len(kept))
		}
	}
}
