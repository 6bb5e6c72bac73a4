package vmtests

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/vm"
)

// linuxKernel is where .ci/linux puts a Linux kernel.
func linuxKernel(t testing.TB) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(dir, "entrylab", "linux", "vmlinuz")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no Linux kernel: run .ci/linux (%v)", err)
	}
	return path
}

// TestLinux runs the guest unchanged as /init of a real Linux kernel: every
// check that a user program can make must pass there too, which shows that
// what the guest expects is what Linux does. What needs the control interface
// is skipped.
func TestLinux(t *testing.T) {
	t.Parallel()
	kernel := linuxKernel(t)
	m := machine(t, vm.ICount)
	archive, err := lab.Initramfs(t.Context(), "", nil)
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
	m.Append = "console=ttyS0 quiet panic=-1 reboot=t -- verify"
	var console bytes.Buffer
	m.Console = &console
	res, err := vm.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	run := &lab.Run{VM: res}
	if run.Results, err = result.Parse(console.String()); err != nil {
		t.Fatal(err)
	}
	if !run.Complete { // Linux ends by a reset, so the summary is the verdict
		t.Fatalf("no summary\n%s", res.Report())
	}
	passed := run.Count("", result.Pass)
	if passed < 10 {
		t.Errorf("only %d checks passed", passed)
	}
	report(t, run)
}
