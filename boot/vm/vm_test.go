package vm

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/internal/need"
)

func TestCommandLine(t *testing.T) {
	const (
		tail  = "-smp 1 -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 -display none -monitor none -serial stdio -debugcon file:/dev/stderr"
		clock = "-icount shift=0,sleep=off -rtc base=2024-01-01,clock=vm -seed 1"
	)
	tests := []struct {
		name string
		c    Config
		want string
	}{
		{
			name: "defaults",
			c:    Config{Kernel: "images/x.elf"},
			want: "qemu-system-x86_64 -M microvm,acpi=off -nodefaults -accel tcg " + clock + " -cpu max -m 128 " + tail + " -kernel images/x.elf",
		},
		{
			name: "all set",
			c: Config{
				Engine: TCG, Machine: PC, CPU: "qemu64", MemoryMiB: 64, Kernel: "k", Initrd: "i",
				Append: "it's quiet", Extra: []string{"-s", "-S"},
			},
			want: "qemu-system-x86_64 -M pc -nodefaults -accel tcg -cpu qemu64 -m 64 " + tail + ` -kernel k -initrd i -append 'it'\''s quiet' -s -S`,
		},
		{
			name: "kvm on q35",
			c:    Config{Engine: KVM, Machine: Q35, Kernel: "k"},
			want: "qemu-system-x86_64 -M q35,sata=off -nodefaults -accel kvm -cpu host -m 128 " + tail + " -kernel k",
		},
		{
			name: "machine that starts again",
			c:    Config{Engine: TCG, Kernel: "k", Reboots: true},
			want: "qemu-system-x86_64 -M microvm,acpi=off -nodefaults -accel tcg -cpu max -m 128 " + strings.Replace(tail, "-no-reboot ", "", 1) + " -kernel k",
		},
		{
			name: "disk with a comma in its name", // which ends a value, for QEMU
			c:    Config{Engine: TCG, Disk: "a,b.img"},
			want: "qemu-system-x86_64 -M pc -nodefaults -accel tcg -cpu max -m 128 " + tail + " -drive format=raw,snapshot=on,file=a,,b.img",
		},
		{
			name: "CD",
			c:    Config{Engine: TCG, Disk: "b.iso", Media: CD},
			want: "qemu-system-x86_64 -M pc -nodefaults -accel tcg -cpu max -m 128 " + tail + " -drive media=cdrom,format=raw,snapshot=on,file=b.iso",
		},
		{
			name: "stick that is written to",
			c:    Config{Engine: TCG, Machine: Q35, Disk: "b.img", Media: Stick, Keep: true},
			want: "qemu-system-x86_64 -M q35 -nodefaults -accel tcg -cpu max -m 128 " + tail +
				" -device qemu-xhci -drive if=none,id=stick,format=raw,file=b.img -device usb-storage,drive=stick,removable=on",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := CommandLine(tt.c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("CommandLine (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := CommandLine(Config{Machine: "vax"}); err == nil {
		t.Error("CommandLine of an unknown machine: no error")
	}
}

// TestCommandLineByHand pastes the line of a machine into a shell.
func TestCommandLineByHand(t *testing.T) {
	kernel := scriptKernel(t)
	for _, machine := range Machines {
		t.Run(string(machine), func(t *testing.T) {
			line, err := CommandLine(Config{Machine: machine, Kernel: kernel, Append: "c it's hello|;" + exits})
			if err != nil {
				t.Fatal(err)
			}
			var console, log bytes.Buffer
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
			cmd.Stdout, cmd.Stderr = &console, &log
			err = cmd.Run()
			if cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("%s: %v, want exit code 1", line, err)
			}
			if console.String() != "it's hello\n" || log.String() != "entrylab: init exited with status 0\n" {
				t.Errorf("console %q, log %q", console.String(), log.String())
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Run("real", func(t *testing.T) {
		need.QEMU(t)
		got, err := Version(t.Context())
		if err != nil || got == "" || got[0] < '0' || got[0] > '9' || strings.Contains(got, "\n") {
			t.Errorf("Version = %q, %v; want one line that starts with a number", got, err)
		}
	})
	t.Run("other program", func(t *testing.T) {
		fakeQEMU(t, "echo GNU hello 2.0")
		if got, err := Version(t.Context()); err == nil || !strings.Contains(err.Error(), `says "GNU hello 2.0": not QEMU`) {
			t.Errorf("Version = %q, %v", got, err)
		}
	})
	t.Run("fails", func(t *testing.T) {
		fakeQEMU(t, "exit 3")
		if got, err := Version(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("Version = %q, %v", got, err)
		}
	})
}

func TestReport(t *testing.T) {
	r := Result{Outcome: TimedOut, Reason: "no end after 2s (time-out)", Tail: []string{"a", "b"}, CommandLine: "qemu -M pc"}
	want := `TIME-OUT: no end after 2s (time-out)
the last lines that came out of the machine:
    a
    b
by hand:
    qemu -M pc
`
	if diff := cmp.Diff(want, r.Report()); diff != "" {
		t.Errorf("Report (-want +got):\n%s", diff)
	}
	r = Result{Outcome: Refused, Reason: "cannot boot: x", CommandLine: "qemu"}
	want = "cannot boot: x\nnothing came out of the machine\nby hand:\n    qemu\n"
	if diff := cmp.Diff(want, r.Report()); diff != "" {
		t.Errorf("Report (-want +got):\n%s", diff)
	}
}
