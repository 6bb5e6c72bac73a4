package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/internal/solver"
	"github.com/entrylab/entrylab/stubs/prove"
)

// runSMT prints the claims of variants as a script, and in its comments what the
// proof and the solver say of them.
func (e *env) runSMT(ctx context.Context, all bool, args []string) (int, error) {
	list, err := toProve(ctx, all, args)
	if err != nil {
		return 0, err
	}
	s, err := solver.Start(ctx)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	const prologue = "(set-logic QF_ABV)\n"
	if _, err := s.Ask([]byte(prologue), 0); err != nil {
		return 0, err
	}
	fmt.Fprint(e.stdout, prologue)
	status := 0
	for _, wait := range prove.Start(list, prove.ProveObligations) {
		o, err := computed(ctx, wait)
		if err != nil {
			return 0, err
		}
		if _, err := e.stdout.Write(o.Script); err != nil {
			return 0, err
		}
		sat, err := s.Ask(o.Script, len(o.Checks))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", o.Proof.Variant, err)
		}
		comment := func(text string) { fmt.Fprintf(e.stdout, "; %s\n", strings.ReplaceAll(text, "\n", "\n; ")) }
		comment(o.Proof.String())
		for _, f := range o.Proof.Faults() {
			comment(f.String())
		}
		wrong := o.Disagreements(sat)
		for _, c := range wrong {
			comment(c.String())
		}
		agrees := "agrees"
		if len(wrong) > 0 {
			agrees = fmt.Sprintf("disagrees %d times", len(wrong))
		}
		comment(fmt.Sprintf("%s: %s %s: %v", o.Proof.Variant, s.Name, agrees, o))
		if len(wrong) > 0 || o.Proof.Outcome() != prove.Proved {
			status = exitFail
		}
	}
	return status, nil
}
