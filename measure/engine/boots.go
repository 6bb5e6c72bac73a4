package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
)

// boots returns the steps of an engine whose ticks are cycles, of all that the job boots.
func (j *Job) boots(ctx context.Context, engine vm.Engine, d Defaults) ([]Step, error) {
	generated, all := j.targets(engine, d)
	if generated != nil {
		all = append([]*target{generated}, all...)
	}
	var steps []Step
	for _, t := range all {
		if engine == vm.KVM {
			cpu, err := vm.PinCPU()
			if err != nil {
				return nil, err
			}
			t.vm.HostCPU = &cpu
		}
		some, err := t.boots(ctx, d)
		if err != nil {
			return nil, err
		}
		steps = append(steps, some...)
	}
	return steps, nil
}

// boots returns the steps that sample. A boot is the unit of resampling, so there are
// many boots, a generated kernel's each with its code at other addresses.
func (t *target) boots(ctx context.Context, d Defaults) ([]Step, error) {
	n, samples := cmp.Or(t.job.Boots, d.Boots), t.job.Samples
	if t.job.Study {
		samples = cmp.Or(samples, d.Samples)
	}
	still, err := t.machine(ctx, 0, wire.Command{Verify: true})
	if err != nil {
		return nil, err
	}
	c, err := t.config(ctx, still)
	if err != nil {
		return nil, err
	}
	var steps []Step
	if t.job.Verify {
		steps = append(steps, Step{
			Title:  "the checks",
			Config: c,
			Done:   func([]record.Record) bool { return false },
			Run:    func(ctx context.Context, out Out) error { return t.run(ctx, still, out, nil) },
		})
	}
	sampling := *t
	sampling.job.Verify = false
	return append(steps, bootSteps(n, c, t.axes, func() record.Config { return hostConfig(still) }, func(ctx context.Context, number int) (cycles.Boot, error) {
		m, err := sampling.machine(ctx, uint64(number), wire.Command{Sample: true, Seed: uint64(number), Samples: samples})
		if err != nil {
			return cycles.Boot{}, err
		}
		return sampling.sample(ctx, m, number, c)
	})...), nil
}

// bootSteps returns n steps, each of one boot by sample with the configuration c. A step
// hands out all records at once, at its end, and only if the host underneath is still
// the same.
func bootSteps(n int, c record.Config, axes map[string]string, host func() record.Config, sample func(ctx context.Context, number int) (cycles.Boot, error)) []Step {
	var steps []Step
	var taken []cycles.Boot
	for i := range n {
		number := i + 1
		steps = append(steps, Step{
			Title:  fmt.Sprintf("boot %d of %d", number, n),
			Config: c,
			Done: func(have []record.Record) bool {
				mine := slices.DeleteFunc(slices.Clone(have), func(r record.Record) bool { return r.Run != number || !Same(r.Config, c) })
				return len(Boots(mine)) > 0
			},
			Run: func(ctx context.Context, out Out) error {
				got, err := sample(ctx, number)
				if err != nil {
					return err
				}
				switch now := host(); {
				case now.Host != c.Host || now.Microcode != c.Microcode:
					return fmt.Errorf("the CPU changed under the run: it was %s (microcode %s), now it is %s (microcode %s); boot %d is not counted",
						c.Host, c.Microcode, now.Host, now.Microcode, number)
				case now.Conditions != c.Conditions:
					return fmt.Errorf("the host changed under the run: its CPU was %s, now it is %s; boot %d is not counted", c.Conditions, now.Conditions, number)
				}
				taken = append(taken, got)
				out.Account(Account{Disturbed: Stolen(taken)})
				return out.Records(got.Records(axes, time.Now())...)
			},
		})
	}
	return steps
}

// Stolen says how many samples of boots were dropped because the hypervisor had the CPU run
// others meanwhile; nothing without a hypervisor.
func Stolen(boots []cycles.Boot) string {
	var stolen, taken, silent int
	for _, b := range boots {
		stolen, taken = stolen+b.Stolen, taken+b.Taken
		if !b.StealTold && b.Hypervisor != "-" {
			silent++
		}
	}
	switch {
	case !slices.ContainsFunc(boots, func(b cycles.Boot) bool { return b.Hypervisor != "-" }):
		return ""
	case silent > 0:
		return fmt.Sprintf("in %d of %d boots the hypervisor did not tell what time it took for others (steal time): no sample of these was dropped for it", silent, len(boots))
	}
	return fmt.Sprintf("%d of %d samples were dropped, as the hypervisor took time from them for others (steal time)", stolen, taken)
}

// sample boots a machine whose guest takes samples, and returns them. c is the boot's
// configuration.
func (t *target) sample(ctx context.Context, m vm.Config, number int, c record.Config) (cycles.Boot, error) {
	var console strings.Builder
	source := fmt.Sprintf("boot %d", number)
	if err := t.run(ctx, m, Out{}, func(line string) { console.WriteString(line + "\n") }); err != nil {
		return cycles.Boot{}, fmt.Errorf("%s: %w", source, err)
	}
	b, err := booted(source, console.String(), number, c)
	if t.linux != nil {
		b.Rename(wire.Linux, t.linux.name)
	}
	return b, err
}

// booted returns the boot that a console shows.
func booted(source, console string, number int, c record.Config) (cycles.Boot, error) {
	got, damaged, err := cycles.Parse(source, strings.NewReader(console))
	switch {
	case err != nil:
		return cycles.Boot{}, err
	case len(damaged) > 0:
		return cycles.Boot{}, fmt.Errorf("%s: %s", source, strings.Join(damaged, "; "))
	case len(got) != 1:
		return cycles.Boot{}, fmt.Errorf("%s: %d runs of samples, want 1", source, len(got))
	}
	b := got[0]
	if on := onHypervisor(b.Hypervisor); on != c.Engine {
		return cycles.Boot{}, fmt.Errorf("%s: the guest finds itself on %s, want %s", source, on, c.Engine)
	}
	b.ID, b.Source, b.Config = uint64(number), source, c
	return b, nil
}

// Boots returns the boots that the records belong to, in order. It leaves out a boot
// that was interrupted while its records were written; of a boot that was written twice
// the newer one counts.
func Boots(records []record.Record) []cycles.Boot {
	type key struct {
		run           int
		code, machine string
	}
	type figure struct{ label, op string }
	type taken struct {
		cycles.Boot
		at    map[figure]int // the index of the newest record of each figure
		whole bool
	}
	var order []*taken
	boots := map[key]*taken{}
	machines := map[record.Config]string{}
	for i := range records {
		r := &records[i]
		if len(r.Samples) != 1 || r.Samples[0] == nil {
			continue
		}
		if machines[r.Config] == "" {
			machines[r.Config] = MachineID(r.Config)
		}
		k := key{r.Run, r.Code, machines[r.Config]}
		b := boots[k]
		if b == nil {
			b = &taken{at: map[figure]int{}}
			b.ID, b.Source, b.Config = uint64(r.Run), fmt.Sprintf("boot %d (%s)", r.Run, r.Engine), r.Config
			b.Proofs = map[string]record.Proof{}
			boots[k], order = b, append(order, b)
		}
		if r.Proof != "" {
			b.Proofs[r.Variant] = r.Proof
		}
		f := cycles.FigureOf(r)
		at, again := b.at[figure{f.Label, f.Op}]
		if !again {
			at = len(b.Figures)
			b.Figures = append(b.Figures, f)
			b.at[figure{f.Label, f.Op}] = at
		}
		b.Figures[at] = f
		b.whole = b.whole || f.Ends()
	}
	var list []cycles.Boot
	for _, b := range order {
		if b.whole {
			list = append(list, b.Boot)
		}
	}
	return list
}
