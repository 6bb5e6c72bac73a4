package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/stubs"
)

// compareBoots verifies the variants, boots them many times where ticks are
// cycles, and prints what they cost. The first variant is the base. Each boot is
// kept as it ends; those that the file holds already are taken up. asked are the
// variants that the user named.
func compareBoots(ctx context.Context, e *env, m *machineFlags, k *keeper, list []stubs.Named, asked []string, b study.Boots, said proofs, format string) (int, error) {
	out := e.stdout
	if format != "text" {
		e.stdout = io.Discard
	}
	run, err := e.runGuest(ctx, m, list, wire.Command{Verify: true}.Words()...)
	e.stdout = out
	if err != nil {
		return 0, err
	}
	p := newProgress(e.stderr)
	defer p.done()
	b.Step = p.step
	res, err := boots(ctx, e, k, list, b, p)
	p.done()
	if noisy := (*cycles.NoiseError)(nil); errors.As(err, &noisy) && k.path != "" {
		fmt.Fprintf(e.stderr, "entrylab: the boots stay in %s; another -o takes new ones\n", k.path)
	}
	status, err := printCycles(e.stdout, res, err, said, asked, format)
	if format != "text" {
		out = io.Discard
	}
	return max(status, verdict(out, run)), err
}

// boots takes the boots that the file lacks, and analyses all.
func boots(ctx context.Context, e *env, k *keeper, list []stubs.Named, b study.Boots, p *progress) (*cycles.Result, error) {
	c, err := b.Config(ctx, list)
	if err != nil {
		return nil, err
	}
	note := func(string) {}
	records, skipped, err := study.Run(ctx, list, []study.Engine{b.Engine()}, k.store, k.old, study.Progress{Step: p.step, Note: note})
	p.done()
	done := study.Booted(records, c)
	switch {
	case err != nil && k.path != "":
		fmt.Fprintf(e.stderr, "entrylab: %d boots are in %s; the same command goes on from there\n", len(done), k.path)
		return nil, err
	case err != nil:
		fmt.Fprintf(e.stderr, "entrylab: %d boots are lost; with -o FILE they are kept, and gone on from\n", len(done))
		return nil, err
	case len(skipped) > 0:
		return nil, fmt.Errorf("engine %s: %s", skipped[0].Engine, skipped[0].Reason)
	}
	return cycles.Analyse(done, namesOf(list))
}

// compareConsoles prints what the consoles of machines say that booted an image
// by themselves, and keeps it in the results file at out, if there is one.
func compareConsoles(ctx context.Context, e *env, files, names []string, out, format string) (status int, failed error) {
	var boots []cycles.Boot
	for _, path := range files {
		got, damaged, err := cycles.ParseFile(ctx, path)
		if err != nil {
			return 0, err
		}
		for _, d := range damaged {
			fmt.Fprintf(e.stderr, "entrylab: a boot is left out: %s\n", d)
		}
		boots = append(boots, got...)
	}
	if len(boots) == 0 {
		return 0, fmt.Errorf("no whole boot in %s: want the console of an image whose init was given the word sample", strings.Join(files, ", "))
	}
	if len(names) == 0 {
		names = nil // all
	}
	said := proofs{}
	for _, b := range boots {
		maps.Copy(said, b.Proofs)
	}
	said.head(e.stdout, format)
	res, err := cycles.Analyse(boots, names)
	if err == nil && out != "" {
		if res.Meaningless != "" {
			return 0, fmt.Errorf("-o %s: nothing is kept: %s", out, res.Meaningless)
		}
		k, err := e.openKeeper(ctx, out)
		if err != nil {
			return 0, err
		}
		defer k.close(&failed)
		if err := k.keep(study.Consoles(boots, k.old)); err != nil {
			return 0, err
		}
	}
	return printCycles(e.stdout, res, err, said, names, format)
}

// printCycles prints a result in a format. One that is refused shows alone what
// refused it.
func printCycles(w io.Writer, res *cycles.Result, err error, said proofs, asked []string, format string) (int, error) {
	if noisy := (*cycles.NoiseError)(nil); errors.As(err, &noisy) {
		if format == "text" {
			if err := writeProof(w, res); err != nil {
				return 0, err
			}
		}
		return exitError, err
	}
	if err != nil {
		return 0, err
	}
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return 0, enc.Encode(struct {
			Proofs proofs `json:"proofs,omitempty"`
			Unit   string `json:"unit"`
			*cycles.Result
			Notes []string `json:"notes"`
		}{said, "core cycles", res, res.Notes()})
	case "bench":
		return 0, benchCycles(w, res, asked)
	case "csv", "html":
		return 0, writeRows(w, format, cycleRows(res))
	}
	return 0, textCycles(w, res)
}

func textCycles(w io.Writer, res *cycles.Result) error {
	fmt.Fprintf(w, "engine %s, on %s, %d boots\n\n", res.Config.Engine, res.Config.Host, res.Boots)
	if res.Meaningless != "" {
		fmt.Fprintf(w, "MEANINGLESS as cycles: %s\n\n", res.Meaningless)
	}
	for _, v := range res.Variants {
		c, _ := res.Find(v, record.Operations[0].Op)
		if c.Difference != nil {
			fmt.Fprintf(w, "%s against %s, null call: %s\n", v, res.Base, cycles.Verdict(*c.Difference))
		}
	}
	fmt.Fprintf(w, "\ncore cycles, SYSCALL and SYSRET included, the measuring loop subtracted: %s, then differences from it, 95 %% intervals\n\n", res.Base)
	if err := writeTable(w, cycleRows(res)); err != nil {
		return err
	}
	if res.Counted {
		fmt.Fprint(w, "\ninstructions that retired, as the CPU counted them\n\n")
		variants := withoutFloor(res)
		rows := [][]string{append([]string{""}, variants...)}
		for _, o := range record.Sampled {
			row := []string{o.Title}
			for _, v := range variants {
				cell := "-"
				if c, ok := res.Find(v, o.Op); ok && c.Instructions != nil {
					cell = fmt.Sprintf("%.1f", *c.Instructions)
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
		if err := writeTable(w, rows); err != nil {
			return err
		}
	}
	if c, ok := res.Find(wire.Floor, record.Operations[0].Op); ok {
		fmt.Fprintf(w, "\nThe floor, an entry that keeps nothing and answers at once: %.1f cycles\n", c.Mean)
	}
	fmt.Fprintln(w)
	if err := writeProof(w, res); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, note := range res.Notes() {
		if _, err := fmt.Fprintf(w, "* %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// withoutFloor are the variants that the tables have.
func withoutFloor(res *cycles.Result) []string {
	return slices.DeleteFunc(slices.Clone(res.Variants), func(v string) bool { return v == wire.Floor })
}

// cycleRows are the rows of textCycles' first table.
func cycleRows(res *cycles.Result) [][]string {
	variants := withoutFloor(res)
	rows := [][]string{append([]string{""}, variants...)}
	for _, o := range record.Sampled {
		row := []string{o.Title}
		for _, v := range variants {
			row = append(row, cycleCell(res, v, o.Op))
		}
		rows = append(rows, row)
	}
	return rows
}

// cycleCell is the base's figure, or another's difference.
func cycleCell(res *cycles.Result, variant, op string) string {
	c, ok := res.Find(variant, op)
	switch {
	case !ok:
		return "-"
	case c.Difference == nil:
		return fmt.Sprintf("%.1f", c.Mean)
	case c.Noisy != "":
		return "too noisy (" + c.Noisy + ")"
	case !c.Difference.Seen():
		return fmt.Sprintf("none seen (±%.1f)", c.Difference.AtMost())
	}
	return fmt.Sprintf("%+.2f ±%.2f", c.Difference.Mean, c.Difference.Half())
}

// writeProof prints what proves a run, or refuses it: controls and calibration.
func writeProof(w io.Writer, res *cycles.Result) error {
	if err := writeTable(w, cycleControls(res)); err != nil {
		return err
	}
	fmt.Fprintln(w)
	rows := [][]string{{"calibration", "least", "most of a boot", ""}}
	for _, c := range res.Calibration {
		rows = append(rows, []string{c.Name, strconv.FormatFloat(c.Low, 'g', 4, 64), strconv.FormatFloat(c.High, 'g', 4, 64), c.Unit})
	}
	return writeTable(w, rows)
}

func cycleControls(res *cycles.Result) [][]string {
	rows := [][]string{{"controls", "must be", "was", "over boots"}}
	for _, c := range res.Controls {
		rows = append(rows, []string{
			c.Name + ", " + record.OperationOf(c.Op).Title, fmt.Sprintf("%+g", c.Truth),
			fmt.Sprintf("%+.2f ±%.2f", c.Estimate.Mean, c.Estimate.Half()), fmt.Sprintf("SD %.2f", c.Estimate.SD),
		})
	}
	return rows
}

// benchCycles prints every boot as a line of Go's benchmark format: the boot is
// the unit of resampling for benchstat too. asked are the variants that were named;
// none: all.
func benchCycles(w io.Writer, res *cycles.Result, asked []string) error {
	fmt.Fprintf(w, "engine: %s\ncpu: %s\nmicrocode: %s\nboots: %d\n", res.Config.Engine, res.Config.Host, cmp.Or(res.Config.Microcode, "unknown"), res.Boots)
	unit := "cycles/op"
	if res.Meaningless != "" {
		fmt.Fprintf(w, "meaningless: %s\n", res.Meaningless)
		unit = "meaningless/op"
	}
	fmt.Fprintf(w, "Unit %s better=lower\n", unit)
	for _, c := range res.Cells {
		if c.Noisy != "" || len(asked) > 0 && !slices.Contains(asked, c.Variant) {
			continue
		}
		for _, v := range c.Cycles {
			if _, err := fmt.Fprintf(w, "Benchmark%s/variant=%s 1 %.2f %s\n", record.OperationOf(c.Op).Bench, c.Variant, v, unit); err != nil {
				return err
			}
		}
	}
	return nil
}
