package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/stubs"
)

// ErrUnavailable means that this host cannot run an engine.
var ErrUnavailable = errors.New("not available here")

// Runner runs engines for a job.
type Runner struct {
	Job Job
	// Store, if not nil, keeps the records, each as it comes. Old are the records that it
	// already holds.
	Store *store.Store
	Old   []record.Record
	// Judge returns a stats.RefusedError if the controls among the records of a step
	// failed.
	Judge func([]record.Record) error
	// Note is called with messages for the user.
	Note func(string)
}

// Skipped is an engine that was not run, or a step whose figures were refused,
// and why.
type Skipped struct{ Engine, Reason string }

// Outcome is what engines found.
type Outcome struct {
	// Records are all records, the old ones first. Asked are those that answer the job:
	// what was measured now, and the old records that made measuring needless.
	Records, Asked []record.Record
	// Skipped are the engines that this host cannot run, and the steps that were refused.
	Skipped []Skipped
	// Checks are the outcomes of the guest's checks.
	Checks []wire.Check
	// Refused are the records of the step whose controls failed, if that ended the work.
	Refused []record.Record
	// Account is the last run's account; it may be empty.
	Account Account
	// Vulnerabilities are what each real kernel says about the CPU.
	Vulnerabilities map[string][]wire.Vulnerability
}

// Run measures everything that the old records do not hold yet. Together with an error
// it returns what was measured before it.
func (r Runner) Run(ctx context.Context, engines ...Engine) (Outcome, error) {
	out := Outcome{Records: r.Old, Vulnerabilities: map[string][]wire.Vulnerability{}}
	r.Job.old = r.Old
	for _, e := range engines {
		steps, err := e.steps(ctx, r.Job)
		if errors.Is(err, ErrUnavailable) {
			out.Skipped = append(out.Skipped, Skipped{e.Name, err.Error()})
			continue
		}
		if err != nil {
			return out, fmt.Errorf("engine %s: %w", e.Name, err)
		}
		taken := false
		for i, step := range steps {
			if len(step.Account.Notes) > 0 {
				out.Account = step.Account
			}
			if step.Done(out.Records) {
				if !taken {
					taken = true
					out.Asked = append(out.Asked, slices.DeleteFunc(slices.Clone(r.Old), func(o record.Record) bool { return !Same(o.Config, step.Config) })...)
				}
				r.Note(fmt.Sprintf("%s: %s: all figures exist already", e.Name, step.Title))
				continue
			}
			r.Job.step("%s, step %d of %d: %s", e.Name, i+1, len(steps), step.Title)
			err := r.step(ctx, e, step, &out)
			if _, refused := errors.AsType[*stats.RefusedError](err); refused {
				return out, err
			}
			if err != nil {
				return out, fmt.Errorf("engine %s: %s: %w", e.Name, step.Title, err)
			}
		}
	}
	return out, nil
}

// steps returns the plan of an engine, or ErrUnavailable.
func (e Engine) steps(ctx context.Context, j Job) ([]Step, error) {
	if e.Available != nil {
		if err := e.Available(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	if j.Study {
		if err := e.studies(HostConfig().Host); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return e.Plan(ctx, j)
}

// studies reports why a study takes no samples of the engine on this CPU, or nil: they
// would be read as a CPU's costs.
func (e Engine) studies(cpu string) error {
	if why := e.MeaninglessOn(cpu); e.Kind == Sampled && why != "" {
		return fmt.Errorf("%s: %s", cpu, why)
	}
	return nil
}

// step runs one step. In a study, a step whose figures are refused counts as skipped.
func (r Runner) step(ctx context.Context, e Engine, step Step, out *Outcome) error {
	keep := func(some ...record.Record) error {
		if r.Store != nil {
			if err := r.Store.Append(some...); err != nil {
				return err
			}
		}
		out.Records, out.Asked = append(out.Records, some...), append(out.Asked, some...)
		return nil
	}
	var held []record.Record
	to := Out{
		Records: keep,
		Checks:  func(checks []wire.Check) { out.Checks = append(out.Checks, checks...) },
		Account: func(a Account) {
			a.CommandLine = cmp.Or(a.CommandLine, out.Account.CommandLine)
			out.Account = a
		},

		Vulnerabilities: func(kernel string, said []wire.Vulnerability) { out.Vulnerabilities[kernel] = said },
	}
	if step.Judged {
		to.Records = func(some ...record.Record) error {
			held = append(held, some...)
			return nil
		}
	}
	err := step.Run(ctx, to)
	if err == nil && step.Judged {
		if err = r.Judge(held); err == nil {
			err = keep(held...)
		}
	}
	if refused, ok := errors.AsType[*stats.RefusedError](err); ok {
		out.Refused = held
		if r.Job.Study {
			out.Skipped = append(out.Skipped, Skipped{e.Name, fmt.Sprintf("%s: %v", step.Title, refused)})
			err = nil
		}
	}
	if r.Store != nil {
		err = errors.Join(err, r.Store.Sync())
	}
	return err
}

// complete reports whether the records have every operation of every subject
// under this configuration and in this run. The floor has only the first.
func complete(list []stubs.Variant, records []record.Record, c record.Config, form string, run int, ops []record.Operation) bool {
	type figure struct{ variant, op string }
	have := map[figure]bool{}
	for i := range records {
		if r := &records[i]; r.Form == form && r.Run == run && Same(r.Config, c) {
			have[figure{r.Variant, r.Op}] = true
		}
	}
	for _, n := range list {
		for i, op := range ops {
			if !have[figure{n.Name, op.Op}] && (i == 0 || !n.Axes.Bare) {
				return false
			}
		}
	}
	return true
}
