package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/measure/confirm"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs/prove"
)

// runConfirm proves variants and has machines confirm the proofs, one after the other.
func (e *env) runConfirm(ctx context.Context, all, verbose bool, format string, args []string) (int, error) {
	list, err := toProve(ctx, all, args)
	if err != nil {
		return 0, err
	}
	status := 0
	t := &table.Table{Name: "confirmations", Head: []string{
		"variant", "outcome", "machine", "witnesses", "confirmed", "paths", "run", "returns", "instructions", "compared", "differ", "found",
	}}
	for _, n := range list {
		r, err := confirm.Variant(ctx, n, 0)
		if err != nil {
			return 0, err
		}
		if r.Proof.Outcome() != prove.Proved || !r.Agrees() {
			status = exitFail
		}
		for _, run := range r.Runs {
			witnesses, confirmed := 0, 0
			if run.Machine == r.On {
				witnesses, confirmed = r.Witnesses, r.Confirmed
			}
			found := run.Differs
			if run.Without != "" {
				found = []string{"not run: " + run.Without}
			}
			t.Add(n.Name, r.Proof.Outcome().String(), run.Machine, witnesses, confirmed, run.Paths, run.Ran, run.Exits,
				run.Instructions, run.Compared, len(run.Differs), table.Cell{Text: strings.Join(found, "\n"), Value: found})
		}
		if format != "text" {
			continue
		}
		fmt.Fprintln(e.stdout, r.Proof)
		for _, line := range append(claimsOf(r.Proof, verbose), r.Lines()...) {
			fmt.Fprintf(e.stdout, "  %s\n", line)
		}
	}
	if format == "text" {
		return status, nil
	}
	return status, e.print(&table.Document{Title: "entrylab prove -confirm", Blocks: []table.Block{{Table: t}}}, format)
}
