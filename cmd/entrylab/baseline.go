package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
)

// baselineOptions are the flags of baseline.
type baselineOptions struct {
	machineFlags
	kernel, words, out, format string
}

func (e *env) baselineCommand() *cli.Command {
	var o baselineOptions
	return e.command(&cli.Command{
		Name:  "baseline",
		Usage: "measure a Linux kernel with the same init, beside the generated ones",
		Description: `Examples:

    entrylab baseline -kernel /boot/vmlinuz
    entrylab baseline -kernel vmlinuz -append "" -o results.jsonl`,
		Flags: append(o.flags("icount, kvm, bochs, or auto (kvm where it is real, else icount)"),
			&cli.StringFlag{Name: "kernel", Usage: "`FILE` of the Linux kernel, a vmlinuz or bzImage", Destination: &o.kernel},
			&cli.StringFlag{Name: "append", Usage: "boot it a second time with these `WORDS` on its command line; empty: only once", Value: "mitigations=off", Destination: &o.words},
			&cli.StringFlag{Name: "o", Usage: "results `FILE` to append the figures to", Destination: &o.out},
			formatFlag(&o.format, "text"),
		),
	}, func(ctx context.Context, args []string) (int, error) { return e.runBaseline(ctx, &o, args) })
}

func (e *env) runBaseline(ctx context.Context, o *baselineOptions, args []string) (status int, failed error) {
	if o.kernel == "" || len(args) > 0 {
		return 0, errors.New("want -kernel VMLINUZ and no further argument; make baseline fetches Debian's")
	}
	if o.engine == string(vm.TCG) {
		return 0, errors.New("-engine tcg: its time measures the emulator, not the code; use icount")
	}
	if _, err := study.Release(ctx, o.kernel); err != nil {
		return 0, err
	}
	// The kernel is that of a study, so that the figures are of the same code.
	list, err := study.Variants()
	if err != nil {
		return 0, err
	}
	var records []record.Record
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	defer k.close(&failed)
	emit := func(some ...record.Record) error {
		records = append(records, some...)
		return k.keep(some)
	}
	machine, err := o.config(ctx, e)
	if err != nil {
		return 0, err
	}
	p := newProgress(e.stderr)
	defer p.done()
	boots := []string{""}
	if o.words != "" {
		boots = append(boots, o.words)
	}
	for _, extra := range boots {
		if err := study.Baseline(ctx, study.Boots{Machine: machine, Step: p.step}, o.kernel, extra, emit); err != nil {
			return 0, err
		}
	}
	ours, _, err := study.Run(ctx, list, []study.Engine{study.Machine(machine, p.step)}, k.store, k.old, study.Progress{Step: p.step, Note: func(string) {}})
	if err != nil {
		return 0, err
	}
	records = append(records, ours...)
	p.done()
	set := study.NewSet(records)
	engine := string(machine.Engine)
	for _, s := range set.Refused {
		fmt.Fprintf(e.stderr, "entrylab: %s: %s\n", s.Engine, s.Reason)
	}
	fmt.Fprintf(e.stdout, "%s\n%s per operation, SYSCALL and SYSRET included, the measuring loop subtracted\n\n", describe(ctx, machine), set.Unit(engine))
	if err := writeTable(e.stdout, baselineTable(set, engine)); err != nil {
		return 0, err
	}
	fmt.Fprintln(e.stdout, "\nLinux does more in a call than the two others: accounting, tracing, limits. Its entry and exit are a small part of it.")
	return 0, nil
}

// baselineTable has a row for each operation, a column for each kernel: two of
// the generated ones, then those that are not.
func baselineTable(set *study.Set, engine string) [][]string {
	null := record.Operations[0].Op
	names := []string{"linux-3.19", "heukelum-v2"}
	for _, v := range set.Variants() {
		if r := set.Records(set.Headline(engine, null), v, null); len(r) > 0 && r[0].Axes == "" {
			names = append(names, v)
		}
	}
	rows := [][]string{append([]string{""}, names...)}
	for _, op := range set.Ops(engine) {
		row := []string{record.OperationOf(op).Title}
		for _, v := range names {
			cell := "-"
			if r := set.Records(set.Headline(engine, op), v, op); len(r) > 0 {
				cell = study.Figure(r)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}
