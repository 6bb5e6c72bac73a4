package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Running compares kernels that each ran on the machine itself, in boots of their own. It
// is the one comparison that does not alternate within a boot, so a boot is worth one
// figure, and the difference between boots of one kernel is the noise floor.
type Running struct {
	Engine engine.Engine
	// Kernels are their names, without the words that all were booted with; the first is
	// the base.
	Kernels []string
	// Order has the kernel's index for each boot, in the order of time.
	Order []int
	// Processes is how many processes sampled in all.
	Processes int
	Booted    *Booted
	Rows      []RunningRow
}

// RunningRow is one operation.
type RunningRow struct {
	engine.Op
	// Boots are the figures of each kernel's boots, in cycles: the means over their
	// processes.
	Boots [][]float64
	// Noisy says why the differences cannot be trusted; empty: they can.
	Noisy string
}

// Mean returns a kernel's figure.
func (r RunningRow) Mean(kernel int) float64 { return stats.Mean(r.Boots[kernel]) }

// Difference returns what a kernel costs more than the base.
func (r RunningRow) Difference(kernel int) float64 { return r.Mean(kernel) - r.Mean(0) }

// Floor returns the noise floor of that difference: what boots of one kernel against boots
// of the same may read, and no less than the resolution of the controls.
func (r RunningRow) Floor(kernel int) float64 {
	return max(stats.Floor(r.Boots[0], r.Boots[kernel]), stats.Resolution)
}

// Above reports whether the difference is above the noise floor. Only then is it a figure.
func (r RunningRow) Above(kernel int) bool {
	return r.Noisy == "" && math.Abs(r.Difference(kernel)) > r.Floor(kernel)
}

// Again returns how far apart two boots of one kernel are at most, over all kernels.
func (r RunningRow) Again() float64 {
	most := 0.0
	for _, boots := range r.Boots {
		most = max(most, slices.Max(boots)-slices.Min(boots))
	}
	return most
}

// minMachineBoots is how many boots a kernel needs, so that there is one to hold another
// against.
const minMachineBoots = 2

// NewRunning puts records of boots of several kernels together. The kernel of the first
// record is the base.
func NewRunning(records []record.Record) (*Running, error) {
	for i := range records {
		if engine.Of(records[i].Engine).Running == nil {
			return nil, fmt.Errorf("engine %s: these figures are not of a kernel that ran on the machine itself", records[i].Engine)
		}
	}
	r := &Running{}
	type boot struct {
		number, kernel int
		at             int64 // when it was first sampled
		processes      []*cycles.Boot
	}
	var names []string
	var boots []*boot
	all := engine.Boots(records)
	times := map[int]int64{}
	for i := range records {
		if at, ok := times[records[i].Run]; !ok || records[i].Time.UnixNano() < at {
			times[records[i].Run] = records[i].Time.UnixNano()
		}
	}
	for i := range all {
		b := &all[i]
		of := b.Variants()
		if len(of) != 1 {
			return nil, fmt.Errorf("%s has figures of %d kernels, want 1", b.Source, len(of))
		}
		name := of[0]
		kernel := slices.Index(names, name)
		if kernel < 0 {
			kernel = len(names)
			names = append(names, name)
		}
		number := engine.MachineBoot(int(b.ID))
		at := slices.IndexFunc(boots, func(o *boot) bool { return o.number == number && o.kernel == kernel })
		if at < 0 {
			at = len(boots)
			boots = append(boots, &boot{number: number, kernel: kernel, at: times[int(b.ID)]})
		}
		boots[at].processes = append(boots[at].processes, b)
		boots[at].at = min(boots[at].at, times[int(b.ID)])
	}
	slices.SortFunc(boots, func(a, b *boot) int { return int(min(max(a.at-b.at, -1), 1)) })
	for _, b := range boots {
		r.Order = append(r.Order, b.kernel)
	}
	r.Kernels, r.Processes = short(names), len(all)
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := r.control(all); err != nil {
		return nil, err
	}
	r.Engine = engine.Of(r.Booted.Config.Engine)
	for _, op := range r.Engine.Ops {
		row := RunningRow{Op: op, Boots: make([][]float64, len(names))}
		for _, b := range boots {
			var values []float64
			for _, p := range b.processes {
				if f, ok := p.Find(names[b.kernel], op.Op); ok {
					values = append(values, f.Low)
				}
			}
			if len(values) > 0 {
				row.Boots[b.kernel] = append(row.Boots[b.kernel], stats.Mean(values))
			}
		}
		if slices.ContainsFunc(row.Boots, func(b []float64) bool { return len(b) < minMachineBoots }) {
			continue // no program can make it, or it was not sampled in enough boots
		}
		for _, c := range r.Booted.Controls {
			if c.Name == engine.Again && c.Op == op.Op {
				row.Noisy = c.noisy(row.Mean(0))
			}
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

// ShortKernel returns a running kernel's name without the words that it was booted with.
func ShortKernel(name string) string { return short([]string{name})[0] }

// short leaves out of names the words that all have, but for the release and the build.
func short(names []string) []string {
	const always = 2
	lists := make([][]string, len(names))
	for i, name := range names {
		lists[i] = engine.KernelWords(name)
	}
	out := make([]string, len(names))
	for i, words := range lists {
		kept := slices.Clone(words[:min(always, len(words))])
		for _, w := range words[len(kept):] {
			if slices.ContainsFunc(lists, func(other []string) bool { return !slices.Contains(other, w) }) {
				kept = append(kept, w)
			}
		}
		out[i] = strings.Join(kept, ", ")
	}
	return out
}

// sequence returns the order of boots, by a letter for each kernel.
func (r *Running) sequence() string {
	var letters []string
	for _, k := range r.Order {
		letters = append(letters, Letter(k))
	}
	return strings.Join(letters, " ")
}

// Letter stands for a kernel in the order of boots.
func Letter(kernel int) string {
	if kernel < 26 {
		return string(rune('A' + kernel))
	}
	return fmt.Sprint(kernel)
}

// check refuses boots that cannot tell kernels from the time at which they ran.
func (r *Running) check() error {
	if len(r.Kernels) < 2 {
		return errors.New("all boots are of one kernel: boot the machine with another, and sample it with the same command")
	}
	for k, name := range r.Kernels {
		var at, base []int // which boots are of the kernel, and which of the base
		for i, of := range r.Order {
			if of == k {
				at = append(at, i)
			}
			if of == 0 {
				base = append(base, i)
			}
		}
		switch {
		case len(at) < minMachineBoots:
			return fmt.Errorf("%d boot of %s: want at least %d, as the noise floor is what boots of one kernel differ by; the order A B B A is the shortest", len(at), name, minMachineBoots)
		case k > 0 && (at[0] > base[len(base)-1] || at[len(at)-1] < base[0]):
			return fmt.Errorf("the boots came in the order %s: a machine that becomes faster or slower meanwhile looks the same as a difference between kernels; boot them in turn, as A B B A", r.sequence())
		}
	}
	return nil
}

// control checks the machine and the controls over all processes.
func (r *Running) control(all []cycles.Boot) error {
	same := make([]cycles.Boot, len(all))
	for i, b := range all {
		if err := alike(&all[0], &all[i]); err != nil {
			return err
		}
		b.Figures = slices.Clone(b.Figures)
		b.Rename(b.Variants()[0], wire.Linux)
		same[i] = b
	}
	r.Booted = &Booted{Config: all[0].Config, Boots: len(r.Order), Counted: counted(&all[0])}
	r.Booted.calibrate(same)
	NewSet(nil).control(r.Booted, same)
	return r.Booted.err()
}

// alike refuses boots of different machines.
func alike(a, b *cycles.Boot) error {
	if x, y := engine.MachineID(a.Config), engine.MachineID(b.Config); x != y {
		return fmt.Errorf("the boots are of different machines: %s and %s", x, y)
	}
	if counted(a) != counted(b) {
		return errors.New("the boots do not have the same counters")
	}
	return nil
}

// Headline says in a line what a kernel's null call costs against the base's.
func (r *Running) Headline(kernel int) string {
	i := slices.IndexFunc(r.Rows, func(row RunningRow) bool { return row.Op.Op == nullCall })
	name := fmt.Sprintf("%s against %s, null call: ", r.Kernels[kernel], r.Kernels[0])
	if i < 0 {
		return name + "not sampled"
	}
	row := r.Rows[i]
	d := row.Difference(kernel)
	switch {
	case row.Noisy != "":
		return name + "too noisy: " + row.Noisy
	case !row.Above(kernel):
		return fmt.Sprintf("%sno difference above the noise floor of %.1f cycles", name, row.Floor(kernel))
	case d < 0:
		return fmt.Sprintf("%s%.1f cycles cheaper (noise floor %.1f)", name, -d, row.Floor(kernel))
	}
	return fmt.Sprintf("%s%.1f cycles dearer (noise floor %.1f)", name, d, row.Floor(kernel))
}

// Sequence says in which order the kernels were booted.
func (r *Running) Sequence() string {
	return fmt.Sprintf("%d boots in the order %s, %d processes", len(r.Order), r.sequence(), r.Processes)
}
