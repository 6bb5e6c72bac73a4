package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/trace"
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
		Cuts:    true,
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
	said := map[string][]wire.Vulnerability{}
	var code, cutOn string // of what a machine has run, and the machine
	if len(j.Kernels) > 0 {
		var err error
		if config.Paths, code, cutOn, err = j.paths(ctx, said); err != nil {
			return nil, err
		}
	}
	n := 1
	if j.Study {
		n, config.Processes = replaySteps, 1
	}
	prepared, err := replay.Prepare(config)
	if err != nil && config.Paths != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return nil, err
	}
	// The code around the variants' code is this program's.
	program, err := self(ctx)
	if err != nil {
		return nil, err
	}
	c := HostConfig()
	c.Code, c.Engine, c.Machine, c.CPU = code, replayed, "host", c.Host
	if prepared.Image != nil {
		c.Code = prepared.Image.Hash(program)
	}
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
				account := accountOf(res)
				account.CutOn = cutOn
				out.Account(account)
				for kernel, v := range said {
					out.Vulnerabilities(kernel, v)
				}
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
		Cuts:          res.Cuts,
	}
}

// paths follows a null call of each subject on the machine of the engine icount. A kernel's
// code is what a boot leaves of it, alternatives and static branches patched; so that all
// are cut in the same way, the variants' is taken from a machine too. code is a hash of what
// was booted.
func (j *Job) paths(ctx context.Context, said map[string][]wire.Vulnerability) (all []trace.Path, code, on string, err error) {
	generated, real := j.targets(vm.ICount, Of(string(vm.ICount)).Defaults)
	sum := sha256.New()
	prepare := func(t *target) (vm.Config, error) {
		m, err := t.machine(ctx, 0, wire.Command{Trace: true})
		fmt.Fprintf(sum, "%q\n", []string{m.Code, m.CPU, m.Append})
		on = fmt.Sprintf("machine %s with CPU %s", m.Machine, m.CPU)
		return m, err
	}
	if generated != nil {
		m, err := prepare(generated)
		if err != nil {
			return nil, "", "", err
		}
		if all, err = trace.Paths(ctx, j.Subjects, m); err != nil {
			return nil, "", "", err
		}
	}
	for _, t := range real {
		m, err := prepare(t)
		if err != nil {
			return nil, "", "", err
		}
		j.step("booting %s to follow a call of it", t.linux.name)
		p, run, err := trace.Linux(ctx, m, nil)
		if err != nil {
			return nil, "", "", t.linux.Why(ctx, t.vm, run, err)
		}
		p.Subject, said[t.linux.name] = t.linux.name, run.Vulnerabilities
		all = append(all, p)
	}
	if i := slices.IndexFunc(all, func(p trace.Path) bool { return p.Subject == j.Base }); i > 0 {
		all = slices.Concat(all[i:i+1], all[:i], all[i+1:])
	}
	return all, fmt.Sprintf("%x", sum.Sum(nil)[:8]), on, nil
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
	cuts := a != nil && len(a.Cuts) > 0
	notes := []string{
		"replayed in ring 3 on " + on + "; SYSCALL, SYSRET, SWAPGS, STI and CLI were not run: only differences between paths with the same exit instruction mean anything, no figure is the cost of a system call",
		"form SR1 (LFENCE for SYSCALL and SYSRET, a handler with 60 cycles of work) is the figure, of the switch SR0 (a handler that does nothing); N0 (no fence), SR0 and D0 (MFENCE) bound what another CPU may make of it",
		"a difference of up to a cycle is a property of alignment, not of the design; the interval is over placements of code and data at random, and over processes where these differ by more" + disturbed,
		"caches were warm but for the switches that say so, predictors trained; on a cold or busy core each additional store costs about 0.2 cycles more",
		"cycles are derived from a chain of multiplications" + tick + ", not counted",
	}
	if cuts {
		return append(notes, cutNotes(a)...)
	}
	return append(notes, "the thread switch is that of the build; for \"usersp's own line\" and \"both lines\" the thread lies so that usersp begins a cache line of its own, which no other part of the switch touches. Where it shares one, as in Linux 3.19, whose thread_struct has sp beside it, look at \"thread's line\". What a miss costs depends on physical memory too, which another process has others of")
}

// cutNotes say what of each path was replayed.
func cutNotes(a *Account) []string {
	notes := []string{"of each path the assembly is replayed, as " + a.CutOn + " had it in memory when it ran it, alternatives patched; from the entry's CALL to its return runs a stand-in, " +
		"which calls the handler and stores its result, so what C costs is in no figure; per-CPU words lie in lines of their own, those that the path only reads are 0"}
	for _, c := range a.Cuts {
		text := fmt.Sprintf("%s: %d instructions of entry and %d of exit, of %d that a null call has; %s and all that it calls is left out", c.Label, c.Entry, c.Exit, c.All, c.C)
		var replaced []string
		for i, name := range c.Replaced {
			if slices.Index(c.Replaced, name) == i && name != "IRETQ" {
				n := 0
				for _, other := range c.Replaced {
					if other == name {
						n++
					}
				}
				replaced = append(replaced, fmt.Sprintf("%s (%d)", name, n))
			}
		}
		if len(replaced) > 0 {
			text += "; in place of what ring 3 may not run is a NOP, and for SYSRETQ a jump: " + strings.Join(replaced, ", ")
		}
		notes = append(notes, text)
	}
	return notes
}
