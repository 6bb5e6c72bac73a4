package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
)

func (e *env) doctorCommand() *cli.Command {
	var format string
	return e.command(&cli.Command{
		Name:  "doctor",
		Usage: "tell what this host has, and which Debian package to install for what",
		Description: `The status is 0 if this host has all that compare needs, and 1 if not.

Example:

    entrylab doctor`,
		Flags: []cli.Flag{formatFlag(&format, table.Plain...)},
	}, func(ctx context.Context, args []string) (int, error) {
		if err := noArgument(args); err != nil {
			return 0, err
		}
		return e.runDoctor(ctx, format)
	})
}

// runDoctor looks at this host.
func (e *env) runDoctor(ctx context.Context, format string) (int, error) {
	p := e.progress()
	defer p.done()
	p.step("looking at this host")
	d := &table.Document{Title: "entrylab doctor"}
	c := engine.HostConfig()
	d.Add(table.Line("entrylab %s on %s, Linux %s", build.Version, c.Host, c.Kernel), table.Space)
	var lacks []string
	engines, err := enginesHere(ctx)
	if err != nil {
		return 0, err
	}
	tools := &table.Table{Name: "tools", Words: true, Head: []string{"tool", "here", "what it is for", "Debian packages"}}
	for _, t := range toolsOf(ctx) {
		tools.Add(t.name, yes(t.missing), t.use, t.packages)
		if t.missing != nil && t.needed {
			lacks = append(lacks, fmt.Sprintf("%s (apt-get install %s)", t.name, t.packages))
		}
	}
	machine, writable := thisMachine()
	if writable != nil {
		lacks = append(lacks, writable.Error())
	}
	d.Add(table.Block{Table: engines}, table.Space, table.Block{Table: tools}, table.Space, table.Block{Table: machine}, table.Space)
	p.done()
	status, verdict := 0, "This host has all that compare needs."
	if len(lacks) > 0 {
		status, verdict = exitFail, "compare cannot run here. It lacks: "+strings.Join(lacks, "; ")
	}
	d.Add(table.Line("%s", verdict))
	return status, e.print(d, format)
}

// yes returns the word for whether something is here.
func yes(missing error) string {
	if missing == nil {
		return "yes"
	}
	return "no"
}

// enginesHere tells of each engine that measures whether it can run here, by which
// emulator or why not.
func enginesHere(ctx context.Context) (*table.Table, error) {
	t := &table.Table{Name: "engines", Words: true, Head: []string{"engine", "here", "by, or why not", "what it does"}}
	for _, en := range engine.Measuring() {
		var missing error
		if en.Available != nil {
			missing = en.Available(ctx)
		}
		by := "this program"
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case missing != nil:
			by = missing.Error()
		case en.VM != "":
			var err error
			if by, err = vm.Emulator(ctx, en.VM); err != nil {
				return nil, err
			}
		}
		t.Add(en.Name, yes(missing), by, en.About)
	}
	return t, nil
}

// tool is a program or a file that entrylab makes use of.
type tool struct {
	name, use, packages string
	missing             error
	needed              bool // by compare
}

// toolsOf returns the tools that there may be, with whether they are here.
func toolsOf(ctx context.Context) []tool {
	program := func(names ...string) error {
		var errs []error
		for _, name := range names {
			_, err := exec.LookPath(name)
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return []tool{
		{"QEMU", "machines: compare, verify, boot, study", "qemu-system-x86", vm.ICount.Available(ctx, nil), true},
		{"setpriv", "machines end even if entrylab is killed", "util-linux", program("setpriv"), false},
		{"Bochs", "a second emulator, with features that QEMU's lacks", "bochs bochs-x bochsbios vgabios xvfb", vm.Bochs.Available(ctx, nil), false},
		{"Bochs with FRED", "booting variants with entry=fred", "none: Bochs 3.1 from its source, named by " + vm.BochsVariable, vm.BochsFRED(ctx), false},
		{"z3 or cvc5", "prove -smt", "z3, or cvc5", program("z3", "cvc5"), false},
		{"GNU as", "a variant of your own in a .S file", "binutils", program("as"), false},
		{"gdb", "stepping through a call", "gdb", program("gdb"), false},
		{"OVMF", "booting EFI images in QEMU", "ovmf", vm.Firmware(), false},
		{"Go", "a variant of your own in Go", "none: go.dev/doc/install", program("go"), false},
	}
}

// thisMachine returns facts about the host that influence figures, and why the cache folder
// cannot be used, if so.
func thisMachine() (t *table.Table, writable error) {
	t = &table.Table{Name: "host", Words: true, Head: []string{"host", "here", "what it is for"}}
	cpus, err := host.CPUs(host.CPUInfo)
	cpu := host.CPU{}
	if err == nil && len(cpus) > 0 {
		cpu = cpus[0]
	}
	virtual := "no: its cycles are its own"
	if cpu.Has("hypervisor") {
		virtual = "yes: others may share its cores, which only the controls of a measurement show"
	}
	t.Add("CPUs", fmt.Sprintf("%d, microcode %s", len(cpus), cmp.Or(cpu.Microcode, "unknown")), "cycles are of this model")
	t.Add("virtual machine", virtual, "cycles: replay, kvm")
	neighbours := "no thread shares a core with another"
	switch lists, err := host.Neighbours(host.Sys); {
	case err != nil:
		neighbours = "unknown: " + err.Error()
	case len(lists) > 0:
		neighbours = "threads share cores: " + strings.Join(lists, " ")
	}
	t.Add("SMT neighbours", neighbours, "cycles: a busy neighbour slows a thread down")
	gs := "no: replay sets GS by a system call"
	if auxv, err := host.Auxv(); err == nil && host.FSGSBASE(auxv) {
		gs = "yes"
	}
	t.Add("FSGSBASE", gs, "replay")
	counters := "no"
	if host.Counters(host.Sys) {
		counters = "yes"
	}
	t.Add("performance counters", counters, "instructions that retired, beside kvm's cycles")
	dir, writable := cache.Dir()
	room := ""
	if writable == nil {
		room = dir
		if free, err := host.Free(dir); err == nil {
			room = fmt.Sprintf("%s: %d MiB free, at most %d used", dir, free>>20, cache.Bound>>20)
		}
	} else {
		room = writable.Error()
	}
	t.Add("cache folder", room, "images of machines")
	return t, writable
}
