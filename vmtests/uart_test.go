package vmtests

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestUART boots machines whose serial port is not COM1: the console is the one on PCI, also
// behind a bridge, and a machine without one comes to its end all the same.
func TestUART(t *testing.T) {
	t.Parallel()
	init := program(t, "words")
	for _, tt := range []struct {
		name    string
		machine vm.Machine
		serial  string
		console string
	}{
		{name: "on PCI", machine: vm.PC, serial: "-chardev stdio,id=uart -device pci-serial,chardev=uart", console: init + "\n\nHOME=/\nTERM=linux\n"},
		{name: "behind a bridge", machine: vm.Q35, serial: "-device pci-bridge,id=bridge,chassis_nr=1 -chardev stdio,id=uart -device pci-serial,bus=bridge,addr=3,chardev=uart", console: init + "\n\nHOME=/\nTERM=linux\n"},
		{name: "none", machine: vm.PC},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.Machine = tt.machine
			m, err := boot.Prepare(t.Context(), withImage(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: init, VM: m}))
			if err != nil {
				t.Fatal(err)
			}
			line, err := vm.CommandLine(m)
			if err != nil {
				t.Fatal(err)
			}
			line = strings.Replace(line, "-serial stdio", "-serial none "+tt.serial, 1)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
			var console, log bytes.Buffer
			cmd.Stdout, cmd.Stderr = &console, &log
			_ = cmd.Run() // the status is looked at below
			if console.String() != tt.console || log.String() != "entrylab: init exited with status 0\n" || cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("%s\nends with %v, the console is %q, want %q; the log is %q", line, cmd.ProcessState, console.String(), tt.console, log.String())
			}
		})
	}
}
