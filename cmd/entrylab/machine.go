package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
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

// bootEngines is the list of the engines that boot a machine, for a help text.
func bootEngines() string { return engineList(booting(engine.All())) }

// cpuUsage is the help text of the flag for a CPU's model: some engines have another
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

// flags declares them for a command that has these engines.
func (m *machineFlags) flags(engines string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "engine", Usage: "engine `E`: " + engines, Value: engine.Auto, Destination: &m.engine},
		&cli.StringFlag{Name: "machine", Usage: "machine `M`: microvm, pc or q35", Value: string(vm.MicroVM), Destination: &m.machine},
		&cli.StringFlag{Name: "cpu", Usage: cpuUsage(), Value: vm.DefaultCPU, Destination: &m.cpu},
		&cli.IntFlag{Name: "memory", Usage: "RAM in `MIB`; memory above 4 GiB is not used", Value: vm.DefaultMemoryMiB, Destination: &m.memory},
		&cli.DurationFlag{
			Name: "timeout", HideDefault: true,
			Usage: fmt.Sprintf("end a machine after this `TIME`; without it, after %d million instructions, however long these take here, "+
				"or when it has done nothing for long", vm.DefaultInstructions/1_000_000),
			Action: func(_ context.Context, _ *cli.Command, d time.Duration) error { m.timeout = &d; return nil },
		},
		&cli.BoolFlag{Name: "v", Usage: "print the emulator's command line, ready to paste", Destination: &m.verbose},
	}
}

// config resolves the engine and returns the machine. It says in a line on stderr
// why a choice did not fall on its first engine.
func (m *machineFlags) config(ctx context.Context, e *env) (vm.Config, error) {
	c := vm.Config{
		Engine: vm.Engine(m.engine), Machine: vm.Machine(m.machine), CPU: m.cpu, MemoryMiB: m.memory,
	}
	switch {
	case !slices.Contains(vm.Machines, c.Machine):
		return c, fmt.Errorf("-machine %q: want microvm, pc or q35", m.machine)
	case m.memory < 1:
		return c, fmt.Errorf("-memory %d: want the MiB of RAM, 32 or more for a small Go program", m.memory)
	case m.timeout != nil && *m.timeout <= 0:
		return c, fmt.Errorf("-timeout %v: want a time above 0, such as 2m", *m.timeout)
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
			fmt.Fprintf(e.stderr, "entrylab: %s\n", why)
		}
		c.Engine = chosen.VM
		return c, nil
	}
	if err := c.Engine.Available(ctx, boot.ProbeKVM); err != nil {
		return c, err
	}
	return c, nil
}

// progress shows the running step on a terminal and nothing elsewhere.
type progress struct {
	w     io.Writer
	shown bool
}

func newProgress(w io.Writer) *progress {
	terminal := w
	if o, ok := w.(*output); ok {
		terminal = o.w
	}
	f, ok := terminal.(*os.File)
	if term := os.Getenv("TERM"); !ok || term == "" || term == "dumb" {
		return &progress{} // a dumb one cannot take a step away again
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{w: w}
}

// stepWidth is what a step may take of a terminal's line: one that wraps could
// not be taken away again.
const stepWidth = 78

// step replaces the shown step.
func (p *progress) step(text string) {
	if p.w != nil {
		if line := []rune(text); len(line) > stepWidth {
			text = string(line[:stepWidth-3]) + "..."
		}
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
		p.shown = true
	}
}

// done takes the step away.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// printCommandLine is what -v asks for.
func printCommandLine(w io.Writer, m vm.Config) error {
	text, err := vm.CommandLine(m)
	if err == nil {
		fmt.Fprintln(w, text)
	}
	return err
}

// presets are all presets.
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
