package study

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// engineStatic is the engine that runs nothing.
const engineStatic = "static"

// countUnits are the units of package count's metrics, by the names that these
// have in Go's benchmark format.
var countUnits = map[string]string{
	"insns": record.Instructions, "code-bytes": record.Bytes, "loads": record.Loads, "stores": record.Stores,
	"gs-accesses": record.Accesses, "rsp-forwards": record.Forwards, "lines": record.Lines, "lines-beyond": record.Lines,
}

// Static returns the engine that counts what is in the variants' code.
func Static(step func(string)) Engine {
	return Engine{Name: engineStatic, Prepare: func(_ context.Context, list []stubs.Named) ([]Step, error) {
		c, err := staticConfig(list)
		if err != nil {
			return nil, err
		}
		return []Step{{
			Title: fmt.Sprintf("counts of %d variants", len(list)),
			Done:  func(have []record.Record) bool { return complete(list, have, c, "", 0, countOps()) },
			Run: func(_ context.Context, emit func(...record.Record) error) error {
				if step != nil {
					step("walking through the code")
				}
				variants, err := count.Variants(list)
				if err != nil {
					return err
				}
				return emit(countRecords(variants, axesOf(list), c, time.Now())...)
			},
		}}, nil
	}}
}

// staticConfig is what the counts are of: the machine code, on no machine.
func staticConfig(list []stubs.Named) (record.Config, error) {
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		return record.Config{}, err
	}
	c := HostConfig()
	sum := sha256.Sum256(image.ELF)
	c.Code, c.Engine, c.Machine, c.CPU = fmt.Sprintf("%x", sum[:8]), engineStatic, "none", "any"
	return c, nil
}

// countOp is the name of a count of a phase: those of a whole call are the
// operations of the engine, all others are parts.
func countOp(phase count.Phase, m count.Metric) string {
	if phase.Name == "call" {
		return m.Unit
	}
	return m.Unit + "/" + phase.Name
}

// countOps are the operations that are no parts, in the order of tables.
func countOps() []string {
	var ops []string
	for _, p := range count.Phases {
		for _, m := range count.Metrics {
			if op := countOp(p, m); !record.IsPart(op) {
				ops = append(ops, op)
			}
		}
	}
	return ops
}

// countRecords are the records of counts: the whole call's last, so that an
// interrupted step is not taken for a complete one.
func countRecords(variants []count.Variant, axes map[string]string, c record.Config, now time.Time) []record.Record {
	var parts, whole []record.Record
	for _, v := range variants {
		for i, p := range count.Phases {
			for _, m := range count.Metrics {
				n, op := float64(m.Of(v.Counts[i])), countOp(p, m)
				r := record.New(c, wire.Measure{
					Variant: v.Name, Op: op, N: 1, Batches: 1, Min: n, Median: n, Max: n, Agree: 1,
				}, axes[v.Name], countUnits[m.Unit], 0, now)
				if record.IsPart(op) {
					parts = append(parts, r)
				} else {
					whole = append(whole, r)
				}
			}
		}
	}
	return append(parts, whole...)
}
