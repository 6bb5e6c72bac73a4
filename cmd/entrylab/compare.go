package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// units are what one tick of the time-stamp counter is under each engine that
// has costs. Plain TCG has none: its time is the emulator's.
var units = map[vm.Engine]string{vm.ICount: "instructions", vm.Bochs: "instructions"}

// compareOptions are the flags of compare.
type compareOptions struct {
	machineFlags
	format, out string
	from        []string
	unproved    bool
}

func (e *env) compareCommand() *cli.Command {
	var o compareOptions
	return e.command(&cli.Command{
		Name:      "compare",
		Usage:     "measure variants against the first of them",
		ArgsUsage: "VARIANT VARIANT...",
		Description: `All variants are in one kernel and are measured in turn. Engine replay boots no
machine: it runs the code of the paths in ring 3 of this CPU; static runs
nothing, and counts what is in the code. With -from nothing is measured: what
machines that booted an image by themselves have printed is read. With -v,
engine replay tells how the differences spread over the placements in memory,
and what 1, 2, 3 and 6 instructions more read as.

Examples:

    entrylab compare linux-3.19 heukelum-v2
    entrylab compare -engine static linux-3.19 linux-3.19+a linux-4.1
    entrylab compare -format bench linux-4.1 ./mine.S > bench.txt
    entrylab compare -from serial.log -o results.jsonl`,
		DisableSliceFlagSeparator: true, // a comma in the name of a file
		Flags: append(o.flags("icount, kvm, bochs, replay, static, or auto (kvm where it is real, else icount)"),
			formatFlag(&o.format, "text", "json", "bench", "csv", "html"),
			&cli.StringSliceFlag{
				Name: "from", Destination: &o.from, HideDefault: true,
				Usage: "measure nothing: `FILE` holds the console of one or more boots of a machine whose init was given the word sample; may be repeated",
			},
			&cli.StringFlag{
				Name: "o", Destination: &o.out,
				Usage: "results `FILE`: figures are appended as they come, and boots that it holds already are not measured again; without it nothing is kept",
			},
			unprovedFlag(&o.unproved),
		),
	}, func(ctx context.Context, args []string) (int, error) { return e.runCompare(ctx, &o, args) })
}

func (e *env) runCompare(ctx context.Context, o *compareOptions, args []string) (status int, failed error) {
	m, format := &o.machineFlags, o.format
	if len(o.from) > 0 {
		return compareConsoles(ctx, e, o.from, args, o.out, format)
	}
	if len(args) < 2 {
		return 0, errors.New("want at least two variants: the first is what the others are compared with")
	}
	switch m.engine {
	case "auto", string(vm.ICount), string(vm.KVM), string(vm.Bochs), engineReplay, engineStatic:
	case string(vm.TCG):
		return 0, errors.New("-engine tcg: its time measures the emulator, not the code; use icount")
	default:
		return 0, fmt.Errorf("-engine %q: want auto, icount, kvm, bochs, replay or static", m.engine)
	}
	list, err := eachVariant(ctx, args)
	if err != nil {
		return 0, err
	}
	said, err := refuseUnproved(list, o.unproved)
	if err != nil {
		return 0, err
	}
	said.head(e.stdout, format)
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	defer k.close(&failed)
	k.say(said)
	if m.engine == engineStatic {
		if err := keepCounts(ctx, k, list); err != nil {
			return 0, err
		}
		return 0, compareCounted(e.stdout, list, said, format)
	}
	if m.engine == engineReplay {
		return compareReplayed(ctx, e, k, list, said, format, m.verbose)
	}
	c := comparison{names: namesOf(list), proofs: said}
	if !slices.Contains(c.names, wire.Floor) {
		bare, err := stubs.ParseVariant(wire.Floor)
		if err != nil {
			return 0, err
		}
		list = append(list, bare)
	}
	if c.machine, err = m.config(ctx, e); err != nil {
		return 0, err
	}
	m.engine = string(c.machine.Engine)
	if c.machine.Engine == vm.KVM {
		return compareBoots(ctx, e, m, k, list, c.names, study.Boots{Machine: c.machine}, said, format)
	}
	out := e.stdout
	if format != "text" {
		e.stdout = io.Discard // the description is a part of the format
	}
	words := wire.Command{Verify: true, Measure: true}.Words()
	c.run, err = e.runGuest(ctx, m, list, words...)
	e.stdout = out
	if err != nil {
		return 0, err
	}
	if c.machine.Engine == vm.ICount {
		calls, err := trace.NullCalls(ctx, c.measured(list), c.machine)
		if err != nil {
			return 0, err
		}
		for _, call := range calls {
			c.run.Measures = append(c.run.Measures, call.Measures()...)
		}
	}
	if k.store != nil {
		records, err := study.Counted(ctx, list, c.machine, words, c.run.Measures)
		if err := errors.Join(err, k.keep(records)); err != nil {
			return 0, err
		}
	}
	emulator, err := vm.Emulator(ctx, c.machine.Engine)
	if err != nil {
		return 0, err
	}
	if c.machine.Engine == vm.Bochs {
		c.bochs = strings.TrimPrefix(emulator, "Bochs ")
	} else {
		c.qemu = strings.TrimPrefix(emulator, "QEMU ")
	}
	checks := io.Discard // they are a part of the other formats
	switch format {
	case "json":
		err = c.json(out)
	case "bench":
		err = c.bench(out)
	case "csv", "html":
		err = writeRows(out, format, c.rows())
	default:
		checks, err = out, c.text(out)
	}
	if err != nil {
		return 0, err
	}
	status = verdict(checks, c.run)
	if err := c.compared(list); err != nil {
		return max(status, exitError), err
	}
	return status, nil
}

func namesOf(list []stubs.Named) []string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.Name
	}
	return names
}

// comparison is what the formats print.
type comparison struct {
	names   []string // the first is the base
	machine vm.Config
	// The emulator's version, in the field that is its own.
	qemu, bochs string
	run         *boot.Run
	proofs      proofs
}

// measured are the variants that the machine's CPU can run.
func (c comparison) measured(list []stubs.Named) []stubs.Named {
	return slices.DeleteFunc(slices.Clone(list), func(n stubs.Named) bool {
		_, ok := c.run.Find(n.Name, record.Operations[0].Op)
		return !ok
	})
}

// compared returns an error if there is no difference to see, since the base was
// not measured or nothing beside it: that must not look as if all were well.
func (c comparison) compared(list []stubs.Named) error {
	measured := namesOf(c.measured(list))
	has := func(name string) bool { return slices.Contains(measured, name) }
	if has(c.names[0]) && slices.ContainsFunc(c.names[1:], has) {
		return nil
	}
	var why []string
	var needs layout.Features
	for _, n := range list {
		if !slices.Contains(c.names, n.Name) || has(n.Name) {
			continue
		}
		text := n.Name + " was not measured"
		for _, check := range c.run.Checks {
			if check.Name == n.Name+": measure" {
				text += ": " + check.Detail
			}
		}
		why = append(why, text)
		needs |= n.Features()
	}
	text := fmt.Sprintf("nothing to compare: %s (engine %s, CPU %s)", strings.Join(why, "; "), c.machine.Engine, c.machine.CPU)
	if needs == layout.FeaturePCID && c.machine.Engine != vm.Bochs {
		text += "; -engine bochs has PCIDs"
	}
	return errors.New(text)
}

func (c comparison) text(w io.Writer) error {
	fmt.Fprintf(w, "%s per operation, SYSCALL and SYSRET included, the measuring loop subtracted\n\n", units[c.machine.Engine])
	if err := writeTable(w, c.rows()); err != nil {
		return err
	}
	if m, ok := c.run.Find(wire.Floor, record.Operations[0].Op); ok {
		fmt.Fprintf(w, "\nThe floor, an entry that keeps nothing and answers at once: %s\n", figure(m, ok))
	}
	return nil
}

// rows is the table: of two variants or of more.
func (c comparison) rows() [][]string {
	if len(c.names) > 2 {
		return c.many()
	}
	return c.pair()
}

// operations are the rows of the tables: the parts of a null call follow it
// where they were counted.
func (c comparison) operations() []record.Operation {
	if _, ok := c.run.Find(c.names[0], record.Phases[0].Op); !ok {
		return record.Operations
	}
	return slices.Concat(record.Operations[:1], record.Phases, record.Operations[1:])
}

// pair is the table of two variants: a row for each operation.
func (c comparison) pair() [][]string {
	a, b := c.names[0], c.names[1]
	rows := [][]string{{"", a, b, "difference"}, {"checks", c.checks(a), c.checks(b), ""}}
	for _, op := range c.operations() {
		base, ok := c.run.Find(a, op.Op)
		m, found := c.run.Find(b, op.Op)
		rows = append(rows, []string{op.Title, figure(base, ok), figure(m, found), difference(base, m, ok && found)})
	}
	return rows
}

// many is the table of more: a row for each variant, the difference from the
// first in brackets.
func (c comparison) many() [][]string {
	head := []string{"", "checks"}
	for _, op := range c.operations() {
		head = append(head, op.Short)
	}
	rows := [][]string{head}
	for i, name := range c.names {
		row := []string{name, c.checks(name)}
		for _, op := range c.operations() {
			base, ok := c.run.Find(c.names[0], op.Op)
			m, found := c.run.Find(name, op.Op)
			cell := figure(m, found)
			if i > 0 {
				cell += " (" + difference(base, m, ok && found) + ")"
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// checks sums up what was verified of a variant.
func (c comparison) checks(name string) string {
	s := fmt.Sprintf("%d pass", c.run.Count(name, wire.Pass))
	for _, o := range []struct {
		outcome wire.Outcome
		word    string
	}{{wire.Fail, "FAIL"}, {wire.Error, "ERROR"}, {wire.Skip, "skip"}} {
		if n := c.run.Count(name, o.outcome); n > 0 {
			s += fmt.Sprintf(", %d %s", n, o.word)
		}
	}
	return s
}

// writeTable prints rows in columns, the first to the left, all others to the
// right.
func writeTable(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(&b, "%-*s", widths[i], cell)
			} else {
				fmt.Fprintf(&b, "   %*s", widths[i], cell)
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// figure prints a median; one that is no exact count carries its range.
func figure(m wire.Measure, ok bool) string {
	switch {
	case !ok:
		return "-"
	case m.Exact():
		return strconv.FormatFloat(m.Median, 'f', -1, 64)
	}
	return fmt.Sprintf("%g (%g to %g)", m.Median, m.Min, m.Max)
}

// difference prints m less base. Two figures whose ranges overlap and that are
// not exact are not told apart.
func difference(base, m wire.Measure, ok bool) string {
	switch {
	case !ok:
		return "-"
	case base.Exact() && m.Exact():
		if d := int64(m.Median - base.Median); d != 0 {
			return fmt.Sprintf("%+d", d)
		}
		return "0"
	case m.Min <= base.Max && base.Min <= m.Max:
		return "none seen"
	}
	return fmt.Sprintf("%+.1f", m.Median-base.Median)
}

func (c comparison) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Proofs   proofs         `json:"proofs,omitempty"`
		Engine   vm.Engine      `json:"engine"`
		Unit     string         `json:"unit"`
		Machine  vm.Machine     `json:"machine"`
		CPU      string         `json:"cpu"`
		QEMU     string         `json:"qemu,omitempty"`
		Bochs    string         `json:"bochs,omitempty"`
		Variants []string       `json:"variants"`
		Checks   []wire.Check   `json:"checks"`
		Measures []wire.Measure `json:"measures"`
	}{
		c.proofs, c.machine.Engine, units[c.machine.Engine], c.machine.Machine, c.machine.CPU, c.qemu, c.bochs,
		c.names, c.run.Checks, c.run.Measures,
	})
}

// bench prints Go's benchmark format with its configuration lines
// (golang.org/x/perf/benchfmt), so that benchstat reads it: the variants that were
// asked for. Of an exact count benchstat wants no second run.
func (c comparison) bench(w io.Writer) error {
	const exact, sampled = "insns/op", "insns-median/op"
	emulator := "qemu: " + c.qemu
	if c.bochs != "" {
		emulator = "bochs: " + c.bochs
	}
	fmt.Fprintf(w, "engine: %s\nmachine: %s\ncpu: %s\n%s\n", c.machine.Engine, c.machine.Machine, c.machine.CPU, emulator)
	fmt.Fprintf(w, "Unit %s better=lower assume=exact\nUnit %s better=lower\n", exact, sampled)
	for _, op := range c.operations() {
		for _, m := range c.run.Measures {
			if m.Op != op.Op || !slices.Contains(c.names, m.Variant) {
				continue
			}
			unit := exact
			if !m.Exact() {
				unit = sampled
			}
			if _, err := fmt.Fprintf(w, "Benchmark%s/variant=%s %d %s %s\n", op.Bench, m.Variant, m.N*m.Batches,
				strconv.FormatFloat(m.Median, 'f', -1, 64), unit); err != nil {
				return err
			}
		}
	}
	return nil
}
