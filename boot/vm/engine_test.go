package vm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAvailable plays hosts with every kind of KVM.
func TestAvailable(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	device, missing := file("kvm", ""), filepath.Join(dir, "missing")
	intel := file("intel", "processor\t: 0\nflags\t\t: fpu vmx sse\n\nprocessor\t: 1\nflags\t: fpu\n")
	amd := file("amd", "flags\t\t: fpu svm\n")
	plain := file("plain", "flags\t\t: fpu vmxx xsvm\nvmx flags\t: vnmi svm\n")
	arm := file("arm", "Features\t: fp asimd\n")
	works := func(context.Context) error { return nil }
	fails := func(context.Context) error { return errors.New("init killed by signal 11") }
	never := func(context.Context) error { t.Error("the probe was booted"); return nil }
	fakeQEMU(t, "exit 0")

	tests := []struct {
		name   string
		engine Engine
		host   place
		probe  Probe
		want   string // in the error; "" if available
	}{
		{"icount needs no KVM", ICount, place{kvm: missing, cpuinfo: missing}, nil, ""},
		{"tcg needs no KVM", TCG, place{kvm: missing, cpuinfo: missing}, nil, ""},
		{"default", "", place{kvm: missing, cpuinfo: missing}, nil, ""},
		{"unknown", "warp", place{kvm: device, cpuinfo: intel}, nil, `unknown engine "warp"`},
		{"kvm on Intel", KVM, place{kvm: device, cpuinfo: intel}, works, ""},
		{"kvm on AMD", KVM, place{kvm: device, cpuinfo: amd}, works, ""},
		{"no device", KVM, place{kvm: missing, cpuinfo: intel}, never, "no " + missing},
		{"device cannot be opened", KVM, place{kvm: dir, cpuinfo: intel}, never, "is this user in the group kvm?"},
		{"no flag", KVM, place{kvm: device, cpuinfo: plain}, never, "neither vmx nor svm, so " + device + " is software"},
		{"no flags at all", KVM, place{kvm: device, cpuinfo: arm}, never, arm + " has no line of flags"},
		{"no cpuinfo", KVM, place{kvm: device, cpuinfo: missing}, never, "cannot tell whether the CPU has VMX or SVM"},
		{"no probe", KVM, place{kvm: device, cpuinfo: intel}, nil, "no image to probe it with"},
		{"probe fails", KVM, place{kvm: device, cpuinfo: intel}, fails, "init killed by signal 11"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.engine.availableOn(t.Context(), tt.host, tt.probe)
			if tt.want == "" {
				if err != nil {
					t.Errorf("not available: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("available: %v, want one line with %q", err, tt.want)
			}
		})
	}
	t.Run("no QEMU", func(t *testing.T) {
		t.Setenv("PATH", dir)
		if err := ICount.Available(t.Context(), nil); !errors.Is(err, ErrNoQEMU) {
			t.Errorf("Available = %v, want %v", err, ErrNoQEMU)
		}
	})
}

// TestAuto plays hosts, too: KVM is taken where it is real, and only there.
func TestAuto(t *testing.T) {
	dir := t.TempDir()
	cpu := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	device := cpu("kvm", "")
	amd := cpu("amd", "model name\t: AMD EPYC\nflags\t\t: fpu svm\n")
	none := cpu("none", "model name\t: AMD EPYC\nflags\t\t: fpu\n")
	works := func(context.Context) error { return nil }
	fails := func(context.Context) error { return ErrNoSyscall }
	never := func(context.Context) error { t.Error("the probe was booted"); return nil }
	fakeQEMU(t, "exit 0")
	for _, tt := range []struct {
		name  string
		host  place
		probe Probe
		want  string // the reason; "" if KVM is taken
	}{
		{"hardware", place{kvm: device, cpuinfo: amd}, works, ""},
		{"absent", place{kvm: filepath.Join(dir, "missing"), cpuinfo: amd}, never, "no " + dir},
		{"software", place{kvm: device, cpuinfo: none}, never, "is software"},
		{"unreadable", place{kvm: dir, cpuinfo: amd}, never, "is this user in the group kvm?"},
		{"emulated", place{kvm: device, cpuinfo: amd, model: "QEMU TCG CPU version 2.5+"}, never, "the CPU is emulated (QEMU TCG CPU version 2.5+)"},
		{"the probe fails", place{kvm: device, cpuinfo: amd}, fails, ErrNoSyscall.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, reason := autoOn(t.Context(), tt.host, tt.probe)
			switch {
			case tt.want == "" && (e != KVM || reason != ""):
				t.Errorf("%v, %q; want kvm", e, reason)
			case tt.want != "" && (e != ICount || !strings.HasPrefix(reason, "engine icount, not kvm: ") ||
				!strings.Contains(reason, tt.want) || strings.Contains(reason, "\n")):
				t.Errorf("%v, %q; want icount and one line with %q", e, reason, tt.want)
			}
		})
	}
}

// TestProbeImage has a fake QEMU that plays the probe image.
func TestProbeImage(t *testing.T) {
	kernel := anyFile(t)
	tests := []struct {
		name   string
		script string
		want   string // in the error; "" if the probe passes
	}{
		{"passes", "echo entrylab: init exited with status 0 >&4; exit 1", ""},
		{"status 1", "echo entrylab: init exited with status 1 >&4; exit 1", ErrNoSyscall.Error() + ": init exited with status 1"},
		{"signal", "echo 'entrylab: init killed by signal 11 (SIGSEGV)' >&4; exit 3", ErrNoSyscall.Error() + ": init killed by signal 11"},
		{"panic", "echo 'entrylab: panic: #GP\nentrylab: end of panic' >&4; exit 5", "the probe did not finish: panic: #GP"},
		{"triple fault", "exit 0", "the probe did not finish: CRASH: the machine was reset (a triple fault?)"},
		{"no KVM", "echo qemu: failed to initialize kvm >&2; exit 1", "the probe did not start: QEMU failed at start: qemu: failed to initialize kvm"},
		{"slow", "sleep 12; echo entrylab: init exited with status 0 >&4; exit 1", ""},
		{"not asked for KVM", `case "$*" in *"-accel kvm"*) exit 9;; esac`, "exit code is 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fakeQEMU(t, tt.script)
			err := ProbeImage(kernel, "")(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("probe: %v, want %q", err, tt.want)
			}
		})
	}
}
