package lines

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
)

func TestResult(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		want   string
		status int
	}{
		{"pass", nil, "PASS: a: b\nSUMMARY: 1 tests, 0 unexpected failures, 0 skipped\n", wire.ExitPass},
		{"fail", errors.New("wrong"), "FAIL: a: b (wrong)\nSUMMARY: 1 tests, 1 unexpected failures, 0 skipped\n", wire.ExitFail},
		{"skip", Skip("why"), "SKIP: a: b (why)\nSUMMARY: 1 tests, 0 unexpected failures, 1 skipped\n", wire.ExitPass},
		{"error", Harness("broken"), "ERROR: a: b (broken)\nSUMMARY: 1 tests, 1 unexpected failures, 0 skipped\n", wire.ExitError},
		{"wrapped skip", fmt.Errorf("x: %w", Skip("y")), "SKIP: a: b (x: y)\nSUMMARY: 1 tests, 0 unexpected failures, 1 skipped\n", wire.ExitPass},
		{"line break", errors.New("p\nq"), "FAIL: a: b (p; q)\nSUMMARY: 1 tests, 1 unexpected failures, 0 skipped\n", wire.ExitFail},
	} {
		var b strings.Builder
		p := New(&b)
		p.Result("a: b", row.err)
		if status := p.Summary(); status != row.status || b.String() != row.want {
			t.Errorf("%s: status %d and %q, want %d and %q", row.name, status, b.String(), row.status, row.want)
		}
		// The host reads what was printed, and finds it whole.
		if r, err := wire.Parse(b.String()); err != nil || !r.Complete || len(r.Checks) != 1 {
			t.Errorf("%s: read as %+v and %v", row.name, r, err)
		}
	}
}

// TestNothing: a run without a verdict is not a good one.
func TestNothing(t *testing.T) {
	for _, row := range []struct {
		name   string
		print  func(*Printer)
		status int
	}{
		{"nothing", func(*Printer) {}, wire.ExitError},
		{"a text", func(p *Printer) { p.Info("hello") }, wire.ExitError},
		{"a proof", func(p *Printer) { p.Proof(wire.Proof{Variant: "a", Verdict: "proved"}) }, wire.ExitError},
		{"a figure", func(p *Printer) { p.Figure(wire.Measure{Op: "x"}) }, wire.ExitPass},
	} {
		var b strings.Builder
		p := New(&b)
		row.print(p)
		if status := p.Summary(); status != row.status {
			t.Errorf("%s: status %d, want %d; printed %q", row.name, status, row.status, b.String())
		}
	}
}
