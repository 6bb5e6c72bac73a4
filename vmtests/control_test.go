package vmtests

import (
	"cmp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// controlConfig has testdata/c/control.c as init, on a machine with so little RAM
// that it can use all of it up.
func controlConfig(t *testing.T) boot.Config {
	t.Helper()
	var s layout.Stats[layout.Word]
	m := machine(t, vm.ICount)
	m.MemoryMiB, m.Append = 16, layout.ControlWord
	var args []string
	for _, n := range []int{layout.SysTimeSlice, layout.SysStats, layout.MaxTimeSlice, int(unsafe.Offsetof(s.PagesFree) / 8)} {
		args = append(args, strconv.Itoa(n))
	}
	return boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: cProgram(t, "control"), Args: args, VM: m}
}

// TestControl runs testdata/c/control.c: what a control call is given may not
// make the kernel panic or hang, however wrong it is.
func TestControl(t *testing.T) {
	t.Parallel()
	res, console := bootInit(t, controlConfig(t))
	reportParts(t, res, console)
}

// TestControlOff runs testdata/c/nocontrol.c, which counts the control calls that
// there are: none, unless the kernel's command line asks for them.
func TestControlOff(t *testing.T) {
	t.Parallel()
	init := cProgram(t, "nocontrol")
	args := []string{strconv.Itoa(layout.SysSelect), strconv.Itoa(layout.SysControlMax), strconv.Itoa(layout.ControlVector)}
	// All but one by SYSCALL, four of them by the interrupt: SysEntryCR3 is reached
	// by that alone.
	all := strconv.Itoa(layout.SysControlMax-layout.SysSelect+4) + "\n"
	for _, tt := range []struct{ name, variant, append, want string }{
		{name: "not asked for", want: "0\n"},
		{name: "by wrappers in C", variant: "linux-4.6", want: "0\n"},
		{name: "without wrappers", variant: "linux-6.12", want: "0\n"},
		{name: "a longer word", append: "controls", want: "0\n"},
		{name: "a value", append: "control=1", want: "0\n"},
		{name: "init's argument", append: "-- control", want: "0\n"},
		{name: "in quotes", append: `A="b control c"`, want: "0\n"},
		{name: "asked for", append: "quiet control", want: all},
		{name: "asked for, without wrappers", variant: "linux-6.12", append: "control", want: all},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.ICount)
			// The program's arguments are its own words, so that "--" is free.
			m.Append = strings.Join(args, " ") + " " + tt.append
			n := variant(t, cmp.Or(tt.variant, "linux-3.19"))
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{n}, Init: init, VM: m})
			if res.Outcome != vm.Exited || res.Status != 0 || console != tt.want {
				t.Errorf("console is %q, want %q\n%s", console, tt.want, res.Report())
			}
		})
	}
}

// TestControlCatches runs the same on kernels with a fault in what it looks at.
func TestControlCatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, function string
		old, new       string // machine code, which the function has once
		want           vm.Outcome
		reason         string
	}{
		{
			"a time slice may be of any length", "sys_time_slice",
			"4881ff00ca9a3b76", "4881ff00ca9a3beb", // CMPQ RDI, MaxTimeSlice; JBE, JMP
			vm.Exited, "status 5",
		},
		{
			"free stacks do not serve as pages", "break_stack",
			"53574150", "31c0c390", // PUSHQ RBX; ...: XORL RAX, RAX; RET; NOP
			vm.Panic, "#UD at get_free_page",
		},
		{
			"a guard page is not mapped again", "break_stack",
			"488908", "0f1f00", // MOVQ RCX, (RAX); NOP
			vm.Panic, "#PF",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			failsPatched(t, controlConfig(t), tt.function, tt.old, tt.new, tt.want, tt.reason)
		})
	}
}
