package study

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// units of a tick of the time-stamp counter, under the engines that count
// exactly in one boot.
var units = map[vm.Engine]string{vm.ICount: record.Instructions, vm.Bochs: record.Instructions}

// Machines returns the study's engine that boots the variants once and counts
// exactly: icount, or Bochs. step, if not nil, is told what takes time.
func Machines(engine vm.Engine, step func(string)) Engine {
	return Machine(vm.Config{Engine: engine}, step)
}

// Machine returns the engine that measures on a machine: by one boot where
// counts are exact, else by many.
func Machine(machine vm.Config, step func(string)) Engine {
	if units[machine.Engine] == "" {
		return Boots{Machine: machine, Step: step}.Engine()
	}
	return Engine{Name: string(machine.Engine), Prepare: func(ctx context.Context, list []stubs.Named) ([]Step, error) {
		if err := machine.Engine.Available(ctx, nil); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		axes := axesOf(list)
		m, err := boot.Prepare(ctx, boot.Config{Variants: list, Args: wire.Command{Measure: true}.Words(), VM: machine, Progress: step})
		if err != nil {
			return nil, err
		}
		c, err := MachineConfig(ctx, m)
		if err != nil {
			return nil, err
		}
		steps := []Step{{
			Title: fmt.Sprintf("one boot, %d variants", len(list)),
			Done:  func(have []record.Record) bool { return complete(list, have, c, "", 0, operations()) },
			Run: func(ctx context.Context, emit func(...record.Record) error) error {
				return Measure(ctx, m, func(f wire.Measure) error {
					return emit(record.New(c, f, axes[f.Variant], units[m.Engine], 0, time.Now()))
				})
			},
		}}
		if machine.Engine == vm.ICount {
			phases, err := phaseStep(ctx, list, axes, machine)
			if err != nil {
				return nil, err
			}
			steps = append(steps, phases)
		}
		return steps, nil
	}}
}

// phaseStep counts the phases of every variant's null call.
func phaseStep(ctx context.Context, list []stubs.Named, axes map[string]string, machine vm.Config) (Step, error) {
	m, err := trace.Prepare(ctx, list, machine)
	if err != nil {
		return Step{}, err
	}
	c, err := MachineConfig(ctx, m)
	if err != nil {
		return Step{}, err
	}
	ops := make([]string, len(record.Phases))
	for i, o := range record.Phases {
		ops[i] = o.Op
	}
	return Step{
		Title: "the phases of a null call",
		Done: func(have []record.Record) bool {
			for _, op := range ops { // the floor has all of them, too
				if !complete(list, have, c, "", 0, []string{op}) {
					return false
				}
			}
			return true
		},
		Run: func(ctx context.Context, emit func(...record.Record) error) error {
			calls, err := trace.Follow(ctx, list, m)
			if err != nil {
				return err
			}
			for _, call := range calls {
				for _, f := range call.Measures() {
					if err := emit(record.New(c, f, axes[f.Variant], record.Instructions, 0, time.Now())); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}, nil
}

// operations are the names of all operations.
func operations() []string {
	ops := make([]string, len(record.Operations))
	for i, o := range record.Operations {
		ops[i] = o.Op
	}
	return ops
}

// Measure boots a machine with the guest and hands out each figure as it comes.
// A check that fails on the way is an error: the figures of a machine that does
// not work mean nothing.
func Measure(ctx context.Context, m vm.Config, emit func(wire.Measure) error) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	run, err := boot.RunPrepared(running, m, func(line string) {
		r, err := wire.Parse(line) // the whole is parsed again, and refused, at the end
		if err != nil || running.Err() != nil {
			return
		}
		for _, f := range r.Measures {
			if err := emit(f); err != nil {
				stop(err)
			}
		}
	})
	if cause := context.Cause(running); cause != nil && ctx.Err() == nil {
		return cause
	}
	switch {
	case run == nil:
		return err
	case !run.Complete: // Linux ends by a reset, so the summary is the verdict
		return fmt.Errorf("%w\n%s", err, run.VM.Report())
	}
	for _, c := range run.Checks {
		if c.Outcome == wire.Fail || c.Outcome == wire.Error {
			return fmt.Errorf("%s: %s (%s)", c.Outcome, c.Name, c.Detail)
		}
	}
	return nil
}

// MachineConfig is what the figures of a prepared machine are measured with.
func MachineConfig(ctx context.Context, m vm.Config) (record.Config, error) {
	c := HostConfig()
	c.Engine, c.Machine, c.CPU = string(m.Engine), string(m.Machine), m.CPU
	switch {
	case m.Machine != "":
	case m.Disk != "":
		c.Machine = string(vm.PC)
	default:
		c.Machine = string(vm.MicroVM)
	}
	switch {
	case m.CPU != "":
	case m.Engine == vm.Bochs:
		c.CPU = vm.BochsCPU
	default:
		c.CPU = vm.DefaultCPU
	}
	var err error
	if c.Emulator, err = vm.Emulator(ctx, m.Engine); err != nil {
		return c, err
	}
	c.Code, err = hash(ctx, m.Kernel, m.Initrd, m.Disk)
	return c, err
}

// imageFile is what a machine boots.
var imageFile = bounded.Kind{Most: 1 << 30, Regular: true, Advice: "give an image that boots"}

// hash is that of the files' contents; an empty path is no file.
func hash(ctx context.Context, paths ...string) (string, error) {
	sum := sha256.New()
	for _, path := range paths {
		if path == "" {
			continue
		}
		f, err := imageFile.Open(ctx, path)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// HostConfig is the part of a configuration that this host and this program
// are.
func HostConfig() record.Config {
	c := record.Config{Build: Build(), Kernel: host.Kernel()}
	c.Host, c.Microcode = host.Model()
	return c
}

// Build names this program: its module's version, else its source's revision.
func Build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version, modified := info.Main.Version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && (version == "" || version == "(devel)"):
			version = s.Value
		case s.Key == "vcs.modified" && s.Value == "true" && !strings.Contains(version, "dirty"):
			modified = "+modified"
		}
	}
	if version == "" {
		version = "(devel)"
	}
	return version + modified
}
