package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
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

// traceFlags are those of commands that follow a call: QEMU steps it, under icount.
func (o *traceOptions) traceFlags() []cli.Flag {
	o.engine = string(vm.ICount)
	flags := slices.DeleteFunc(o.flags(nil), func(f cli.Flag) bool { return f.Names()[0] == "engine" })
	return append(flags, &cli.StringFlag{Name: "append", Usage: "further `WORDS` for a Linux kernel's command line", Destination: &o.words})
}

// nullCall is the call that is followed if none is named.
const nullCall = "getppid"

func (e *env) traceCommand() *cli.Command {
	var o traceOptions
	return e.command(&cli.Command{
		Name:      "trace",
		Usage:     "print every instruction that a kernel runs in one system call",
		ArgsUsage: "SUBJECT [CALL [ARGUMENT...]]",
		Metadata:  completes(variants),
		Description: `SUBJECT is a variant or, with a slash in it, the file of a Linux kernel, a
vmlinuz or bzImage. CALL is a name or a number; without one it is getppid. An
ARGUMENT is a number, or BUF for the address of 64 KiB of zeros.

QEMU runs the call one instruction at a time, from SYSCALL up to the instruction
behind it. No interrupt arrives meanwhile, so a call that waits cannot be
followed. What is printed is the code as it was in memory: alternatives, static
branches and call sites are patched. Linux itself names its functions
(/proc/kallsyms).

Examples:

    entrylab trace linux-6.12
    entrylab trace ./vmlinuz getppid
    entrylab trace -append mitigations=off ./vmlinuz -- uname BUF`,
		Flags: append(o.traceFlags(), formatFlag(&o.format, "text", "json", "csv", "html")),
	}, func(ctx context.Context, args []string) (int, error) { return e.runTrace(ctx, &o, args) })
}

func (e *env) runTrace(ctx context.Context, o *traceOptions, args []string) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("want a variant or the file of a Linux kernel")
	}
	subject, words := args[0], callWords(args[1:])
	call, err := parseCall(words)
	if err != nil {
		return 0, err
	}
	machine, err := o.machineFor(ctx, e, subject)
	if err != nil {
		return 0, err
	}
	t, err := e.traced(ctx, o, machine, subject, call)
	if err != nil {
		return 0, err
	}
	return 0, e.print(t.document(words, o.format), o.format)
}

// machineFor returns the machine for the subjects.
func (o *traceOptions) machineFor(ctx context.Context, e *env, subjects ...string) (vm.Config, error) {
	if o.words != "" && !slices.ContainsFunc(subjects, isKernelFile) {
		return vm.Config{}, errors.New("-append is for a Linux kernel")
	}
	return o.config(ctx, e)
}

// callWords are the words of a call: getppid's if there are none.
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

// traced boots the subject and follows its call.
func (e *env) traced(ctx context.Context, o *traceOptions, machine vm.Config, subject string, call *wire.Call) (*traced, error) {
	p := e.progress()
	defer p.done()
	p.step("booting " + subject)
	do := wire.Command{Trace: true, Call: call, Measure: call.Number == syscall.SYS_GETPPID}
	t := &traced{config: engine.HostConfig()}
	var m vm.Config
	var follow func() ([]trace.Path, error)
	var err error
	if isKernelFile(subject) {
		linux, failed := engine.NewLinux(ctx, subject, o.words)
		if failed != nil {
			return nil, failed
		}
		t.name = linux.Name()
		if m, err = linux.Machine(ctx, machine, do); err != nil {
			return nil, err
		}
		follow = func() ([]trace.Path, error) { return trace.Follow(ctx, m, []string{wire.Linux}, true) }
	} else {
		var list []stubs.Variant
		if list, err = eachVariant(ctx, []string{subject}); err != nil {
			return nil, err
		}
		t.name = list[0].Name
		if m, err = boot.Prepare(ctx, boot.Config{Variants: list, Args: do.Words(), VM: machine}); err != nil {
			return nil, err
		}
		follow = func() ([]trace.Path, error) { return trace.Paths(ctx, list, m) }
	}
	if o.verbose {
		if err := printCommandLine(e.stderr, m); err != nil {
			return nil, err
		}
	}
	paths, err := follow()
	if err != nil {
		return nil, err
	}
	t.path = paths[0]
	t.path.Subject = t.name
	t.config.Engine, t.config.Machine, t.config.CPU, t.config.Code = string(m.Engine), string(m.Machine), m.CPU, m.Code
	t.config.Emulator, err = vm.Emulator(ctx, m.Engine)
	return t, err
}

// isKernelFile reports whether a subject is the file of a Linux kernel: a path, and not
// that of a stub for the assembler.
func isKernelFile(subject string) bool {
	ext := strings.ToLower(filepath.Ext(subject))
	return strings.Contains(subject, "/") && ext != ".s" && ext != ".asm"
}

// head says what was run, and how much it is.
func (t *traced) head(call []string) table.Block {
	_, all, lines := t.path.ByFunc()
	return table.Line("%s: %s, %d instructions from SYSCALL up to the one behind it, in %d lines of 64 bytes of code",
		t.name, strings.Join(call, " "), all.Instructions, lines)
}

// document is the path: the functions it goes through first, then each instruction.
func (t *traced) document(call []string, format string) *table.Document {
	funcs, all, _ := t.path.ByFunc()
	c := table.ConfigOf(t.config)
	d := &table.Document{Title: "entrylab trace", Config: &c}
	sum := &table.Table{Name: "functions", Head: []string{"", "instructions", "loads", "stores", "by GS", "indirect branches", "bytes"}}
	row := func(name string, w trace.Work) {
		sum.Add(name, w.Instructions, w.Loads, w.Stores, w.GS, w.Indirect, w.Bytes)
	}
	for _, f := range funcs {
		row(cmp.Or(f.Func, "in no function"), f.Work)
	}
	row("all", all)
	steps := &table.Table{Name: "steps", Words: true, Key: table.NoKey, Head: []string{"address", "function", "bytes", "instruction"}}
	for _, s := range t.path.Steps {
		steps.Add(fmt.Sprintf("%x", s.Addr), s.Place(), fmt.Sprintf("%x", s.Code), s.Text())
	}
	if format == "csv" { // which has one table
		d.Add(table.Block{Table: steps})
		return d
	}
	d.Add(table.Line("engine %s, machine %s, CPU %s, %s", t.config.Engine, t.config.Machine, t.config.CPU, t.config.Emulator), t.head(call))
	if t.path.Counted != 0 {
		d.Add(table.Line("the guest counts %g in the same boot", t.path.Counted))
	}
	d.Add(table.Space, table.Block{Table: sum}, table.Space, table.Block{Table: steps})
	return d
}
