// Package vm starts machines: it boots a kernel image in QEMU or Bochs, passes on
// the guest's output and says how the machine ended.
//
// A guest has two output channels. The console is COM1, and carries what init wrote,
// byte for byte; in Bochs, the first parallel port carries it if the kernel is asked to
// use that (layout.PrinterWord). The log is the debug console at port 0xe9, and carries
// the kernel's own lines. A machine that ends properly says so twice, by
// isa-debug-exit's code and by the log's last line; only both together are a verdict
// (see Result), since an exit code alone can also come from QEMU, and a triple fault
// ends QEMU with success.
//
// Run is the only way in; behind it, vmtest runs QEMU. Run reads both channels to
// their end even if a writer blocks, ends the machine when it hangs or when the
// context is done, and leaves no process behind, even if it is killed itself (if the
// host has util-linux's setpriv).
//
// A machine hangs when it has done more work than its task can need, or when it does
// nothing. No wall clock decides this, because a wall clock also measures other
// programs: on a busy host a machine takes longer, and ends in the same way. Work is
// counted in instructions, of which Config.Instructions is the limit. Under ICount,
// QEMU reports how many it has executed. The other engines do not count, and neither
// does a halted guest: there the CPU time of the emulator is converted to
// instructions, at this host's current speed and at a rate lower than any seen. So a
// machine can always run all the instructions that it was granted; some run more. A
// byte of output counts as 100 instructions, and under ICount a second of sleep as a
// million. A machine does nothing if its emulator sleeps and it sends no output. A
// stopped emulator only waits.
package vm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/entrylab/entrylab/gen/layout"
)

// Machine is a QEMU machine type.
type Machine string

// The machines that the images boot on. The empty string is MicroVM.
const (
	// MicroVM has neither PCI nor ACPI and boots fastest. ACPI is off because
	// Linux, which the same images are compared with, hangs under TCG with it.
	MicroVM Machine = "microvm"
	// PC is the i440FX machine with SeaBIOS.
	PC Machine = "pc"
	// Q35 is the ICH9 machine with SeaBIOS.
	Q35 Machine = "q35"
)

// Machines are all machines, the default first.
var Machines = []Machine{MicroVM, PC, Q35}

// args returns QEMU's arguments for m. Every machine is stripped of what QEMU adds
// by default (drives, a network card, a display): looking for them takes SeaBIOS
// longer than everything else until the kernel starts, on pc three quarters of
// 0.3 s; on q35 the disk controller alone takes 0.5 s of 0.6 s (icount).
// A disk needs the controller, and is an IDE disk on both machines.
func (m Machine) args(disk bool) ([]string, error) {
	model := string(m)
	switch {
	case m == PC || m == "" && disk:
		model = string(PC)
	case m == "" || m == MicroVM:
		model = "microvm,acpi=off"
	case m == Q35 && disk:
	case m == Q35:
		model = "q35,sata=off"
	default:
		return nil, fmt.Errorf("unknown machine %q: use %s", string(m), oneOf(Machines))
	}
	return []string{"-M", model, "-nodefaults"}, nil
}

// oneOf lists names for a message: "a, b or c".
func oneOf[T ~string](names []T) string {
	var b strings.Builder
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(name))
	}
	return b.String()
}

// Defaults of Config.
const (
	DefaultCPU       = "max"
	HostModel        = "host" // the CPU itself, for KVM
	DefaultMemoryMiB = 128
)

// Config is a machine to boot. Only Kernel, or Disk, must be set.
type Config struct {
	Engine  Engine  // empty: ICount
	Machine Machine // empty: MicroVM, or with a Disk PC
	// CPU is the emulator's name of a CPU model; empty is DefaultCPU, or with KVM
	// HostModel, or with Bochs BochsCPU. With Bochs, MODEL+FEATURE adds a feature.
	CPU string
	// MemoryMiB is the RAM in MiB; 0 is DefaultMemoryMiB.
	MemoryMiB int
	// Kernel is the path of the image, Initrd the path of the boot module (empty:
	// none), Append the kernel's command line.
	Kernel, Initrd, Append string
	// Disk is the path of the image of a disk to boot instead; it contains all three.
	// Media is what it is in, and Keep says that the guest's writes to it stay: else
	// they are lost.
	Disk  string
	Media Media
	Keep  bool
	// UEFI makes OVMF the firmware, which starts a Kernel that is an EFI application,
	// or looks for one on the Disk.
	UEFI bool
	// Code is a hash of Kernel, Initrd and Disk, which tells whether figures are of the
	// same code. The maker of these files fills it in; a machine does not need it.
	Code string
	// Instructions ends a machine that does not end itself: it is how many instructions
	// the task may take, on any host under any load; 0 is DefaultInstructions. See the
	// package's documentation.
	Instructions uint64
	// Timeout, if not 0, ends the machine after this time of the host's clock, and
	// nothing else does: it is for people who do not want to wait longer.
	Timeout time.Duration
	// Reboots lets the guest start the machine again; else that is its end.
	Reboots bool
	// HostCPU, if not nil, is the CPU of this host that the machine's CPU keeps to, from its
	// first instruction on.
	HostCPU *int
	// Console and Log get what the guest sends, as it comes; nil discards it.
	// They may be the same writer: they are never called at the same time. A
	// writer that blocks stops neither the machine nor its time-out. One that fails
	// ends the machine.
	Console, Log io.Writer
	// Extra are further QEMU arguments: "-s", "-S" for gdb.
	Extra []string
	// Debug, if not nil, gets the connection to QEMU's gdb stub, with the machine
	// stopped before its first instruction. It must let the machine continue before
	// it returns; if it fails, the machine is ended with its error. In Bochs, which has
	// no stub, it is the input and output of Bochs's own debugger, and what the kernel
	// logs comes between the debugger's answers.
	Debug func(stub *os.File) error
}

// check reports faults that QEMU would report less clearly.
func (c *Config) check() error {
	switch {
	case c.Disk != "" && (c.Kernel != "" || c.Initrd != "" || c.Append != ""):
		return errors.New("a disk image contains its kernel, initramfs and command line: give no others")
	case c.UEFI && (c.Machine == MicroVM || c.Machine == "" && c.Disk == ""):
		return fmt.Errorf("UEFI firmware is for the machines %s and %s", PC, Q35)
	case c.UEFI && c.Engine == Bochs:
		return errors.New("engine bochs boots by a BIOS only")
	case c.Disk != "" && c.Machine == MicroVM:
		return fmt.Errorf("machine %s has no disk that a BIOS boots from: use %s or %s", MicroVM, PC, Q35)
	case c.Engine == Bochs && c.Disk == "":
		return errors.New("engine bochs boots disk images only")
	case c.Engine == Bochs && c.Media != HardDisk:
		return errors.New("engine bochs boots from a hard disk only")
	case c.Engine == Bochs && c.Machine != "" && c.Machine != PC:
		return fmt.Errorf("engine bochs has only the machine %s", PC)
	case c.Engine == Bochs && strings.ContainsAny(c.CPU+c.Disk, ",\n"):
		return errors.New("engine bochs: a comma in the CPU model or the image's path")
	case c.HostCPU != nil && c.Engine != KVM && c.Engine != TCG:
		return fmt.Errorf("a machine's CPU is kept on one of this host's by the engines %s and %s only", KVM, TCG)
	case c.HostCPU != nil && c.Debug != nil:
		return errors.New("a machine whose CPU is kept on one of this host's cannot wait for a debugger")
	case c.Kernel == "" && c.Disk == "":
		return errors.New("no kernel image given")
	}
	for _, file := range []struct{ what, path string }{{"kernel image", c.Kernel}, {"initramfs", c.Initrd}, {"disk image", c.Disk}} {
		if file.path == "" {
			continue
		}
		info, err := os.Stat(file.path)
		if err != nil {
			var pathErr *fs.PathError
			if errors.As(err, &pathErr) {
				err = pathErr.Err
			}
			return fmt.Errorf("%s %s: %w", file.what, file.path, err)
		}
		if info.IsDir() {
			return fmt.Errorf("%s %s: is a directory", file.what, file.path)
		}
	}
	if c.MemoryMiB < 0 || c.Timeout < 0 {
		return fmt.Errorf("negative memory (%d MiB) or time-out (%v)", c.MemoryMiB, c.Timeout)
	}
	return nil
}

// channels returns the QEMU arguments that say where console and log go.
type channels []string

// pasteChannels sends the console to standard output and the log to standard
// error, as `entrylab boot` does.
var pasteChannels = channels{"-serial", "stdio", "-debugcon", "file:/dev/stderr"}

// fdChannels sends the console to an inherited pipe and the log to an inherited
// socket. They need no path, which could be too long for a socket, and no port.
// QEMU writes each byte of the console separately: a pipe holds 64 KiB of them, a
// socket's buffer a few hundred, with half a kilobyte of book-keeping for each.
func fdChannels(console, log int) channels {
	return channels{
		"-chardev", fmt.Sprintf("file,id=console,path=/dev/fd/%d", console),
		"-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=log,fd=%d", log),
		"-device", fmt.Sprintf("isa-debugcon,iobase=%#x,chardev=log", layout.DebugconPort),
	}
}

// gdbChannel makes QEMU wait for a debugger on an inherited socket.
func gdbChannel(fd int) channels {
	return channels{"-chardev", fmt.Sprintf("socket,id=gdb,fd=%d", fd), "-gdb", "chardev:gdb", "-S"}
}

// args returns QEMU's command line after the program's name.
func (c *Config) args(ch channels) ([]string, error) {
	args, err := c.Machine.args(c.Disk != "")
	if err != nil {
		return nil, err
	}
	engine, err := c.Engine.args()
	if err != nil {
		return nil, err
	}
	args = append(args, engine...)
	cpu, memory := c.CPU, c.MemoryMiB
	if cpu == "" {
		cpu = DefaultCPU
		if c.Engine == KVM {
			cpu = HostModel
		}
	}
	if memory == 0 {
		memory = DefaultMemoryMiB
	}
	args = append(args, "-cpu", cpu, "-m", strconv.Itoa(memory), "-smp", "1")
	if !c.Reboots { // a triple fault would start the guest again, for ever
		args = append(args, "-no-reboot")
	}
	args = append(args, "-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=4", layout.DebugExitPort),
		"-display", "none", "-monitor", "none")
	args = append(args, ch...)
	if c.UEFI {
		firmware, err := ovmf()
		if err != nil {
			return nil, err
		}
		args = append(args, firmware...)
	}
	if c.Disk != "" {
		return append(append(args, c.drive()...), c.Extra...), nil
	}
	args = append(args, "-kernel", c.Kernel)
	if c.Initrd != "" {
		args = append(args, "-initrd", c.Initrd)
	}
	if c.Append != "" {
		args = append(args, "-append", c.Append)
	}
	return append(args, c.Extra...), nil
}

// CommandLine returns a shell command that boots the machine by hand, with the
// console on standard output and the log on standard error. It starts nothing and
// looks for nothing.
func CommandLine(c Config) (string, error) {
	if c.Engine == Bochs {
		return c.bochsCommandLine(), nil
	}
	args, err := c.args(pasteChannels)
	if err != nil {
		return "", err
	}
	return Quote(append([]string{program}, args...)), nil
}

// Quote joins args to a command line for a POSIX shell.
func Quote(args []string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-"
	quoted := make([]string, len(args))
	for i, arg := range args {
		if arg == "" || strings.Trim(arg, plain) != "" {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		quoted[i] = arg
	}
	return strings.Join(quoted, " ")
}
