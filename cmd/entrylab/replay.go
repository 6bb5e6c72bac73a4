package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/stubs"
)

// engineReplay is the engine that boots no machine.
const engineReplay = "replay"

// compareReplayed compares variants by replaying their code on this CPU.
func compareReplayed(ctx context.Context, e *env, k *keeper, list []stubs.Named, said proofs, format string, verbose bool) (int, error) {
	p := newProgress(e.stderr)
	defer p.done()
	res, err := replay.Run(ctx, replay.Config{Variants: list, Progress: p.step})
	p.done()
	if noisy := (*replay.NoiseError)(nil); errors.As(err, &noisy) {
		if format == "text" && len(res.Controls) > 0 {
			if err := printControls(e.stdout, res); err != nil {
				return 0, err
			}
		}
		return exitError, err
	}
	if err != nil {
		return 0, err
	}
	if k.store != nil {
		records, err := study.Replayed(ctx, res, list, k.old)
		if err := errors.Join(err, k.keep(records)); err != nil {
			return 0, err
		}
	}
	switch format {
	case "json":
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		return 0, enc.Encode(struct {
			Proofs proofs `json:"proofs,omitempty"`
			Engine string `json:"engine"`
			Unit   string `json:"unit"`
			*replay.Result
			Notes []string `json:"notes"`
		}{said, engineReplay, "core cycles", res, res.Notes()})
	case "bench":
		return 0, benchReplayed(e.stdout, res)
	case "csv", "html":
		rows, _ := replayedRows(res)
		return 0, writeRows(e.stdout, format, rows)
	}
	return 0, printReplayed(e.stdout, res, verbose)
}

// printReplayed prints the headline, the controls, every cell and what must be
// known of it all.
func printReplayed(w io.Writer, res *replay.Result, verbose bool) error {
	fmt.Fprintf(w, "engine %s, on %v, %d placements\n\n", engineReplay, res.CPU, res.Placements)
	base := res.Variants[0]
	for _, f := range res.Headline() {
		if f.Difference != nil {
			fmt.Fprintf(w, "%s against %s, null call: %s\n", f.Variant, base, res.Verdict(f))
		} else if f.Why != "" {
			fmt.Fprintf(w, "%s against %s, null call: not compared (%s)\n", f.Variant, base, f.Why)
		}
	}
	fmt.Fprintf(w, "\ncore cycles: %s as replayed, then differences from it, 95 %% intervals\n\n", base)
	rows, stepped := replayedRows(res)
	if err := writeTable(w, rows); err != nil {
		return err
	}
	if stepped {
		fmt.Fprintln(w, "\nstep: several numbers of instructions more read the same in this form, so it is no cost of theirs (-v shows the ladder)")
	}
	fmt.Fprintln(w)
	if verbose {
		if err := printDetails(w, res); err != nil {
			return err
		}
	}
	if err := printControls(w, res); err != nil {
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

// replayedRows are the rows of printReplayed's table, and whether one of them has
// a step.
func replayedRows(res *replay.Result) (rows [][]string, stepped bool) {
	rows = [][]string{append([]string{"", "form"}, res.Variants...)}
	for _, c := range res.Cells {
		row := []string{replay.Title(c.Op), c.Form}
		for i, f := range c.Figures {
			switch {
			case i == 0:
				row = append(row, fmt.Sprintf("%.1f", f.Mean))
			case f.Difference == nil:
				row = append(row, "-")
			case c.Noisy != "":
				row = append(row, "too noisy ("+c.Noisy+")")
			case !f.Difference.Seen():
				row = append(row, fmt.Sprintf("none seen (±%.1f)", f.Difference.AtMost()))
			case len(f.ReadAs) > 0:
				stepped = true
				row = append(row, fmt.Sprintf("step %+.1f", f.Difference.Mean))
			default:
				row = append(row, fmt.Sprintf("%+.2f ±%.2f", f.Difference.Mean, f.Difference.Half()))
			}
		}
		rows = append(rows, row)
	}
	return rows, stepped
}

// printDetails prints what the differences are made of: how many placements each
// whole number of cycles has, and what instructions more read as.
func printDetails(w io.Writer, res *replay.Result) error {
	rows := [][]string{{"differences by placement", "form", "variant", "placements at so many cycles (to within a quarter)"}}
	for _, c := range res.Cells {
		for _, f := range c.Figures {
			if f.Difference != nil {
				rows = append(rows, []string{replay.Title(c.Op), c.Form, f.Variant, replay.Steps(stats.Paired(c.Figures[0].Cycles, f.Cycles))})
			}
		}
	}
	if err := writeTable(w, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	head := []string{"ladder: the base's null call with so many more", "form"}
	rows = nil
	for _, r := range res.Ladder {
		if len(rows) == 0 || rows[len(rows)-1][0] != r.Kind || rows[len(rows)-1][1] != r.Form {
			rows = append(rows, []string{r.Kind, r.Form})
		}
		if len(rows) == 1 {
			head = append(head, fmt.Sprint(r.More))
		}
		last := &rows[len(rows)-1]
		*last = append(*last, fmt.Sprintf("%+.2f ±%.2f", r.Estimate.Mean, r.Estimate.Half()))
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "ladder: too few placements")
		return err
	}
	if err := writeTable(w, append([][]string{head}, rows...)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// printControls prints what the run proves of itself.
func printControls(w io.Writer, res *replay.Result) error {
	rows := [][]string{{"controls", "form", "must be", "was", "over placements"}}
	for _, c := range res.Controls {
		rows = append(rows, []string{
			c.Name + ", " + replay.Title(c.Op), c.Form, fmt.Sprintf("%+g", c.Truth),
			fmt.Sprintf("%+.2f ±%.2f", c.Estimate.Mean, c.Estimate.Half()), fmt.Sprintf("SD %.2f", c.Estimate.SD),
		})
	}
	return writeTable(w, rows)
}

// benchReplayed prints every placement as a line of Go's benchmark format: the
// placement is the unit of resampling for benchstat too.
func benchReplayed(w io.Writer, res *replay.Result) error {
	fmt.Fprintf(w, "engine: %s\ncpu: %s\nmicrocode: %s\nseed: %d\nplacements: %d\n", engineReplay, res.CPU.Model, res.CPU.Microcode, res.Seed, res.Placements)
	for _, c := range res.Controls {
		fmt.Fprintf(w, "control-%s-%s: %+.2f±%.2f\n", benchKey(c.Name+" "+c.Op), strings.ToLower(c.Form), c.Estimate.Mean, c.Estimate.Half())
	}
	fmt.Fprintln(w, "Unit cycles/op better=lower")
	for _, c := range res.Cells {
		if c.Noisy != "" {
			continue
		}
		for _, f := range c.Figures {
			for _, cycles := range f.Cycles {
				if _, err := fmt.Fprintf(w, "Benchmark%s/variant=%s/form=%s 1 %.2f cycles/op\n", benchName(c.Op), f.Variant, c.Form, cycles); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// benchKey makes a configuration key: lower case, without space or punctuation.
func benchKey(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return -1
	}, strings.ToLower(s))
}

// benchName makes a benchmark's name of an operation's: each word with a
// capital, nothing between them.
func benchName(op string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(op, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
