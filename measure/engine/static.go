package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs/count"
)

// static is the engine that runs nothing.
const static = "static"

func init() {
	Register(Engine{
		Name: static, Kind: Exact, Rank: 30, opsOf: sync.OnceValue(countOps),
		Call:     count.Metrics()[0].Bench,
		About:    "counted in the machine code, nothing is run",
		Emulated: true,
		Notes: func(a *Account) []string {
			if a == nil {
				return count.Notes(nil)
			}
			return a.Notes
		},
		Plan: planCounts,
	})
}

// planCounts returns the step that counts the variants' code.
func planCounts(_ context.Context, j Job) ([]Step, error) {
	im, err := image.Build(image.Config{Variants: j.Subjects})
	if err != nil {
		return nil, err
	}
	c := HostConfig()
	c.Code, c.Engine, c.Machine, c.CPU = im.Hash(), static, "none", "any"
	var whole []record.Operation
	for _, o := range countOps() {
		if !record.IsPart(o.Op) {
			whole = append(whole, o.Operation)
		}
	}
	counted, err := count.Object(im.Object, j.Subjects)
	if err != nil {
		return nil, err
	}
	return []Step{{
		Title:   fmt.Sprintf("counts of %d variants", len(j.Subjects)),
		Config:  c,
		Account: Account{Notes: count.Notes(counted)},
		Done:    func(have []record.Record) bool { return complete(j.Subjects, have, c, "", 0, whole) },
		Run: func(_ context.Context, out Out) error {
			return out.Records(countRecords(counted, j.axes(), c, time.Now())...)
		},
	}}, nil
}

// countOp returns the name of a count of a phase: the counts of a whole call are the
// operations of the engine, all others are parts.
func countOp(phase count.Phase, m count.Metric) string {
	if phase.Name == "call" {
		return m.Bench
	}
	return m.Bench + "/" + phase.Name
}

// countOps returns the operations of the engine: each metric of each phase, and the figures.
func countOps() []Op {
	var ops []Op
	for _, p := range count.Phases {
		for _, m := range count.Metrics() {
			op := countOp(p, m)
			ops = append(ops, Op{
				Operation: record.Operation{Op: op, Title: m.Title, Short: op, Bench: p.Bench},
				Unit:      m.Bench, Group: p.Title,
			})
		}
	}
	for _, f := range count.Figures {
		ops = append(ops, Op{
			Operation: record.Operation{Op: f.Bench, Title: f.Title, Short: f.Bench, Bench: "Switch"},
			Unit:      strings.ReplaceAll(f.Bench, "/", "-"), Group: count.FigureGroup,
		})
	}
	return ops
}

// countRecords returns the records of counts. Those of the whole call come last, so that
// an interrupted step is not taken for a complete one.
func countRecords(variants []count.Variant, axes map[string]string, c record.Config, now time.Time) []record.Record {
	var parts, whole []record.Record
	for _, v := range variants {
		add := func(op, unit string, n int) {
			r := record.New(c, counted(v.Name, op, n), axes[v.Name], unit, 0, now)
			if record.IsPart(op) {
				parts = append(parts, r)
			} else {
				whole = append(whole, r)
			}
		}
		for i, p := range count.Phases {
			for _, m := range count.Metrics() {
				add(countOp(p, m), m.Unit, m.Of(v.Counts[i]))
			}
		}
		for _, f := range count.Figures {
			add(f.Bench, record.Lines, f.Of(v))
		}
	}
	return append(parts, whole...)
}
