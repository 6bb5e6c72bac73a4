package vmtests

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/broken"
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
	onLinux(t, path)
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
	onHost(t, path)
	onLinux(t, path)
	for _, v := range processVariants(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			reportParts(t, res, console)
		})
	}
}

// TestPtraceCalls runs testdata/c/ptrace_calls.c: stops where a call begins and ends, on the
// path's own way by its tracer, and tracers that are not the parent. On the host, and with
// -programs on the pinned Linux, it shows that what it expects is what Linux does.
func TestPtraceCalls(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "ptrace_calls")
	onHost(t, path)
	onLinux(t, path)
	for _, v := range append(processVariants(t), variant(t, "linux-4.1")) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			reportParts(t, res, console)
		})
	}
}

// TestPtraceCallsFind: a path whose way by the tracer has a fault is found by the part that
// looks for it.
func TestPtraceCallsFind(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "ptrace_calls")
	frame := asm.Fields[layout.PtRegs[asm.Mem]](asm.RSP)
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	for _, tt := range []struct {
		name, base, part string
		edit             func(*asm.Program) error
	}{
		{"RSP is not in the frame at a call's beginning", "linux-3.19", "registers", broken.Edit("tracesys_phase2", asm.MOVQ(asm.R11, frame.SP), asm.MOVQ(gs.Current, asm.R11), asm.MOVQ(asm.R11, frame.SP))},
		{"what the tracer has put in R11 becomes flags", "linux-3.19", "hostile", broken.Edit("tracesys_phase2", asm.MOVQ(asm.R11, frame.R11))},
		{"a call's end is not seen", "linux-4.1", "registers", broken.Edit("int_ret_from_sys_call", asm.CALL("syscall_trace_leave"))},
		{"a call's number is ring 3's", "linux-6.12", "number", broken.Edit("do_syscall_64", asm.MOVL(asm.RAX, asm.RBX))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := variant(t, tt.base)
			v.Name, v.Edit = "broken", tt.edit
			_, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			if !strings.Contains(console, "FAILED "+tt.part+": ") {
				t.Errorf("not found:\n%s", console)
			}
		})
	}
}
