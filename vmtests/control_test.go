package vmtests

import (
	"strconv"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// controlConfig has testdata/c/control.c as init, on a machine with so little RAM
// that it can use all of it up.
func controlConfig(t *testing.T) lab.Config {
	t.Helper()
	var s layout.Stats[layout.Word]
	m := machine(t, vm.ICount)
	m.MemoryMiB = 16
	var args []string
	for _, n := range []int{layout.SysTimeSlice, layout.SysStats, layout.MaxTimeSlice, int(unsafe.Offsetof(s.PagesFree) / 8)} {
		args = append(args, strconv.Itoa(n))
	}
	return lab.Config{Variants: []stubs.Named{linux319(t)}, Init: cProgram(t, "control"), Args: args, VM: m}
}

// TestControl runs testdata/c/control.c: what a control call is given may not
// make the kernel panic or hang, however wrong it is.
func TestControl(t *testing.T) {
	t.Parallel()
	res, console := bootInit(t, controlConfig(t))
	reportParts(t, res, console)
}

// TestControlCatches runs the same on kernels with a fault in what it looks at.
func TestControlCatches(t *testing.T) {
	for _, tt := range []struct {
		name, function string
		old, new       string // machine code, which the function has once
	}{
		{
			"a time slice may be of any length", "sys_time_slice",
			"4881ff00ca9a3b76", "4881ff00ca9a3beb", // CMPQ RDI, MaxTimeSlice; JBE, JMP
		},
		{
			"free stacks do not serve as pages", "break_stack",
			"53574150", "31c0c390", // PUSHQ RBX; ...: XORL RAX, RAX; RET; NOP
		},
		{
			"a guard page is not mapped again", "break_stack",
			"488908", "0f1f00", // MOVQ RCX, (RAX); NOP
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			failsPatched(t, controlConfig(t), tt.function, tt.old, tt.new)
		})
	}
}
