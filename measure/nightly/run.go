package nightly

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Night runs cells and keeps what they find.
type Night struct {
	// Name is the name of the night, such as "2026-11-28".
	Name  string
	Store history.Store
	// Machine is this machine's name. MachineID distinguishes machines of the same name.
	Machine, MachineID string
	// CPU is the name of the machine's CPU.
	CPU string
	// Build names this entrylab.
	Build string
	// Progress is called with what is being done, Found with what is new in a cell as soon
	// as the cell is done. Now returns the time.
	Progress func(string)
	Found    func(judge.Finding)
	Now      func() time.Time

	mu sync.Mutex // held while Progress or Found is called
}

// Done is a cell that was done, in this run or an earlier one.
type Done struct {
	Cell string `json:"cell"`
	// Outcome is PASS, FAIL, SKIP or CRASH.
	Outcome string  `json:"outcome"`
	Detail  string  `json:"detail,omitempty"`
	Seconds float64 `json:"seconds"`
	// Earlier is set if an earlier run did it.
	Earlier bool `json:"earlier,omitempty"`
}

// Outcomes of cells.
const (
	Pass  = "PASS"
	Fail  = "FAIL"
	Skip  = "SKIP"
	Crash = "CRASH"
)

// Run does the cells that the night has not done yet. Cells whose figures do not depend
// on time run in parallel, those that sample run one after the other. A night that is
// interrupted keeps the cells that are done.
func (n *Night) Run(ctx context.Context, cells []Cell) ([]Done, error) {
	earlier, crashed, err := n.earlier(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Done, len(cells))
	var counting, sampling []int
	for i, c := range cells {
		d, found := earlier[c.Name]
		switch {
		case found:
			all[i] = d
		case c.Engine.Kind == engine.Sampled:
			sampling = append(sampling, i)
		default:
			counting = append(counting, i)
		}
	}
	times, err := ReadTimes(ctx, n.Store, cells)
	if err != nil {
		return nil, err
	}
	do := func(ctx context.Context, i int) error {
		d, entries, err := n.cell(ctx, cells[i], crashed[cells[i].Name])
		if err != nil {
			return err
		}
		if err := n.Store.Append(ctx, entries...); err != nil {
			return err
		}
		if err := n.tell(ctx, entries); err != nil {
			return err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		all[i] = d
		times.took(cells[i], d.Seconds)
		var left []Cell
		for i, c := range cells {
			if all[i].Cell == "" {
				left = append(left, c)
			}
		}
		n.Progress(fmt.Sprintf("%s: %s in %.1f s; left: %s", d.Cell, d.Outcome, d.Seconds, times.Words(left)))
		return nil
	}
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range counting {
		group.Go(func() error { return do(each, i) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, i := range sampling {
		if err := do(ctx, i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// earlier returns the cells that the night already has, and how often the others crashed;
// these are tried again. It refuses a different machine with the same name, as the figures
// of the two would be mixed.
func (n *Night) earlier(ctx context.Context) (done map[string]Done, crashed map[string]int, err error) {
	all, err := n.Store.Series(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		if s.Last > n.Name {
			return nil, nil, fmt.Errorf("%s already has the night %s, which is after %s: a clock is wrong, or -night names a night in the past; nothing is measured", n.Store.Name(), s.Last, n.Name)
		}
	}
	done, crashed = map[string]Done{}, map[string]int{}
	for e, err := range n.Store.Entries(ctx, history.Query{Night: n.Name}) {
		if err != nil {
			return nil, nil, err
		}
		if err := n.alike(e); err != nil {
			return nil, nil, err
		}
		switch {
		case e.Kind != history.Cell:
		case e.Outcome == Crash:
			crashed[e.Series]++
		default:
			done[e.Series] = earlierDone(e)
		}
	}
	return done, crashed, nil
}

// alike refuses an entry that a different machine with this name wrote.
func (n *Night) alike(e history.Entry) error {
	if e.Night == n.Name && e.Machine == n.Machine && e.MachineID != n.MachineID {
		return fmt.Errorf("another machine that calls itself %s has written to %s in the night %s: give this one another name by -machine-name", n.Machine, n.Store.Name(), n.Name)
	}
	return nil
}

// earlierDone returns the cell that an entry says is done.
func earlierDone(e history.Entry) Done {
	return Done{Cell: e.Series, Outcome: e.Outcome, Detail: e.Detail, Seconds: e.Values[0], Earlier: true}
}

// cell does a cell that crashed so many times before, and returns what it found. A sampled
// cell is measured a second time if a figure looks as if it had changed.
func (n *Night) cell(ctx context.Context, c Cell, crashed int) (Done, []history.Entry, error) {
	start := n.Now()
	d := Done{Cell: c.Name, Outcome: Pass}
	var entries []history.Entry
	var config ran
	var err error
	if lacks := c.lacks(); lacks != 0 {
		config.why = fmt.Sprintf("the CPU of engine %s lacks: %v", c.Engine.Name, lacks)
	} else if elsewhere := c.elsewhere(n.CPU); elsewhere != "" {
		config.why = elsewhere
	} else {
		entries, config, err = n.measure(ctx, c, 0)
	}
	if err == nil && c.Engine.Kind == engine.Sampled {
		var suspect bool
		if suspect, err = n.suspect(ctx, entries); err == nil && suspect {
			n.Progress(c.Name + ": a figure may have changed; measured again")
			var again []history.Entry
			again, _, err = n.measure(ctx, c, 1)
			entries = append(entries, again...)
		}
	}
	switch {
	case ctx.Err() != nil:
		return d, nil, ctx.Err()
	case err != nil:
		entries, d.Outcome, d.Detail = nil, Crash, err.Error()
	case len(entries) == 0:
		d.Outcome, d.Detail = Skip, config.why
	case slices.ContainsFunc(entries, func(e history.Entry) bool { return e.Kind == history.Check && e.Outcome != Pass && e.Outcome != Skip }):
		d.Outcome, d.Detail = Fail, "a check failed"
	}
	d.Seconds = n.Now().Sub(start).Seconds()
	e := n.entry(history.Cell, c, c.Name)
	e.Try = crashed
	e.Outcome, e.Detail, e.Values, e.Config = d.Outcome, d.Detail, []float64{d.Seconds}, config.config
	return d, append(entries, e), nil
}

// tell reports what is new in the entries of a cell.
func (n *Night) tell(ctx context.Context, entries []history.Entry) error {
	var series []string
	for _, e := range entries {
		if e.Kind != history.Code && e.Kind != history.Cell && !slices.Contains(series, e.Series) {
			series = append(series, e.Series)
		}
	}
	findings, err := n.judge(ctx, history.Past{Series: series})
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range findings {
		if !f.Still {
			n.Found(f)
		}
	}
	return nil
}

// ran is what a cell ran on, or why it did not run.
type ran struct {
	config *record.Config
	why    string
}

// measure runs the engine and turns what it found into entries.
func (n *Night) measure(ctx context.Context, c Cell, try int) ([]history.Entry, ran, error) {
	var ran ran
	runner := engine.Runner{Job: c.job(), Judge: analysis.Judge, Note: func(string) {}}
	out, err := runner.Run(ctx, c.Engine)
	if err != nil {
		return nil, ran, err
	}
	for _, s := range out.Skipped {
		ran.why = s.Reason
	}
	stub := map[string]string{}
	var code []history.Entry
	for _, s := range c.Subjects {
		hash, listing, err := prove.Code(s)
		if err != nil {
			return nil, ran, err
		}
		stub[s.Name] = hash
		e := n.entry(history.Code, c, history.CodeSeries(hash))
		e.Detail = listing
		code = append(code, e)
	}
	var entries []history.Entry
	if len(out.Records) > 0 {
		ran.config = &out.Records[0].Config
		if c.Engine.Kind == engine.Sampled {
			entries, err = n.differences(c, out, stub)
		} else {
			entries = n.counts(c, out.Records, stub)
		}
		if err != nil {
			return nil, ran, err
		}
	}
	for _, check := range out.Checks {
		if c.Engine.Kind == engine.Exact && !strings.HasPrefix(check.Name, c.Subjects[0].Name+": ") {
			continue // the floor, which is in every image
		}
		e := n.entry(history.Check, c, c.Name+": "+strings.TrimPrefix(check.Name, c.Subjects[0].Name+": "))
		e.Outcome, e.Detail = string(check.Outcome), check.Detail
		entries = append(entries, e)
	}
	for i := range entries {
		entries[i].Try = try
	}
	if len(entries) > 0 {
		entries = append(code, entries...) // by time
	}
	return entries, ran, nil
}

// counts returns the exact figures of the cell's subject. A count that is not always the
// same becomes a sample of one boot.
func (n *Night) counts(c Cell, records []record.Record, stub map[string]string) []history.Entry {
	var entries []history.Entry
	for _, r := range records {
		if r.Variant != c.Subjects[0].Name {
			continue
		}
		e := n.entry(history.Count, c, c.Name+": "+r.Op)
		if !r.Exact() {
			e.Kind = history.Sample
		}
		e.Values, e.Unit, e.Stub = []float64{r.Median}, r.Unit, stub[r.Variant]
		entries = append(entries, e)
	}
	return entries
}

// differences returns the paired differences from the base, one for each boot.
func (n *Night) differences(c Cell, out engine.Outcome, stub map[string]string) ([]history.Entry, error) {
	compared, err := analysis.NewSet(out.Asked).Compare(c.Engine.Name, out, names(c.Subjects))
	if err != nil {
		return nil, err
	}
	var entries []history.Entry
	for _, row := range compared.Rows {
		if len(row.Values) == 0 {
			continue
		}
		base := row.Values[0]
		for _, v := range row.Values[1:] {
			values := perRun(base.Records, v.Records)
			if len(values) == 0 || compared.Account.Apart[v.Variant] != "" {
				continue
			}
			name := fmt.Sprintf("%s: %s of %s", c.Name, row.Op.Op, v.Variant)
			if row.Form != "" {
				name += " in form " + row.Form
			}
			e := n.entry(history.Sample, c, name)
			e.Values, e.Unit = values, v.Records[0].Unit
			e.Stub = stub[base.Variant] + " " + stub[v.Variant]
			entries = append(entries, e)
		}
	}
	for _, control := range compared.Controls {
		e := n.entry(history.Sample, c, fmt.Sprintf("%s: %s of %s", c.Name, control.Op, control.Name))
		e.Control = true
		e.Values, e.Unit = []float64{control.Estimate.Mean - control.Truth}, record.Cycles
		entries = append(entries, e)
	}
	return entries, nil
}

// perRun returns the mean difference in each boot or process.
func perRun(base, subject []record.Record) []float64 {
	var values []float64
	for _, b := range base {
		at := slices.IndexFunc(subject, func(s record.Record) bool { return s.Run == b.Run })
		if at < 0 {
			continue
		}
		s := subject[at]
		if len(b.Samples) == 0 {
			values = append(values, s.Median-b.Median)
			continue
		}
		var paired []float64
		for i := range min(len(b.Samples), len(s.Samples)) {
			if b.Samples[i] != nil && s.Samples[i] != nil {
				paired = append(paired, *s.Samples[i]-*b.Samples[i])
			}
		}
		if len(paired) > 0 {
			values = append(values, stats.Mean(paired))
		}
	}
	return values
}

// suspect reports whether a figure looks as if it had changed.
func (n *Night) suspect(ctx context.Context, entries []history.Entry) (bool, error) {
	now := map[string]history.Entry{}
	for _, e := range entries {
		if e.Kind == history.Sample {
			now[e.Series] = e
		}
	}
	past := history.Past{Series: slices.Collect(maps.Keys(now)), Last: judge.Enough}
	for one, err := range n.Store.Histories(ctx, past) {
		if err != nil {
			return false, err
		}
		if judge.Again(append(one, now[one[0].Series])) {
			return true, nil
		}
	}
	return false, nil
}

// entry returns an entry of this night.
func (n *Night) entry(kind history.Kind, c Cell, series string) history.Entry {
	return history.Entry{
		Format: history.Format, Kind: kind, Time: n.Now().UTC(), Night: n.Name, Series: series,
		Machine: n.Machine, MachineID: n.MachineID, Build: n.Build, Cell: c.Name,
	}
}

func names(subjects []stubs.Variant) []string {
	var all []string
	for _, s := range subjects {
		all = append(all, s.Name)
	}
	return all
}

// Judge returns the night's findings: what differs from the nights before.
func (n *Night) Judge(ctx context.Context) ([]judge.Finding, error) {
	return n.judge(ctx, history.Past{Night: n.Name})
}

// judge works like Judge, but for some series.
func (n *Night) judge(ctx context.Context, past history.Past) ([]judge.Finding, error) {
	past.Last = judge.Enough
	var all []judge.Finding
	for entries, err := range n.Store.Histories(ctx, past) {
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := n.alike(e); err != nil {
				return nil, err // it came while this one measured
			}
		}
		f, ok, sure := judge.Last(entries)
		if !sure {
			for entries, err = range n.Store.Histories(ctx, history.Past{Series: []string{entries[0].Series}}) {
				if err != nil {
					return nil, err
				}
				f, ok = judge.Series(entries)
			}
		}
		if ok {
			all = append(all, f)
		}
	}
	return judge.Together(all), nil
}
