package engine

import (
	"context"
	"fmt"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/record"
)

// target is what the machine of a job boots. Its kernel is generated once.
type target struct {
	job   Job
	vm    vm.Config
	image *image.Image
	axes  map[string]string
	// ran are the subjects that had a figure, if counts were taken: a CPU may lack
	// what some need.
	ran map[string]bool
}

// target returns the target of a job on an engine's machine.
func (j *Job) target(engine vm.Engine, d Defaults) *target {
	m := j.Machine
	m.Engine = engine
	if m.Machine == "" {
		m.Machine = d.Machine
	}
	if m.CPU == "" {
		m.CPU = d.CPU
	}
	return &target{job: *j, vm: m, axes: j.axes(), ran: map[string]bool{}}
}

// machine returns the machine whose guest does that. placement seeds the addresses of
// the entry paths; with 0 nothing is moved.
func (t *target) machine(ctx context.Context, placement uint64, do wire.Command) (vm.Config, error) {
	if t.job.Linux != nil {
		return t.job.Linux.Machine(ctx, t.vm, do)
	}
	c := boot.Config{Variants: t.job.Subjects, Args: do.Words(), VM: t.vm, Placement: placement, Progress: t.job.Progress}
	if placement == 0 {
		if t.image == nil && t.vm.Engine != vm.Bochs {
			var err error
			if t.image, err = boot.Kernel(c); err != nil {
				return vm.Config{}, err
			}
		}
		c.Image = t.image
	}
	return boot.Prepare(ctx, c)
}

// config returns the configuration with which a machine's figures are measured.
func (t *target) config(ctx context.Context, m vm.Config) (record.Config, error) {
	c := HostConfig()
	c.Engine, c.Machine, c.CPU, c.Code = string(m.Engine), string(m.Machine), m.CPU, m.Code
	var err error
	c.Emulator, err = vm.Emulator(ctx, m.Engine)
	return c, err
}

// label returns the name in records of what the guest calls name.
func (t *target) label(name string) string {
	if t.job.Linux != nil {
		return t.job.Linux.label(name)
	}
	return name
}

// run boots a machine to its end. onLine, if not nil, is called with each line. If a check
// failed, the machine's figures mean nothing, and run returns an error unless the job
// shows the checks to the user.
func (t *target) run(ctx context.Context, m vm.Config, out Out, onLine func(string)) error {
	t.job.step("booting on %s", m.Engine)
	run, err := boot.RunPrepared(ctx, m, func(line string) {
		if onLine != nil {
			onLine(line)
		}
		if t.job.Verify {
			t.job.step("%s", line)
		}
	})
	switch {
	case run == nil:
		return err
	case !run.Complete || err != nil && t.job.Linux == nil: // Linux ends by a reset, so the summary is the verdict
		return fmt.Errorf("%w\n%s", err, run.VM.Report())
	}
	if t.job.Verify {
		out.Checks(run.Checks)
		out.Account(Account{CommandLine: run.VM.CommandLine})
		return nil
	}
	for _, c := range run.Checks {
		if c.Outcome == wire.Fail || c.Outcome == wire.Error {
			return fmt.Errorf("%s: %s (%s)", c.Outcome, c.Name, c.Detail)
		}
	}
	return nil
}

// HostConfig returns the part of a configuration that describes this host and this program.
func HostConfig() record.Config {
	c := record.Config{Build: build.Name(), Kernel: host.Kernel()}
	c.Host, c.Microcode = host.Model()
	return c
}
