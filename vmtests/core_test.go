package vmtests

import (
	"regexp"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// TestCore runs testdata/c/core.c: what is in the core of a process that a signal has ended, in a
// call and in ring 3, and who leaves none. A path that takes the RSP from old_rsp shows that of
// another call. With -programs it runs on Linux too, which must do the same.
func TestCore(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "core")
	for _, v := range processVariants(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			reportParts(t, res, console)
		})
	}
	t.Run("a reader that was missed", func(t *testing.T) {
		t.Parallel()
		v := variant(t, "heukelum-v2+"+string(stubs.ReadersBut(layout.ReaderCoreDump)))
		_, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
		if !strings.Contains(console, "FAILED by_exception: ") {
			t.Errorf("not found:\n%s", console)
		}
	})
	onLinux(t, path)
}

// TestPanicUser: the dump of a panic in a call's handler shows where ring 3 was left, as far as
// the path has kept that. The frame of 3.19 has no RSP then, but its scratch word has.
func TestPanicUser(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "userrsp")
	for _, tt := range []struct {
		variant string
		right   bool
	}{
		{"linux-3.19", false},
		{"linux-3.19+" + string(stubs.ReadersBut(layout.ReaderShowRegs)), true},
		{"linux-6.12", true},
	} {
		t.Run(tt.variant, func(t *testing.T) {
			t.Parallel()
			v := variant(t, tt.variant)
			m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			if err != nil {
				t.Fatal(err)
			}
			m.Kernel = patched(t, m.Kernel, "sys_getppid", "6548", "0f0b") // the load by GS: UD2
			res, console := bootMachine(t, m)
			told := regexp.MustCompile(`(?m)^rsp [0-9a-f]{16}$`).FindString(console)
			dump := strings.Join(res.Tail, "\n")
			if told == "" || res.Outcome != vm.Panic || !strings.Contains(dump, "entrylab: user rip ") {
				t.Fatalf("%v: %s\n%s\n%s", res.Outcome, res.Reason, console, dump)
			}
			if got := strings.Contains(dump, " "+told+"\n"); got != tt.right {
				t.Errorf("the dump has the RSP: %v, want %v\n%s\n%s", got, tt.right, told, dump)
			}
		})
	}
}
