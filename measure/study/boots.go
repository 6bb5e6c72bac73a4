package study

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
)

// Boots is an engine's work where ticks are cycles, which is under KVM: a boot
// is the unit of resampling, so there are many, each with its code at other
// addresses.
type Boots struct {
	// Machine is the machine. Under TCG its cycles mean nothing, as package
	// cycles then says.
	Machine vm.Config
	// N is how many boots, Samples how many samples each takes; 0 stands for
	// the defaults of package cycles and of the guest.
	N, Samples int
	// Step, if not nil, is told what takes time.
	Step func(string)
	// host describes the machine underneath; of tests.
	host func() record.Config
}

// studySamples make a boot with all variants of the study take some seconds.
const studySamples = 500

// KVM returns the study's engine of that name. step, if not nil, is told what
// takes time.
func KVM(step func(string)) Engine {
	return Boots{Machine: vm.Config{Engine: vm.KVM}, Samples: studySamples, Step: step}.Engine()
}

func (b Boots) n() int { return cmp.Or(b.N, cycles.DefaultBoots) }

func (b Boots) step(text string) {
	if b.Step != nil {
		b.Step(text)
	}
}

// Engine returns the engine.
func (b Boots) Engine() Engine {
	return Engine{Name: string(b.Machine.Engine), Prepare: func(ctx context.Context, list []stubs.Named) ([]Step, error) {
		if err := b.Machine.Engine.Available(ctx, boot.ProbeKVM); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return b.steps(ctx, list)
	}}
}

// Config is what the boots are measured with. Its code is that of the image in
// which nothing is moved.
func (b Boots) Config(ctx context.Context, list []stubs.Named) (record.Config, error) {
	m, err := b.prepare(ctx, list, 0)
	if err != nil {
		return record.Config{}, err
	}
	return MachineConfig(ctx, m)
}

// prepare makes the machine of a boot, which is also the seed of the addresses;
// in that of number 0 nothing is moved.
func (b Boots) prepare(ctx context.Context, list []stubs.Named, number int) (vm.Config, error) {
	return boot.Prepare(ctx, boot.Config{
		Variants: list, Args: cycles.Words(number, b.Samples), VM: b.Machine, Placement: uint64(number), Progress: b.Step,
	})
}

// steps are the boots.
func (b Boots) steps(ctx context.Context, list []stubs.Named) ([]Step, error) {
	c, err := b.Config(ctx, list)
	if err != nil {
		return nil, err
	}
	return b.stepsOf(c, axesOf(list), func(ctx context.Context, number int) (cycles.Boot, error) {
		m, err := b.prepare(ctx, list, number)
		if err != nil {
			return cycles.Boot{}, err
		}
		return cycles.Sample(ctx, m, number, c)
	}), nil
}

// stepsOf are the boots that sample takes. Each hands out all its records at
// once, when it is over, and only if the machine underneath is still the same.
func (b Boots) stepsOf(c record.Config, axes map[string]string, sample func(ctx context.Context, number int) (cycles.Boot, error)) []Step {
	n, host := b.n(), b.host
	if host == nil {
		host = HostConfig
	}
	var steps []Step
	for i := range n {
		number := i + 1
		steps = append(steps, Step{
			Title: fmt.Sprintf("boot %d of %d", number, n),
			Done: func(have []record.Record) bool {
				mine := slices.DeleteFunc(slices.Clone(have), func(r record.Record) bool { return r.Run != number || !r.Same(c) })
				return len(cycles.FromRecords(mine)) > 0
			},
			Run: func(ctx context.Context, emit func(...record.Record) error) error {
				got, err := sample(ctx, number)
				if err != nil {
					return err
				}
				if now := host(); now.Host != c.Host || now.Microcode != c.Microcode {
					return fmt.Errorf("the CPU changed under the run: it was %s (microcode %s), now it is %s (microcode %s); boot %d is not counted",
						c.Host, c.Microcode, now.Host, now.Microcode, number)
				}
				return emit(got.Records(axes, time.Now())...)
			},
		})
	}
	return steps
}

// axesOf are the variants' axes by name.
func axesOf(list []stubs.Named) map[string]string {
	axes := map[string]string{}
	for _, n := range list {
		axes[n.Name] = n.Variant.String()
	}
	return axes
}

// Booted are the boots among records that were measured with c, as package
// cycles analyses them.
func Booted(records []record.Record, c record.Config) []cycles.Boot {
	mine := slices.DeleteFunc(slices.Clone(records), func(r record.Record) bool { return !r.Same(c) })
	return cycles.FromRecords(mine)
}

// Consoles are the records of boots of machines that ran by themselves, without
// those that old holds.
func Consoles(boots []cycles.Boot, old []record.Record) []record.Record {
	var records []record.Record
	for _, b := range boots {
		if slices.ContainsFunc(Booted(old, b.Config), func(o cycles.Boot) bool { return o.ID == b.ID }) {
			continue
		}
		axes := map[string]string{}
		for _, v := range b.Variants() {
			axes[v] = consoleAxes(v)
		}
		b.Config.Build = Build()
		records = append(records, b.Records(axes, time.Now())...)
	}
	return records
}

// consoleAxes are the axes of a variant that only a console tells of: those of
// its name, none for Linux, and "own" where the name says nothing.
func consoleAxes(name string) string {
	if n, err := stubs.ParseVariant(name); err == nil {
		return n.Variant.String()
	}
	if name == wire.Linux {
		return ""
	}
	return "own"
}
