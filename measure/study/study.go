// Package study answers the question that entrylab is made for: what each part
// of a change to the entry path costs, on each engine that this host has. It
// holds the plan (which variants, which differences), runs the engines, and
// turns their records into differences, verdicts in words and a page.
//
// Every figure
// goes to the results file as it comes, so that a study that was interrupted
// goes on where it stopped.
package study

import (
	"context"
	"errors"
	"fmt"

	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/stubs"
)

// Engine measures the plan's variants in its own way.
type Engine struct {
	Name string
	// Prepare returns the steps of a study, or why this host cannot run it,
	// which is not a failure: an error that wraps ErrUnavailable.
	Prepare func(ctx context.Context, list []stubs.Named) ([]Step, error)
}

// ErrUnavailable means that this host does not have an engine.
var ErrUnavailable = errors.New("not available here")

// ErrNoise means that a step's figures would not have been worth believing.
var ErrNoise = errors.New("refused")

// Step is a part of an engine's work that can be skipped when its figures are
// there already.
type Step struct {
	Title string
	// Done reports whether all its figures are among the records.
	Done func([]record.Record) bool
	// Run measures, and hands figures to emit as they come: those of one call
	// are kept together or not at all.
	Run func(ctx context.Context, emit func(...record.Record) error) error
}

// Progress is told what a study does.
type Progress struct {
	// Step is told of what takes time, Note of what the reader should know.
	Step, Note func(text string)
}

// Skipped is an engine that was not run, or a step whose figures were refused,
// and why.
type Skipped struct{ Engine, Reason string }

// Run measures everything of the variants that old does not hold yet, and keeps
// it in the store, if that is not nil. It returns all records, those of an
// interrupted study too, and the engines that this host lacks.
func Run(ctx context.Context, list []stubs.Named, engines []Engine, store *store.Store, old []record.Record, p Progress) ([]record.Record, []Skipped, error) {
	records := old
	var skipped []Skipped
	for _, e := range engines {
		steps, err := e.Prepare(ctx, list)
		if errors.Is(err, ErrUnavailable) {
			skipped = append(skipped, Skipped{e.Name, err.Error()})
			continue
		}
		if err != nil {
			return records, skipped, fmt.Errorf("engine %s: %w", e.Name, err)
		}
		for i, step := range steps {
			if step.Done(records) {
				p.Note(fmt.Sprintf("%s: %s: all figures are there already", e.Name, step.Title))
				continue
			}
			p.Step(fmt.Sprintf("%s, step %d of %d: %s", e.Name, i+1, len(steps), step.Title))
			err := step.Run(ctx, func(some ...record.Record) error {
				if store != nil {
					if err := store.Append(some...); err != nil {
						return err
					}
				}
				records = append(records, some...)
				return nil
			})
			if errors.Is(err, ErrNoise) {
				skipped = append(skipped, Skipped{e.Name, fmt.Sprintf("%s: %v", step.Title, err)})
				err = nil
			}
			if store != nil {
				err = errors.Join(err, store.Sync())
			}
			if err != nil {
				return records, skipped, fmt.Errorf("engine %s: %s: %w", e.Name, step.Title, err)
			}
		}
	}
	return records, skipped, nil
}

// complete reports whether the records have every operation of every variant
// under this configuration and in this run. The floor has only the first.
func complete(list []stubs.Named, records []record.Record, c record.Config, form string, run int, ops []string) bool {
	type figure struct{ variant, op string }
	have := map[figure]bool{}
	for _, r := range records {
		if r.Same(c) && r.Form == form && r.Run == run {
			have[figure{r.Variant, r.Op}] = true
		}
	}
	for _, n := range list {
		for i, op := range ops {
			if !have[figure{n.Name, op}] && (i == 0 || !n.Variant.Bare) {
				return false
			}
		}
	}
	return true
}
