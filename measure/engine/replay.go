package engine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
)

// replayed is the engine that runs the code of the paths in ring 3, and boots no
// machine.
const replayed = "replay"

// A study replays in several processes, each a step: what one has measured is not
// lost if the next is interrupted.
const replaySteps = 5

func init() {
	Register(Engine{
		Name: replayed, Kind: Sampled, Unit: record.Cycles, Rank: 60,
		Ops:      ops(replayedCalls, record.Switches),
		About:    "the paths' code in ring 3 of this CPU, no machine",
		Defaults: Defaults{Boots: replay.DefaultProcesses},
		Unseen:   "cannot compare exits, it does not run SYSRETQ",
		Forms:    replay.Forms, Unstepped: replay.FormN,
		Sample: "placement", Process: "process",
		Quieter: replay.Quieter,
		Notes:   replayNotes,
		Plan:    planReplay,
	})
}

// replayedCalls are the calls that are replayed. The null call has no number.
var replayedCalls = []record.Operation{
	{Op: wire.OpNullCall, Title: "null call", Short: "null call", Bench: "NullCall"},
	{Op: wire.OpFullFrameCall, Title: "full-frame call (fix-up)", Short: "full frame", Bench: "FullFrameCall"},
}

func planReplay(ctx context.Context, j Job) ([]Step, error) {
	config := replay.Config{Variants: j.Subjects, Processes: j.Boots, Progress: j.Progress}
	n := 1
	if j.Study {
		n, config.Processes = replaySteps, 1
	}
	prepared, err := replay.Prepare(config)
	if err != nil {
		return nil, err
	}
	// The code around the variants' code is this program's.
	program, err := self(ctx)
	if err != nil {
		return nil, err
	}
	c := HostConfig()
	c.Code, c.Engine, c.Machine, c.CPU = prepared.Image.Hash(program), replayed, "host", c.Host
	first := 0 // for a replay outside a study: the run after those of the same code
	for _, r := range j.old {
		if !j.Study && Same(r.Config, c) {
			first = max(first, r.Run+1)
		}
	}
	var steps []Step
	for i := range n {
		steps = append(steps, Step{
			Title:  fmt.Sprintf("process %d of %d, %d variants, %v", i+1, n, len(j.Subjects), replay.DefaultBudget),
			Config: c,
			Done: func(have []record.Record) bool {
				return j.Study && complete(j.Subjects, have, c, replay.Forms[0], i, replayedCalls)
			},
			Run: func(ctx context.Context, out Out) error {
				res, err := prepared.Run(ctx)
				if err != nil {
					return err
				}
				out.Account(accountOf(res))
				return out.Records(replayRecords(res, j.axes(), c, first+i, time.Now())...)
			},
			Judged: true,
		})
	}
	return steps, nil
}

// programFile is the file of this program.
var programFile = bounded.Kind{Thing: "program", Most: 1 << 30, Regular: true}

// self hashes this program.
func self(ctx context.Context) ([]byte, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	sum, err := programFile.Hash(ctx, path)
	return []byte(sum), err
}

// accountOf returns what a run reports about itself.
func accountOf(res *replay.Result) Account {
	return Account{
		On: res.CPU.String(),
		Keys: []Key{
			{"seed", strconv.FormatUint(res.Seed, 10)},
			{"processes", strconv.Itoa(res.Processes)},
		},
		Disturbed:     res.Disturbed(),
		CyclesPerTick: res.CyclesPerTick,
		Apart:         res.Apart,
	}
}

// replayRecords returns the records of a replay, whose processes are numbered as runs
// from first on.
func replayRecords(res *replay.Result, axes map[string]string, c record.Config, first int, now time.Time) []record.Record {
	var records []record.Record
	add := func(variant, op, form string, values []float64, of []int) {
		byProcess := map[int][]float64{}
		for i, x := range values {
			byProcess[of[i]] = append(byProcess[of[i]], x)
		}
		for _, process := range slices.Sorted(maps.Keys(byProcess)) {
			values := byProcess[process]
			sorted := slices.Sorted(slices.Values(values))
			r := record.New(c, wire.Measure{
				Variant: variant, Op: op, N: 1, Batches: len(values),
				Min: sorted[0], Median: sorted[(len(sorted)-1)/2], Max: sorted[len(sorted)-1],
			}, axes[variant], record.Cycles, first+process, now)
			r.Form = form
			for _, x := range values {
				r.Samples = append(r.Samples, &x)
			}
			if op == wire.OpNullCall && form == replay.Forms[0] {
				r.Tail = tailOf(res.Singles, variant, process)
			}
			records = append(records, r)
		}
	}
	find := func(label, op, form string) []float64 {
		i := slices.IndexFunc(res.Series, func(s replay.Series) bool { return s.Label == label && s.Op == op && s.Form == form })
		return res.Series[i].Cycles
	}
	for _, s := range res.Series {
		switch {
		case s.Label == wire.LabelAgain:
			add(Control, ControlOp(Again, s.Op, 0), s.Form, stats.Paired(find(res.Base, s.Op, s.Form), s.Cycles), res.Process)
		case s.Op == wire.OpDoseOne:
			none := find(wire.LabelCalibration, wire.OpDoseNone, s.Form)
			add(Control, ControlOp(PositiveControl, wire.OpNullCall, 1), s.Form, stats.Paired(none, s.Cycles), res.Process)
		case !wire.IsControl(s.Label):
			add(s.Label, s.Op, s.Form, s.Cycles, res.Process)
		}
	}
	for _, r := range res.Ladder {
		add(Control, fmt.Sprintf(rungName, r.More, r.Kind), r.Form, r.Differences, r.Process)
	}
	return records
}

// tailOf returns the tail of a variant's single calls in a process.
func tailOf(list []replay.Single, variant string, process int) *record.Tail {
	var single []float64
	for _, s := range list {
		for i, x := range s.Cycles {
			if s.Label == variant && s.Process[i] == process {
				single = append(single, x)
			}
		}
	}
	return record.TailOf(single)
}

// replayNotes go with every figure of the replay.
func replayNotes(a *Account) []string {
	on, disturbed, tick := "this CPU", "", ""
	if a != nil {
		on, disturbed, tick = a.On, "; "+a.Disturbed, fmt.Sprintf(" (%.4f for a tick of the time-stamp counter)", a.CyclesPerTick)
	}
	return []string{
		"replayed in ring 3 on " + on + "; SYSCALL, SYSRET, SWAPGS, STI and CLI were not run: only differences between paths with the same exit instruction mean anything, no figure is the cost of a system call",
		"form SR1 (LFENCE for SYSCALL and SYSRET, a handler with 60 cycles of work) is the figure, of the switch SR0 (a handler that does nothing); N0 (no fence), SR0 and D0 (MFENCE) bound what another CPU may make of it",
		"a difference of up to a cycle is a property of alignment, not of the design; the interval is over placements of code and data at random, and over processes where these differ by more" + disturbed,
		"caches were warm but for the switches that say so, predictors trained; on a cold or busy core each additional store costs about 0.2 cycles more",
		"cycles are derived from a chain of multiplications" + tick + ", not counted",
		"the thread switch is that of the build; for \"usersp's own line\" and \"both lines\" the thread lies so that usersp begins a cache line of its own, which no other part of the switch touches. Where it shares one, as in Linux 3.19, whose thread_struct has sp beside it, look at \"thread's line\". What a miss costs depends on physical memory too, which another process has others of",
	}
}
