package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// engineStatic is the engine that runs nothing: it counts what is in the code.
const engineStatic = "static"

// compareCounted compares variants by what is in their code.
func compareCounted(w io.Writer, list []stubs.Named, said proofs, format string) error {
	variants, err := count.Variants(list)
	if err != nil {
		return err
	}
	switch format {
	case "json":
		return jsonCounted(w, variants, said)
	case "bench":
		return benchCounted(w, variants)
	case "csv", "html":
		return writeRows(w, format, countedRows(variants))
	}
	return printCounted(w, variants)
}

// keepCounts keeps the counts of variants.
func keepCounts(ctx context.Context, k *keeper, list []stubs.Named) error {
	if k.store == nil {
		return nil
	}
	quiet := func(string) {}
	_, _, err := study.Run(ctx, list, []study.Engine{study.Static(quiet)}, k.store, k.old, study.Progress{Step: quiet, Note: quiet})
	return err
}

// printCounted prints a row for each count of each phase, the difference from
// the first variant beside the others'.
func printCounted(w io.Writer, variants []count.Variant) error {
	fmt.Fprintf(w, "engine %s: counted in the machine code, nothing is run\n\n", engineStatic)
	if err := writeTable(w, countedRows(variants)); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, note := range count.Notes(variants) {
		if _, err := fmt.Fprintf(w, "* %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// countedRows are the rows of printCounted's table.
func countedRows(variants []count.Variant) [][]string {
	head := []string{""}
	for _, v := range variants {
		head = append(head, v.Name)
	}
	rows := [][]string{head}
	for i, p := range count.Phases {
		rows = append(rows, []string{p.Title})
		for _, m := range count.Metrics {
			row := []string{"  " + m.Title}
			base := m.Of(variants[0].Counts[i])
			for j, v := range variants {
				n := m.Of(v.Counts[i])
				cell := fmt.Sprint(n)
				if j > 0 && n != base {
					cell += fmt.Sprintf(" (%+d)", n-base)
				} else if j > 0 {
					cell += " (0)"
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func jsonCounted(w io.Writer, variants []count.Variant, said proofs) error {
	type counted struct {
		Variant string `json:"variant"`
		Phase   string `json:"phase"`
		count.Counts
	}
	out := struct {
		Proofs proofs    `json:"proofs,omitempty"`
		Engine string    `json:"engine"`
		Counts []counted `json:"counts"`
		Notes  []string  `json:"notes"`
	}{Proofs: said, Engine: engineStatic, Notes: count.Notes(variants)}
	for _, v := range variants {
		for i, p := range count.Phases {
			out.Counts = append(out.Counts, counted{v.Name, p.Name, v.Counts[i]})
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// benchCounted prints Go's benchmark format: a line for each phase of each
// variant, all counts on it.
func benchCounted(w io.Writer, variants []count.Variant) error {
	fmt.Fprintf(w, "engine: %s\n", engineStatic)
	for _, m := range count.Metrics {
		fmt.Fprintf(w, "Unit %s better=lower assume=exact\n", m.Unit)
	}
	for i, p := range count.Phases {
		for _, v := range variants {
			fmt.Fprintf(w, "Benchmark%s/variant=%s 1", p.Bench, v.Name)
			for _, m := range count.Metrics {
				fmt.Fprintf(w, " %d %s", m.Of(v.Counts[i]), m.Unit)
			}
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
	}
	return nil
}
