package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// machineFlags are the flags of every command that boots a machine.
type machineFlags struct {
	engine, machine, cpu string
	memory               int
	timeout              *time.Duration // nil: none
	verbose              bool
}

// cpuUsage returns the help text of the flag for a CPU's model: some engines have another
// than the flag's.
func cpuUsage() string {
	text := "CPU `MODEL`, by the emulator's name"
	for _, en := range booting(engine.All()) {
		if cpu := en.Defaults.CPU; cpu != vm.DefaultCPU {
			text += fmt.Sprintf("; for %s %s", en.Name, cpu)
		}
	}
	return text
}

// bochsFlag chooses another Bochs than the host's.
func bochsFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "bochs", TakesFile: true,
		Usage: "`PROGRAM` that is the engine bochs, such as one built with FRED; it must have the display library nogui. $" + vm.BochsVariable + " names it, too",
		Action: func(_ context.Context, _ *cli.Command, path string) error {
			if err := vm.UseBochs(path); err != nil {
				return fmt.Errorf("-bochs: %w", err)
			}
			return nil
		},
	}
}

// flags declares them for a command that has these engines.
func (m *machineFlags) flags(some []engine.Engine) []cli.Flag {
	m.memory = vm.DefaultMemoryMiB
	return []cli.Flag{
		&chosen{
			&cli.StringFlag{Name: "engine", Usage: "engine `E`: " + engineList(some), Value: engine.Auto, Destination: &m.engine},
			engines(append(slices.Clone(some), engine.Choices()...)...),
		},
		&chosen{
			&cli.StringFlag{Name: "machine", Usage: "machine `M`: microvm, pc or q35", Value: string(vm.MicroVM), Destination: &m.machine},
			among("microvm", "pc", "q35"),
		},
		bochsFlag(),
		&cli.StringFlag{Name: "cpu", Usage: cpuUsage(), Value: vm.DefaultCPU, Destination: &m.cpu},
		&cli.GenericFlag{Name: "memory", Usage: "RAM of this `SIZE`, as 512MiB or 2GiB", Value: memoryValue{&m.memory}},
		&cli.GenericFlag{
			Name: "timeout", HideDefault: true, Value: timeValue{&m.timeout},
			Usage: fmt.Sprintf("end a machine after this `TIME`, as 90s or 2m; without it, after %d million instructions, however long these take here, "+
				"or when it has done nothing for long", vm.DefaultInstructions/1_000_000),
		},
		&cli.BoolFlag{Name: "v", Usage: "print the emulator's command line, ready to paste", Destination: &m.verbose},
	}
}

// needless refuses what is asked of a machine by flags of an engine that boots none.
func (m *machineFlags) needless() error {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"-machine", m.machine != string(vm.MicroVM)},
		{"-cpu", m.cpu != vm.DefaultCPU},
		{"-memory", m.memory != vm.DefaultMemoryMiB},
		{"-timeout", m.timeout != nil},
	} {
		if f.given {
			return fmt.Errorf("%s: engine %s boots no machine, so it has none of its own: leave it out", f.name, m.engine)
		}
	}
	return nil
}

// config resolves the engine and returns the machine. It says in a line on stderr
// why a choice did not fall on its first engine.
func (m *machineFlags) config(ctx context.Context, e *env) (vm.Config, error) {
	c := vm.Config{
		Engine: vm.Engine(m.engine), Machine: vm.Machine(m.machine), CPU: m.cpu, MemoryMiB: m.memory,
	}
	switch {
	case !slices.Contains(vm.Machines, c.Machine):
		return c, fmt.Errorf("-machine %q: %swant microvm, pc or q35", m.machine, near.Hint(m.machine, vm.Machines))
	case m.timeout != nil:
		c.Timeout = *m.timeout
	}
	if en, ok := engine.Find(m.engine); ok { // which may have other defaults than the flags
		if c.Machine == vm.MicroVM {
			c.Machine = cmp.Or(en.Defaults.Machine, c.Machine)
		}
		if c.CPU == vm.DefaultCPU {
			c.CPU = cmp.Or(en.Defaults.CPU, c.CPU)
		}
	}
	if en, ok := engine.Find(m.engine); ok && en.Choose != nil {
		chosen, why, err := en.Choose(ctx)
		if err != nil {
			return c, err
		}
		if why != "" {
			e.remark("%s", why)
		}
		c.Engine = chosen.VM
		return c, nil
	}
	if err := c.Engine.Available(ctx, boot.ProbeKVM); err != nil {
		return c, err
	}
	return c, nil
}

// printCommandLine prints the emulator's command line, for which -v asks.
func printCommandLine(w io.Writer, m vm.Config) error {
	text, err := vm.CommandLine(m)
	if err == nil {
		fmt.Fprintln(w, text)
	}
	return err
}

// presets returns all presets.
func presets() []stubs.Variant {
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		list = append(list, p.Variant)
	}
	return list
}

// parseVariants reads a list of variants separated by commas, or "all". A
// variant given by its axes has commas of its own: axes that follow each other
// are one variant, unless they change a preset (PRESET+axis=value).
func parseVariants(ctx context.Context, text string) ([]stubs.Variant, error) {
	if text == "all" {
		return presets(), nil
	}
	var names []string
	isAxis := func(word string) bool { return strings.Contains(word, "=") && !strings.Contains(word, "+") }
	for word := range strings.SplitSeq(text, ",") {
		if n := len(names); n > 0 && isAxis(word) && isAxis(names[n-1]) {
			names[n-1] += "," + word
		} else {
			names = append(names, word)
		}
	}
	return eachVariant(ctx, names)
}

// eachVariant reads variants, none of them twice.
func eachVariant(ctx context.Context, names []string) ([]stubs.Variant, error) {
	var list []stubs.Variant
	for _, name := range names {
		n, err := variantOf(ctx, name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(o stubs.Variant) bool { return o.Name == n.Name }) {
			return nil, fmt.Errorf("variant %s is named twice", n.Name)
		}
		list = append(list, n)
	}
	return list, nil
}
