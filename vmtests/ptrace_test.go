package vmtests

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestProcFiles runs testdata/c/procfs.c: /proc/PID/stat and /proc/PID/syscall, whose RSP is that
// of a child with a stack that is known, wherever the path keeps it. Linux 3.19 has the one of
// /proc/PID/syscall wrong, as do the paths of its time: the test shows that they do. On the
// host it shows that Linux's texts are the same.
func TestProcFiles(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "procfs")
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
		if strings.Contains(string(out), "Operation not permitted") {
			need.Missing(t, "the permission to read a child's /proc/PID/syscall")
		}
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for _, v := range processVariants(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			boots := func(words string) (vm.Result, string) {
				m := machineFor(t, v, vm.ICount)
				m.Append = words
				return bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: m})
			}
			if v.Axes.Is(stubs.SPPerCPU) {
				if _, console := boots(""); !strings.Contains(console, "FAILED call_of_a_sleeper: ") {
					t.Errorf("the RSP of /proc/PID/syscall is right:\n%s", console)
				}
				res, console := boots("WITHOUT=rsp")
				reportParts(t, res, console)
				return
			}
			res, console := boots("")
			reportParts(t, res, console)
		})
	}
}

// TestPtrace runs testdata/c/ptrace.c: a tracer that looks at a stopped child, changes it and
// lets it go on, with what it may and may not write. The registers of a stopped child come
// through the path's own slow exit, so it runs on several. On the host it shows that what it
// expects is what Linux does.
func TestPtrace(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "ptrace")
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		if out, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for _, v := range processVariants(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			reportParts(t, res, console)
		})
	}
}
