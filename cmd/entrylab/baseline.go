package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/study"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

func runBaseline(ctx context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	var m machineFlags
	m.register(fs)
	kernel := fs.String("kernel", "", "Linux kernel image, a vmlinuz or bzImage `file`")
	words := fs.String("append", "mitigations=off", "boot it a second time with these words on its command `line`; empty: only once")
	out := fs.String("o", "", "results `file` to append the figures to")
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if *kernel == "" || fs.NArg() > 0 {
		return 0, errors.New("want -kernel VMLINUZ and no further argument; make baseline fetches Debian's")
	}
	if m.engine == string(vm.TCG) {
		return 0, errors.New("-engine tcg: its time measures the emulator, not the code; use icount")
	}
	if _, err := study.Release(*kernel); err != nil {
		return 0, err
	}
	// The kernel is that of a study, so that the figures are of the same code.
	list, err := study.Variants()
	if err != nil {
		return 0, err
	}
	var records []result.Record
	emit := func(r result.Record) error { records = append(records, r); return nil }
	if *out != "" {
		store, _, cut, err := result.OpenStore(*out)
		if err != nil {
			return 0, err
		}
		defer store.Close()
		if cut != "" {
			fmt.Fprintln(e.stderr, "entrylab:", cut)
		}
		emit = func(r result.Record) error {
			records = append(records, r)
			return store.Append(r)
		}
	}
	machine, err := m.config(ctx, e)
	if err != nil {
		return 0, err
	}
	p := newProgress(e.stderr)
	defer p.done()
	boots := []string{""}
	if *words != "" {
		boots = append(boots, *words)
	}
	for _, extra := range boots {
		if err := study.Baseline(ctx, machine, *kernel, extra, p.step, emit); err != nil {
			return 0, err
		}
	}
	prepared, err := lab.Prepare(ctx, lab.Config{Variants: list, Args: []string{"measure"}, VM: machine, Progress: p.step})
	if err != nil {
		return 0, err
	}
	c, err := study.MachineConfig(ctx, prepared)
	if err != nil {
		return 0, err
	}
	p.step("booting entrylab's own kernel")
	if err := study.Measure(ctx, prepared, func(f result.Measure) error {
		i := slices.IndexFunc(list, func(n stubs.Named) bool { return n.Name == f.Variant })
		return emit(result.NewRecord(c, f, list[i].Variant.String(), units[machine.Engine], 0, time.Now()))
	}); err != nil {
		return 0, err
	}
	p.done()
	fmt.Fprintf(e.stdout, "%s\n%s per operation, SYSCALL and SYSRET included, the measuring loop subtracted\n\n", describe(ctx, machine), units[machine.Engine])
	if err := writeTable(e.stdout, baselineTable(records)); err != nil {
		return 0, err
	}
	fmt.Fprintln(e.stdout, "\nLinux does more in a call than the two others: accounting, tracing, limits. Its entry and exit are a small part of it.")
	return 0, nil
}

// baselineTable has a row for each operation, a column for each kernel: two of
// the generated ones, then those that are not.
func baselineTable(records []result.Record) [][]string {
	set := study.NewSet(records)
	names := []string{"linux-3.19", "heukelum-v2"}
	for _, r := range records {
		if r.Axes == "" && !slices.Contains(names, r.Variant) {
			names = append(names, r.Variant)
		}
	}
	rows := [][]string{append([]string{""}, names...)}
	for _, engine := range set.Engines() {
		for _, op := range set.Ops(engine) {
			row := []string{result.OperationOf(op).Title}
			for _, v := range names {
				cell := "-"
				if r := set.Records(set.Headline(engine, op), v, op); len(r) > 0 {
					cell = study.Figure(r[len(r)-1])
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
	}
	return rows
}
