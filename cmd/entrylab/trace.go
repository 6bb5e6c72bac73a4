package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/kernel"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/near"
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
		Usage:     "print every instruction that a kernel runs in one system call",
		ArgsUsage: "SUBJECT [CALL [ARG...]]",
		Metadata:  completes(variants),
		Description: `SUBJECT is a variant or a Linux kernel. CALL is a name or a number; without one
it is getppid. An ARG is a number, or BUF for the address of 64 KiB of
zeros. Descriptor 0 is a pipe in which 4096 zeros wait.

` + kernelSubjects + `

QEMU runs the call one instruction at a time, from SYSCALL up to the instruction
behind it. No interrupt arrives meanwhile, so a call that waits cannot be
followed. What is printed is the code as it was in memory: alternatives, static
branches and call sites are patched. Functions have the names of a vmlinux's
symbols, with those that are inlined if it has DWARF, and otherwise those of
/proc/kallsyms.

Examples:

    entrylab trace linux-6.12
    entrylab trace ./vmlinuz getppid
    entrylab trace './vmlinuz mitigations=off' -- read 0 BUF 1`,
		Flags: append(o.traceFlags(), formatFlag(&o.format, "text", "json", "csv", "html")),
	}, func(ctx context.Context, args []string) (int, error) { return e.runTrace(ctx, &o, args) })
}

func (e *env) runTrace(ctx context.Context, o *traceOptions, args []string) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("want a variant or the file of a Linux kernel")
	}
	words := callWords(args[1:])
	call, err := parseCall(words)
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
		t, err = e.traced(ctx, o, machine, subject, call)
		return err
	})
	if err != nil {
		return 0, err
	}
	return 0, e.print(t.document(words, o.format), o.format)
}

// callWords returns the words of a call: getppid's if there are none.
func callWords(args []string) []string {
	if len(args) == 0 {
		return []string{nullCall}
	}
	return args
}

// parseCall reads a call's name or number and its arguments.
func parseCall(args []string) (*wire.Call, error) {
	c := &wire.Call{}
	number, err := strconv.ParseUint(args[0], 0, 64)
	if err != nil {
		nr, ok := kernel.CallNumber(args[0])
		if !ok {
			return nil, fmt.Errorf("call %q: %swant one that the generated kernel has, or a number", args[0], near.Hint(args[0], kernel.CallNames()))
		}
		number = uint64(nr)
	}
	c.Number = number
	if len(args) > 1+wire.MaxArguments {
		return nil, fmt.Errorf("%d arguments: a call has at most %d", len(args)-1, wire.MaxArguments)
	}
	for _, text := range args[1:] {
		a, err := wire.ParseArgument(text)
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, a)
	}
	return c, nil
}

// traced is a path with what it was run on.
type traced struct {
	path   trace.Path
	name   string
	config record.Config
}

// homeOfFloor is the variant that the guest runs on while the floor's call is followed.
const homeOfFloor = "linux-3.19"

// traced boots the only one of the subjects and follows its call.
func (e *env) traced(ctx context.Context, o *traceOptions, machine vm.Config, subject subjects, call *wire.Call) (*traced, error) {
	p := e.progress()
	defer p.done()
	t := &traced{name: subject.names[0], config: engine.HostConfig()}
	p.step("booting " + t.name)
	do := wire.Command{Trace: true, Call: call, Measure: call.Number == syscall.SYS_GETPPID, Operation: wire.OpNullCall}
	var m vm.Config
	var err error
	if len(subject.kernels) > 0 {
		m, err = subject.kernels[0].Machine(ctx, machine, do)
	} else {
		list := subject.variants
		if !runsInit(list[0]) { // the guest makes the call alone there, and runs on another
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
		if t.path, run, err = trace.Linux(ctx, m, nil); err != nil {
			err = subject.kernels[0].Why(ctx, m, run, err)
		} else {
			p.step("reading the symbols of " + t.name)
			err = t.path.Inline(ctx, m.Kernel)
		}
	} else {
		var paths []trace.Path
		if paths, err = trace.Paths(ctx, subject.variants, m); err == nil {
			t.path = paths[0]
		}
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
func (t *traced) head(call []string) table.Block {
	_, all := t.path.ByFunc()
	return table.Line("%s: %s, %d instructions from SYSCALL up to the one behind it, in %d lines of 64 bytes of code",
		t.name, strings.Join(call, " "), all.Instructions, all.Lines)
}

// document returns the path: the functions it goes through first, then each instruction.
func (t *traced) document(call []string, format string) *table.Document {
	funcs, all := t.path.ByFunc()
	c := table.ConfigOf(t.config)
	d := &table.Document{Title: "entrylab trace", Config: &c}
	works := func(name, what string) *table.Table {
		return &table.Table{Name: name, Head: []string{what, "instructions", "loads", "stores", "by GS", "indirect branches", "bytes", "lines"}}
	}
	row := func(t *table.Table, name string, w trace.Work) {
		t.Add(name, w.Instructions, w.Loads, w.Stores, w.GS, w.Indirect, w.Bytes, w.Lines)
	}
	sum := works("functions", "function")
	for _, f := range funcs {
		row(sum, cmp.Or(f.Func, "in no function"), f.Work)
	}
	row(sum, "all", all)
	parts := works("stages", "stage")
	stages, err := t.path.ByStage()
	for _, s := range stages {
		row(parts, s.String(), s.Work)
	}
	steps := &table.Table{Name: "steps", Words: true, Key: table.NoKey, Head: []string{"address", "function", "bytes", "instruction"}}
	inlined := works("inlined", "inlined function")
	for _, f := range t.path.ByInlined() {
		row(inlined, f.Func, f.Work)
	}
	if len(inlined.Rows) > 0 {
		steps.Head = append(steps.Head, "inlined")
	}
	for _, s := range t.path.Steps {
		cells := []any{fmt.Sprintf("%x", s.Addr), s.Place(), fmt.Sprintf("%x", s.Code), s.Text()}
		if len(inlined.Rows) > 0 {
			cells = append(cells, strings.Join(s.Inlined, " in "))
		}
		steps.Add(cells...)
	}
	if format == "csv" { // which has one table
		d.Add(table.Block{Table: steps})
		return d
	}
	d.Add(table.Line("engine %s, machine %s, CPU %s, %s", t.config.Engine, t.config.Machine, t.config.CPU, t.config.Emulator), t.head(call))
	if t.path.Counted != 0 {
		d.Add(table.Line("the guest counts %g in the same boot", t.path.Counted))
	}
	if err != nil {
		d.Add(table.Space, table.Line("no stages: %v", err))
	} else {
		d.Add(table.Space, table.Block{Table: parts})
	}
	d.Add(table.Space, table.Block{Table: sum})
	if len(inlined.Rows) > 0 {
		d.Add(table.Space, table.Block{Table: inlined})
	}
	d.Add(table.Space, table.Block{Table: steps})
	return d
}
