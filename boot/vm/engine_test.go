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
		host   host
		probe  Probe
		want   string // in the error; "" if available
	}{
		{"icount needs no KVM", ICount, host{missing, missing}, nil, ""},
		{"tcg needs no KVM", TCG, host{missing, missing}, nil, ""},
		{"default", "", host{missing, missing}, nil, ""},
		{"unknown", "warp", host{device, intel}, nil, `unknown engine "warp"`},
		{"kvm on Intel", KVM, host{device, intel}, works, ""},
		{"kvm on AMD", KVM, host{device, amd}, works, ""},
		{"no device", KVM, host{missing, intel}, never, "no " + missing},
		{"device cannot be opened", KVM, host{dir, intel}, never, "is this user in the group kvm?"},
		{"no flag", KVM, host{device, plain}, never, "neither vmx nor svm, so " + device + " is software"},
		{"no flags at all", KVM, host{device, arm}, never, arm + " has no line of flags"},
		{"no cpuinfo", KVM, host{device, missing}, never, "cannot tell whether the CPU has VMX or SVM"},
		{"no probe", KVM, host{device, intel}, nil, "no image to probe it with"},
		{"probe fails", KVM, host{device, intel}, fails, "did not see SYSCALL arrive at CPL 0: init killed by signal 11"},
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

// TestAuto needs a host whose KVM is not to be used, whatever the reason: it
// has no probe.
func TestAuto(t *testing.T) {
	e, reason := Auto(t.Context(), nil)
	if e != ICount || !strings.HasPrefix(reason, "engine icount, not kvm: ") || strings.Contains(reason, "\n") {
		t.Errorf("Auto = %v, %q; want icount and a reason in one line", e, reason)
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
		{"status 1", "echo entrylab: init exited with status 1 >&4; exit 1", "init exited with status 1"},
		{"triple fault", "exit 0", "triple fault"},
		{"no KVM", "echo qemu: failed to initialize kvm >&2; exit 1", "failed to initialize kvm"},
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
