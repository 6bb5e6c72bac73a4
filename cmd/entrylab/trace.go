package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// traceOptions are the flags of trace.
type traceOptions struct {
	machineFlags
	words, format string
}

// traceFlags returns the flags of commands that follow a call: QEMU steps it, under icount.
func (o *traceOptions) traceFlags() []cli.Flag {
	o.engine = string(vm.ICount)
	flags := slices.DeleteFunc(o.flags(nil), func(f cli.Flag) bool { return f.Names()[0] == "engine" })
	return append(flags, wordsFlag(&o.words))
}

// nullCall is the call that is followed if none is named.
const nullCall = "getppid"

func (e *env) traceCommand() *cli.Command {
	var o traceOptions
	return e.command(&cli.Command{
		Name:      "trace",
		Usage:     "print every instruction that a kernel runs in one system call or operation",
		ArgsUsage: "SUBJECT [CALL [ARG...] | OPERATION]",
		Metadata:  completes(variants),
		Description: `SUBJECT is a variant or a Linux kernel. CALL is a name or a number; without one
it is getppid. An ARG is a number, or BUF for the address of 64 KiB of
zeros. Descriptor 0 is a pipe in which 4096 zeros wait. An OPERATION is one
that the guest measures:

` + operationList() + `

` + kernelSubjects + `

QEMU runs the call one instruction at a time, from SYSCALL up to the instruction
behind it. No interrupt arrives meanwhile, so a call that waits cannot be
followed. Of an operation, which may wait, QEMU logs the instructions of one
round. Those of ring 3 are told by their number, and are not in the sums; a
SYSCALL is. What is printed is the code as it was in memory: alternatives,
static branches and call sites are patched. Functions have the names of a
vmlinux's symbols, with those that are inlined if it has DWARF, and otherwise
those of /proc/kallsyms.

Examples:

    entrylab trace linux-6.12
    entrylab trace ./vmlinuz getppid
    entrylab trace ./vmlinuz pipe-round-trip
    entrylab trace './vmlinuz mitigations=off' -- read 0 BUF 1`,
		Flags: append(o.traceFlags(), formatFlag(&o.format, "text", "json", "csv", "html")),
	}, func(ctx context.Context, args []string) (int, error) { return e.runTrace(ctx, &o, args) })
}

func (e *env) runTrace(ctx context.Context, o *traceOptions, args []string) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("want a variant or the file of a Linux kernel")
	}
	what, err := parseFollowed(args[1:])
	if err != nil {
		return 0, err
	}
	subject, err := readSubjects(ctx, args[:1], o.words)
	if err != nil {
		return 0, err
	}
	machine, err := o.config(ctx, e)
	if err != nil {
		return 0, err
	}
	var t *traced
	err = e.onNextMachine(&machine.Machine, func() (err error) {
		t, err = e.traced(ctx, o, machine, subject, what)
		return err
	})
	if err != nil {
		return 0, err
	}
	return 0, e.print(t.document(o.format), o.format)
}

// traced is a path with what it was run on.
type traced struct {
	followed
	path   trace.Path
	round  *trace.Round // of an operation: path is its
	name   string
	config record.Config
}

// homeOfFloor is the variant that the guest runs on while the floor's call is followed.
const homeOfFloor = "linux-3.19"

// traced boots the only one of the subjects and follows its call or operation.
func (e *env) traced(ctx context.Context, o *traceOptions, machine vm.Config, subject subjects, what followed) (*traced, error) {
	p := e.progress()
	defer p.done()
	t := &traced{followed: what, name: subject.names[0], config: engine.HostConfig()}
	p.step("booting " + t.name)
	do := wire.Command{Trace: true, Call: what.call, Measure: true, Operation: what.operation.Op}
	if what.call != nil {
		do.Measure, do.Operation = what.call.Number == syscall.SYS_GETPPID, wire.OpNullCall
	}
	var m vm.Config
	var err error
	if len(subject.kernels) > 0 {
		m, err = subject.kernels[0].Machine(ctx, machine, do)
	} else {
		list := subject.variants
		switch {
		case runsInit(list[0]):
		case what.call == nil:
			return nil, fmt.Errorf("%s answers the null call alone: entrylab trace %[1]s", t.name)
		default: // the guest makes the call alone there, and runs on another
			home, err := stubs.ParseVariant(homeOfFloor)
			if err != nil {
				return nil, err
			}
			list, do.Variants = append(list[:1:1], home), subject.names
		}
		m, err = boot.Prepare(ctx, boot.Config{Variants: list, Args: do.Words(), VM: machine})
	}
	if err != nil {
		return nil, err
	}
	if o.verbose {
		if err := printCommandLine(e.stderr, m); err != nil {
			return nil, err
		}
	}
	if len(subject.kernels) > 0 {
		var run *boot.Run
		if run, err = t.followLinux(ctx, m); err != nil {
			err = subject.kernels[0].Why(ctx, m, run, err)
		} else {
			p.step("reading the symbols of " + t.name)
			err = t.path.Inline(ctx, m.Kernel)
		}
	} else {
		err = t.follow(ctx, m, subject.variants)
	}
	if err != nil {
		return nil, err
	}
	t.path.Subject = t.name
	t.config.Engine, t.config.Machine, t.config.CPU, t.config.Code = string(m.Engine), string(m.Machine), m.CPU, m.Code
	t.config.Emulator, err = vm.Emulator(ctx, m.Engine)
	return t, err
}

// head says what was run, and how much it is.
func (t *traced) head() table.Block {
	_, all := t.path.ByFunc()
	if t.round == nil {
		return table.Line("%s: %s, %d instructions from SYSCALL up to the one behind it, in %d lines of 64 bytes of code",
			t.name, strings.Join(t.words, " "), all.Instructions, all.Lines)
	}
	each := ""
	if n := t.round.Operations; n > 1 {
		each = fmt.Sprintf(" for %d operations, %g for one", n, float64(all.Instructions)/float64(n))
	}
	return table.Line("%s: %s, %d instructions%s, in %d lines of 64 bytes of code; ring 3 runs %d besides",
		t.name, t.operation.Title, all.Instructions, each, all.Lines, t.round.Ring3)
}

// ways returns the table of a round's ways through the kernel.
func (t *traced) ways() *table.Table {
	ways := worksTable("ways", "from ring 3 and back")
	for _, w := range t.round.Ways {
		_, work := trace.Path{Steps: t.path.Steps[w.From:w.To]}.ByFunc()
		addWork(ways, t.round.What(w), work)
	}
	return ways
}

// ring3 returns how many instructions ring 3 runs before a step of a round.
func (t *traced) ring3() map[int]int {
	before := map[int]int{}
	if t.round != nil {
		for _, w := range t.round.Ways {
			before[w.From] = w.Before
		}
		before[len(t.path.Steps)] = t.round.After
	}
	return before
}

// parts returns the ways of a round, or the stages of a call.
func (t *traced) parts() table.Block {
	if t.round != nil {
		return table.Block{Table: t.ways()}
	}
	stages, err := t.path.ByStage()
	if err != nil {
		return table.Line("no stages: %v", err)
	}
	parts := worksTable("stages", "stage")
	for _, s := range stages {
		addWork(parts, s.String(), s.Work)
	}
	return table.Block{Table: parts}
}

// worksTable returns a table of the work of things.
func worksTable(name, thing string) *table.Table {
	return &table.Table{Name: name, Head: []string{thing, "instructions", "loads", "stores", "by GS", "indirect branches", "bytes", "lines"}}
}

func addWork(t *table.Table, name string, w trace.Work) {
	t.Add(name, w.Instructions, w.Loads, w.Stores, w.GS, w.Indirect, w.Bytes, w.Lines)
}

// document returns the path: the functions it goes through first, then each instruction.
func (t *traced) document(format string) *table.Document {
	funcs, all := t.path.ByFunc()
	c := table.ConfigOf(t.config)
	d := &table.Document{Title: "entrylab trace", Config: &c}
	sum := worksTable("functions", "function")
	for _, f := range funcs {
		addWork(sum, cmp.Or(f.Func, "in no function"), f.Work)
	}
	addWork(sum, "all", all)
	steps := &table.Table{Name: "steps", Words: true, Key: table.NoKey, Head: []string{"address", "function", "bytes", "instruction"}}
	inlined := worksTable("inlined", "inlined function")
	for _, f := range t.path.ByInlined() {
		addWork(inlined, f.Func, f.Work)
	}
	if len(inlined.Rows) > 0 {
		steps.Head = append(steps.Head, "inlined")
	}
	ring3 := t.ring3()
	inRing3 := func(i int) {
		if n := ring3[i]; n > 0 {
			cells := []any{"", trace.Ring3, "", fmt.Sprintf("%d instructions", n)}
			steps.Add(append(cells, slices.Repeat([]any{""}, len(steps.Head)-len(cells))...)...)
		}
	}
	for i, s := range t.path.Steps {
		inRing3(i)
		cells := []any{fmt.Sprintf("%x", s.Addr), s.Place(), fmt.Sprintf("%x", s.Code), s.Text()}
		if len(inlined.Rows) > 0 {
			cells = append(cells, strings.Join(s.Inlined, " in "))
		}
		steps.Add(cells...)
	}
	inRing3(len(t.path.Steps))
	if format == "csv" { // which has one table
		d.Add(table.Block{Table: steps})
		return d
	}
	d.Add(table.Line("engine %s, machine %s, CPU %s, %s", t.config.Engine, t.config.Machine, t.config.CPU, t.config.Emulator), t.head())
	if t.path.Counted != 0 {
		d.Add(table.Line("the guest counts %g in the same boot", t.path.Counted))
	}
	d.Add(table.Space, t.parts(), table.Space, table.Block{Table: sum})
	if len(inlined.Rows) > 0 {
		d.Add(table.Space, table.Block{Table: inlined})
	}
	d.Add(table.Space, table.Block{Table: steps})
	return d
}
