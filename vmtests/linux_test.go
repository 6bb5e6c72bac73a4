package vmtests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
)

// TestLinux runs the guest unchanged as /init of a real Linux kernel: every
// check that a user program can make must pass there too, which shows that
// what the guest expects is what Linux does. What needs the control interface
// is skipped.
func TestLinux(t *testing.T) {
	t.Parallel()
	kernel := need.Linux(t)
	m := machine(t, vm.ICount)
	archive, err := boot.Initramfs(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	m.Kernel = kernel
	m.Initrd = filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.WriteFile(m.Initrd, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	m.MemoryMiB = 512
	m.CPU = "max,la57=off" // with five-level paging user addresses do not end at 1<<47
	m.Append = linux.Words + " -- verify"
	var console bytes.Buffer
	m.Console = &console
	res, err := vm.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	run := &boot.Run{VM: res}
	if run.Results, err = wire.Parse(console.String()); err != nil {
		t.Fatal(err)
	}
	if !run.Complete { // Linux ends by a reset, so the summary is the verdict
		t.Fatalf("no summary\n%s", res.Report())
	}
	passed := run.Count("", wire.Pass)
	if passed < 10 {
		t.Errorf("only %d checks passed", passed)
	}
	report(t, run)
}

// TestLinuxCommandLine shows that commandLines are what Linux does: the one that has
// all in it, or with -programs each.
func TestLinuxCommandLine(t *testing.T) {
	t.Parallel()
	kernel := need.Linux(t)
	archive, err := boot.Initramfs(t.Context(), program(t, "words"))
	if err != nil {
		t.Fatal(err)
	}
	initrd := filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.WriteFile(initrd, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range commandLines {
		if tt.ours || tt.name != commandLines[0].name && !*allPrograms {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.ICount)
			m.Kernel, m.Initrd, m.MemoryMiB, m.CPU = kernel, initrd, 512, "max,la57=off"
			m.Append = linux.Words + " " + tt.append
			res, console := bootMachine(t, m)
			// Linux's own lines, which begin with the time, come before and after.
			if !strings.Contains(strings.ReplaceAll(console, "\r\n", "\n"), "\n"+tt.want+"[") {
				t.Errorf("console is %.500q, want %q\n%s", console, tt.want, res.Report())
			}
		})
	}
}
