package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/engine"
)

// TestNextMachine: a kernel that lacks what the first machine needs is booted on the next,
// and no other failure is tried again.
func TestNextMachine(t *testing.T) {
	lacks := func(m vm.Machine, why string, everywhere bool) error {
		return &engine.BootError{Kernel: "Linux 5.4", Machine: m, CPU: "max", Why: why, Everywhere: everywhere}
	}
	other := errors.New("no such file")
	for _, row := range []struct {
		name    string
		begin   vm.Machine
		ends    []error // of each run
		want    string  // in the error; empty: none
		remark  string
		machine vm.Machine
	}{
		{"it boots", vm.MicroVM, []error{nil}, "", "", vm.MicroVM},
		{"its timer needs another machine", vm.MicroVM, []error{lacks(vm.MicroVM, "its timer does not work", false), nil}, "", "on machine microvm with CPU max: its timer does not work; on machine pc it does", vm.PC},
		{"neither", vm.MicroVM, []error{lacks(vm.MicroVM, "its timer does not work", false), lacks(vm.PC, "it panics: x", false)}, "on machine microvm with CPU max: its timer does not work; nor on machine pc: it panics: x", "", vm.PC},
		{"it has no initrd", vm.MicroVM, []error{lacks(vm.MicroVM, "CONFIG_BLK_DEV_INITRD", true)}, "CONFIG_BLK_DEV_INITRD", "", vm.MicroVM},
		{"the user's machine", vm.Q35, []error{lacks(vm.Q35, "its timer does not work", false)}, "on machine q35", "", vm.Q35},
		{"no boot", vm.MicroVM, []error{other}, "no such file", "", vm.MicroVM},
		{"interrupted on the next", vm.MicroVM, []error{lacks(vm.MicroVM, "its timer does not work", false), other}, "no such file", "", vm.PC},
	} {
		var stderr bytes.Buffer
		e := &env{stderr: &stderr}
		machine, runs := row.begin, 0
		err := e.onNextMachine(&machine, func() error { runs++; return row.ends[runs-1] })
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: error is %v, want %q", row.name, err, row.want)
		}
		if runs != len(row.ends) || machine != row.machine || !strings.Contains(stderr.String(), row.remark) || row.remark == "" && stderr.Len() > 0 {
			t.Errorf("%s: %d runs, the last on %s, and it is said: %s", row.name, runs, machine, stderr.String())
		}
	}
}
