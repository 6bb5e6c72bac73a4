package vmtests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
)

// spcr makes an SPCR table (gen/kernel) with a UART of a type at an address of a space, whose
// registers are accessed by so many bytes (1: one, 3: four), and returns QEMU's option for it.
func spcr(t *testing.T, kind, space, access byte, address uint64) string {
	t.Helper()
	body := make([]byte, 80-36) // behind the header, which QEMU makes
	body[0], body[4], body[5], body[7] = kind, space, 8, access
	binary.LittleEndian.PutUint64(body[8:], address)
	path := filepath.Join(t.TempDir(), "spcr")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return " -acpitable sig=SPCR,rev=2,data=" + path
}

// TestUART boots machines whose serial port is not COM1: the console is the one that the
// firmware names, or the one on PCI, also behind a bridge, and a machine without one comes to
// its end all the same. What is not a UART is not taken for one.
func TestUART(t *testing.T) {
	t.Parallel()
	init := program(t, "words")
	const com2, com1 = " -chardev stdio,id=uart -device isa-serial,iobase=0x2f8,irq=3,chardev=uart", " -chardev stdio,id=uart -device isa-serial,chardev=uart"
	said := init + "\n\nHOME=/\nTERM=linux\n"
	for _, tt := range []struct {
		name    string
		machine vm.Machine
		serial  string
		console string
	}{
		{name: "on PCI", machine: vm.PC, serial: "-chardev stdio,id=uart -device pci-serial,chardev=uart", console: said},
		{name: "behind a bridge", machine: vm.Q35, serial: "-device pci-bridge,id=bridge,chassis_nr=1 -chardev stdio,id=uart -device pci-serial,bus=bridge,addr=3,chardev=uart", console: said},
		{name: "none", machine: vm.PC},
		{name: "COM2", machine: vm.PC, serial: com2},
		{name: "COM2 by SPCR", machine: vm.PC, serial: com2 + spcr(t, 0, 1, 1, 0x2f8), console: said},
		{name: "COM2 by SPCR beside COM1", machine: vm.PC, serial: com2 + " -device isa-serial,iobase=0x3f8,irq=4" + spcr(t, 0x12, 1, 1, 0x2f8), console: said},
		{name: "no UART at the address", machine: vm.PC, serial: com1 + spcr(t, 0, 1, 1, 0x2f8), console: said},
		{name: "no console of the firmware's", machine: vm.PC, serial: com1 + spcr(t, 0, 1, 1, 0), console: said},
		{name: "another kind", machine: vm.PC, serial: com1 + " -device isa-serial,iobase=0x2f8,irq=3" + spcr(t, 3, 1, 1, 0x2f8), console: said},
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

// TestUARTInMemory boots machines whose console has its registers in memory, by the firmware's
// word. QEMU has no such UART on a PC: RAM that nothing uses stands for one, whose status says
// that it is always ready, and a debugger reads what the kernel writes there.
func TestUARTInMemory(t *testing.T) {
	t.Parallel()
	const at = vm.DefaultMemoryMiB<<20 - 32<<20
	for _, tt := range []struct {
		name   string
		access byte
		step   uint64 // from one register to the next
	}{
		{name: "bytes", access: 1, step: 1},
		{name: "words of 32 bits", access: 3, step: 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.Machine = vm.PC
			m.Extra = append(strings.Fields(spcr(t, 0, 0, tt.access, at)),
				"-device", fmt.Sprintf("loader,addr=%#x,data=%#x,data-len=1", at+x86.UART_LSR*tt.step, x86.UART_LSR_THRE|x86.UART_LSR_TEMT))
			c := boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, "hello"), VM: m}
			kernel, err := boot.Kernel(c)
			if err != nil {
				t.Fatal(err)
			}
			write, ok := kernel.Object.Addr("uart_write")
			if !ok {
				t.Fatal("the kernel has no uart_write")
			}
			end, ok := kernel.Object.Addr("machine_exit")
			if !ok {
				t.Fatal("the kernel has no machine_exit")
			}
			c.Image = kernel
			m, err = boot.Prepare(t.Context(), withImage(t, c))
			if err != nil {
				t.Fatal(err)
			}
			var said, memory []byte
			m.Debug = func(conn *os.File) error {
				stub := gdb.New(gdb.Patient{File: conn})
				if err := errors.Join(stub.Describe(), stub.Break(write, end)); err != nil {
					return err
				}
				for {
					if err := stub.Continue(); err != nil {
						return err
					}
					r, err := stub.Registers()
					if err != nil {
						return err
					}
					if r.RIP == end {
						memory, err = stub.Memory(layout.PhysMap+at, int(8*tt.step))
						return errors.Join(err, stub.Unbreak(write, end), stub.Detach())
					}
					if r.RIP != write { // without icount QEMU now and then stops once more behind a step
						continue
					}
					if byte(r.RDX) == x86.UART_DATA {
						said = append(said, byte(r.RAX))
					}
					if err := stub.Unbreak(write); err != nil {
						return err
					}
					for r.RIP == write { // or before the instruction has run
						if err := stub.Step(); err != nil {
							return err
						}
						if r, err = stub.Registers(); err != nil {
							return err
						}
					}
					if err := stub.Break(write); err != nil {
						return err
					}
				}
			}
			res, console := bootMachine(t, m)
			if res.Outcome != vm.Exited || console != "" {
				t.Fatalf("console is %q\n%s", console, res.Report())
			}
			if !strings.HasSuffix(string(said), "hello\n") || memory[0] != '\n' || memory[x86.UART_LCR*tt.step] != x86.UART_LCR_8N1 {
				t.Errorf("the UART's registers are %x, and it was given %q", memory, said)
			}
		})
	}
}
