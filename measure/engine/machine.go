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

// target is what the machine of a job boots: the generated kernel, which is made once,
// or a real one.
type target struct {
	job   Job
	linux *Linux // nil: the generated kernel
	vm    vm.Config
	image *image.Image
	axes  map[string]string
	// ran are the subjects that had a figure, if counts were taken: a CPU may lack
	// what some need.
	ran map[string]bool
}

// targets returns what the job boots on an engine's machine: the generated kernel, if
// it has subjects, and then the real ones.
func (j *Job) targets(engine vm.Engine, d Defaults) (generated *target, real []*target) {
	m := j.Machine
	m.Engine = engine
	if m.Machine == "" {
		m.Machine = d.Machine
	}
	if m.CPU == "" {
		m.CPU = d.CPU
	}
	if len(j.Subjects) > 0 {
		generated = &target{job: *j, vm: m, axes: j.axes(), ran: map[string]bool{}}
	}
	for _, kernel := range j.Kernels {
		real = append(real, &target{job: *j, linux: kernel, vm: m})
	}
	return generated, real
}

// machine returns the machine whose guest does that. placement seeds the addresses of
// the entry paths; with 0 nothing is moved.
func (t *target) machine(ctx context.Context, placement uint64, do wire.Command) (vm.Config, error) {
	if t.linux != nil {
		return t.linux.Machine(ctx, t.vm, do)
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
	c := hostConfig(m)
	c.Engine, c.Machine, c.CPU, c.Code = string(m.Engine), string(m.Machine), m.CPU, m.Code
	var err error
	c.Emulator, err = vm.Emulator(ctx, m.Engine)
	return c, err
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
	return t.judge(run, err, out)
}

// judge hands out what a run says about itself, and returns an error if its figures mean
// nothing: it did not come to its end, or a check failed that the job does not show to
// the user. err is what the run ended with.
func (t *target) judge(run *boot.Run, err error, out Out) error {
	switch {
	case run == nil:
		return err
	case !run.Complete || err != nil && t.linux == nil: // Linux ends by a reset, so the summary is the verdict
		return fmt.Errorf("%w\n%s", err, run.VM.Report())
	}
	if t.linux != nil {
		t.linux.rename(run.Results)
		if out.Vulnerabilities != nil {
			out.Vulnerabilities(t.linux.name, run.Vulnerabilities)
		}
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

// hostConfig works like HostConfig, but for a machine whose CPU may be kept on one of this
// host's.
func hostConfig(m vm.Config) record.Config {
	c := HostConfig()
	if m.HostCPU != nil {
		c.Conditions = host.Conditions(host.Sys, *m.HostCPU)
	}
	return c
}

// HostConfig returns the part of a configuration that describes this host and this program.
func HostConfig() record.Config {
	c := record.Config{Build: build.Name(), Kernel: host.Kernel()}
	c.Host, c.Microcode = host.Model()
	return c
}
