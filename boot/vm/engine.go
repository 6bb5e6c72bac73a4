package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/internal/near"
)

// Engine is how the guest's instructions are run. Figures of different engines
// never share a column.
type Engine string

// The engines. The empty string is ICount.
const (
	// ICount is QEMU's TCG with a virtual clock that counts instructions: RDTSC
	// steps by exactly 1 with each, idle time is skipped, and two runs are equal
	// to the instruction.
	ICount Engine = "icount"
	// TCG is plain TCG. Its time says nothing about hardware; it is for
	// correctness.
	TCG Engine = "tcg"
	// KVM runs on the CPU itself. See Available.
	KVM Engine = "kvm"
)

// Engines are all engines, the default first.
var Engines = []Engine{ICount, TCG, KVM, Bochs}

// clockBase is the guest's time when a machine with a clock of its own starts.
var clockBase = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func (e Engine) args() ([]string, error) {
	switch e {
	case "", ICount:
		// sleep=off makes idle time pass at once. The clock starts at a fixed
		// date and follows the instructions, or each boot would read another one.
		return []string{"-accel", "tcg", "-icount", "shift=0,sleep=off", "-rtc", "base=" + clockBase.Format(time.DateOnly) + ",clock=vm", "-seed", "1"}, nil
	case TCG:
		return []string{"-accel", "tcg"}, nil
	case KVM:
		return []string{"-accel", "kvm"}, nil
	case Bochs:
		return nil, nil // not QEMU
	default:
		return nil, fmt.Errorf("unknown engine %q: %suse %s", string(e), near.Hint(string(e), Engines), oneOf(Engines))
	}
}

// Probe boots something under KVM and returns nil if a SYSCALL in it arrived
// at CPL 0, else what happened.
type Probe func(context.Context) error

// ErrNoSyscall means that init ran under KVM, and that SYSCALL did not arrive at
// CPL 0.
var ErrNoSyscall = errors.New("the probe did not see SYSCALL arrive at CPL 0")

// ProbeImage returns the Probe that boots kernel with initrd (empty: none). Its init
// must exit with status 0 if, and only if, SYSCALL arrived at CPL 0. The Probe reports
// how the guest ended, however long that took.
func ProbeImage(kernel, initrd string) Probe {
	return func(ctx context.Context) error {
		result, err := Run(ctx, Config{Engine: KVM, Kernel: kernel, Initrd: initrd, Instructions: 1_000_000_000})
		switch {
		case err != nil:
			return fmt.Errorf("the probe did not start: %w", err)
		case result.Outcome == Exited && result.Status == 0:
			return nil
		case result.Outcome == Exited || result.Outcome == Signaled:
			return fmt.Errorf("%w: %s", ErrNoSyscall, result.Reason)
		}
		return fmt.Errorf("the probe did not finish: %v", result)
	}
}

// Available reports why e cannot be used here, or nil. ICount and TCG need only
// QEMU. KVM counts only if it is the hardware's: a /dev/kvm on a
// CPU without VMX and SVM is software, whose cycles mean nothing and whose
// SYSCALL may not work, so the CPU's flags and a probe must both agree.
func (e Engine) Available(ctx context.Context, probe Probe) error {
	return e.availableOn(ctx, thisHost(), probe)
}

// Auto returns KVM if it is Available, else ICount and, in one line, why not KVM.
//
// A KVM that works on an emulated CPU is Available, for checks, but its cycles are
// the emulator's: then Auto does not choose it.
func Auto(ctx context.Context, probe Probe) (e Engine, reason string) {
	return autoOn(ctx, thisHost(), probe)
}

func autoOn(ctx context.Context, h place, probe Probe) (e Engine, reason string) {
	if host.Emulated(h.model) {
		return ICount, fmt.Sprintf("engine %s, not %s: the CPU is emulated (%s)", ICount, KVM, h.model)
	}
	if err := KVM.availableOn(ctx, h, probe); err != nil {
		return ICount, fmt.Sprintf("engine %s, not %s: %v", ICount, KVM, err)
	}
	return KVM, ""
}

// place is where the state of KVM is read from.
type place struct {
	kvm     string // KVM's device
	cpuinfo string // the kernel's description of the CPUs
	model   string // the CPU's name (host.Model)
}

func thisHost() place {
	model, _ := host.Model()
	return place{kvm: "/dev/kvm", cpuinfo: host.CPUInfo, model: model}
}

func (e Engine) availableOn(ctx context.Context, h place, probe Probe) error {
	if _, err := e.args(); err != nil {
		return err
	}
	if e == Bochs {
		return findBochs()
	}
	if _, err := find(); err != nil || e != KVM {
		return err
	}
	if _, err := os.Stat(h.kvm); err != nil {
		return fmt.Errorf("no %s", h.kvm)
	}
	// The flags come before the device is opened: a software KVM opens fine.
	cpus, err := host.CPUs(h.cpuinfo)
	if err == nil && len(cpus[0].Flags) == 0 {
		err = fmt.Errorf("%s has no line of flags", h.cpuinfo)
	}
	if err != nil {
		return fmt.Errorf("cannot tell whether the CPU has VMX or SVM: %w", err)
	}
	if !cpus[0].Has("vmx") && !cpus[0].Has("svm") {
		return fmt.Errorf("the CPU shows neither vmx nor svm, so %s is software", h.kvm)
	}
	f, err := os.OpenFile(h.kvm, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: is this user in the group kvm?", err)
	}
	f.Close()
	if probe == nil {
		return errors.New("no image to probe it with")
	}
	return probe(ctx)
}
