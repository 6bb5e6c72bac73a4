package study

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// A study replays in several processes, since each has its own pages, and the
// interval must tell how much that matters; what one has measured is not lost
// if the next is interrupted.
const (
	replayRuns   = 5
	replayBudget = 15 * time.Second
)

// engineReplay is the engine that boots no machine.
const engineReplay = "replay"

// Control is what results call the pairs whose truth is known: its records are
// differences, not costs.
const Control = "control"

// Replay returns the engine that runs the variants' code in ring 3 on this CPU.
func Replay(step func(string)) Engine {
	return Engine{Name: engineReplay, Prepare: func(ctx context.Context, list []stubs.Named) ([]Step, error) {
		c, err := replayConfig(ctx, list)
		if err != nil {
			return nil, err
		}
		var steps []Step
		for run := range replayRuns {
			steps = append(steps, Step{
				Title: fmt.Sprintf("process %d of %d, %d variants, %v", run+1, replayRuns, len(list), replayBudget),
				Done: func(have []record.Record) bool {
					return complete(list, have, c, replay.HeadlineForm, run, []string{nullCall, fullFrame})
				},
				Run: func(ctx context.Context, emit func(...record.Record) error) error {
					res, err := replay.Run(ctx, replay.Config{Variants: list, Budget: replayBudget, Processes: 1, Progress: step})
					var noise *replay.NoiseError
					if errors.As(err, &noise) {
						return fmt.Errorf("%w: %w", ErrNoise, err)
					}
					if err != nil {
						return err
					}
					return emit(replayed(res, list, c, run, time.Now())...)
				},
			})
		}
		return steps, nil
	}}
}

// replayConfig is what a replay is measured with.
func replayConfig(ctx context.Context, list []stubs.Named) (record.Config, error) {
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		return record.Config{}, err
	}
	c := HostConfig()
	// What is around the variants' code is this program's.
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	program, err := hash(ctx, self)
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256(slices.Concat(image.ELF, []byte(program)))
	c.Code, c.Engine, c.Machine, c.CPU = fmt.Sprintf("%x", sum[:8]), engineReplay, "host", c.Host
	return c, nil
}

// replayOps are the operations of the replay by their names in results.
var replayOps = map[string]string{
	replay.OpNull:       nullCall,
	replay.OpFull:       fullFrame,
	replay.OpSwitch:     "switch-warm",
	replay.OpSwitchSP:   "switch-cold-sp",
	replay.OpSwitchLine: "switch-cold-thread",
	replay.OpSwitchBoth: "switch-cold-both",
}

// replayed are the records of a replay: its processes are runs from first on.
func replayed(res *replay.Result, list []stubs.Named, c record.Config, first int, now time.Time) []record.Record {
	var records []record.Record
	for _, cell := range res.Cells {
		if cell.Noisy != "" {
			continue
		}
		for i, f := range cell.Figures {
			for process := range res.Processes {
				var samples []*float64
				var values []float64
				for n, x := range f.Cycles {
					if res.Process[n] == process {
						samples, values = append(samples, &x), append(values, x)
					}
				}
				if len(values) == 0 {
					continue
				}
				slices.Sort(values)
				r := record.New(c, wire.Measure{
					Variant: f.Variant, Op: opOf(cell.Op), N: 1, Batches: len(values),
					Min: values[0], Median: values[(len(values)-1)/2], Max: values[len(values)-1],
				}, list[i].Variant.String(), record.Cycles, first+process, now)
				r.Form, r.Samples = cell.Form, samples
				records = append(records, r)
			}
		}
	}
	control := func(op, form string, e stats.Estimate) {
		r := record.New(c, wire.Measure{
			Variant: Control, Op: op, N: 1, Batches: e.N,
			Min: min(e.Low, e.Mean), Median: e.Mean, Max: max(e.High, e.Mean),
		}, "", record.Cycles, first, now)
		r.Form = form
		r.Interval = &record.Interval{Low: e.Low, High: e.High, Level: 0.95}
		records = append(records, r)
	}
	for _, k := range res.Controls {
		control(controlName(k.Name, opOf(k.Op), k.Truth), k.Form, k.Estimate)
	}
	for _, r := range res.Ladder {
		control(fmt.Sprintf(rungName, r.More, r.Kind), r.Form, r.Estimate)
	}
	return records
}

// rungName is what results call a rung of a ladder, whose records are differences
// as those of controls are.
const rungName = "ladder: %d more, %s"

// ladder are the rungs of a form, each over all runs: its interval is as wide as
// that of a run.
func (s *Set) ladder(c Column) []replay.Rung {
	var rungs []replay.Rung
	for k, records := range s.series {
		r := replay.Rung{Form: c.Form}
		if _, err := fmt.Sscanf(k.op, rungName, &r.More, &r.Kind); err != nil || k.Column != c || k.variant != Control {
			continue
		}
		for _, x := range records {
			n := float64(len(records))
			r.Estimate.Mean += x.Median / n
			r.Estimate.Low += x.Interval.Low / n
			r.Estimate.High += x.Interval.High / n
			r.Estimate.N += x.Batches
		}
		rungs = append(rungs, r)
	}
	slices.SortFunc(rungs, func(a, b replay.Rung) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.More, b.More)) })
	return rungs
}

func opOf(op string) string {
	if o, ok := replayOps[op]; ok {
		return o
	}
	return op
}
