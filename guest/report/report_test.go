package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestResult(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		want   string
		status int
	}{
		{"pass", nil, "PASS: a: b\nSUMMARY: 1 tests, 0 unexpected failures, 0 skipped\n", ExitPass},
		{"fail", errors.New("wrong"), "FAIL: a: b (wrong)\nSUMMARY: 1 tests, 1 unexpected failures, 0 skipped\n", ExitFail},
		{"skip", Skip("why"), "SKIP: a: b (why)\nSUMMARY: 1 tests, 0 unexpected failures, 1 skipped\n", ExitPass},
		{"error", Harness("broken"), "ERROR: a: b (broken)\nSUMMARY: 1 tests, 1 unexpected failures, 0 skipped\n", ExitError},
		{"wrapped skip", fmt.Errorf("x: %w", Skip("y")), "SKIP: a: b (x: y)\nSUMMARY: 1 tests, 0 unexpected failures, 1 skipped\n", ExitPass},
		{"line break", errors.New("p\nq"), "FAIL: a: b (p; q)\nSUMMARY: 1 tests, 1 unexpected failures, 0 skipped\n", ExitFail},
	} {
		var b strings.Builder
		r := New(&b)
		r.Result("a: b", row.err)
		if status := r.Summary(); status != row.status || b.String() != row.want {
			t.Errorf("%s: status %d and %q, want %d and %q", row.name, status, b.String(), row.status, row.want)
		}
	}
}

// TestNothing: a run without a verdict is not a good one.
func TestNothing(t *testing.T) {
	var b strings.Builder
	if status := New(&b).Summary(); status != ExitError {
		t.Errorf("status %d of a report without a result, want %d", status, ExitError)
	}
	r := New(&b)
	r.Measure("op=%s", "x")
	if status := r.Summary(); status != ExitPass {
		t.Errorf("status %d of a report with one measurement, want %d", status, ExitPass)
	}
	if want := "MEASURE: op=x\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%q lacks %q", b.String(), want)
	}
}
