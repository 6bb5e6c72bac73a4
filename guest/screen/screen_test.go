package screen

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
)

// sampling returns a boot's lines: null calls of two variants, of which b takes more, and
// of the first a second time.
func sampling(boot int, more, again uint64) (list []wire.Line) {
	series := func(label, op string, n int, ticks uint64) {
		s := wire.Series{Label: label, Op: op, Counter: wire.CounterTSC, N: n, Samples: 9}
		for i := range s.Quantiles {
			s.Quantiles[i] = ticks
		}
		list = append(list, s)
	}
	list = append(list, wire.Sampling{Boot: uint64(boot), Code: "c", Machine: wire.Machine{CPU: "A CPU"}})
	series("a", wire.OpNullCall, 10, 1500)
	series("b", wire.OpNullCall, 10, 1500+more)
	series(wire.LabelAgain, wire.OpNullCall, 10, 1500+again)
	series(wire.LabelLoop, wire.OpNullCall, 10, 500)
	series(wire.LabelCalibration, wire.OpChain, 500, 500*wire.ChainLength/2) // two cycles a tick
	list = append(list, wire.Singles{Label: "a", Op: wire.OpNullCall, Samples: 9})
	return append(list, wire.SamplingEnd{Boot: uint64(boot), Lines: 6})
}

// shown returns what the last boot of a series shows. change may damage the text of the
// earlier ones.
func shown(boots int, more func(boot int) uint64, again uint64, change func(string) string, own ...wire.Line) string {
	var earlier strings.Builder
	for i := 1; i < boots; i++ {
		for _, line := range sampling(i, more(i), again) {
			fmt.Fprintln(&earlier, line)
		}
	}
	text := earlier.String()
	if change != nil {
		text = change(text)
	}
	var b strings.Builder
	s := New(&b, layout.BootSeries[layout.Word]{Boot: layout.Word(boots), Boots: layout.Word(boots)}, []byte(text))
	s.Plan(4)
	s.Step()
	for _, line := range append(sampling(boots, more(boots), again), own...) {
		s.Line(line)
	}
	s.Answer()
	return b.String()
}

// TestAnswer: the table is of all boots of a series, and a difference is printed only where
// all of eight boots show it.
func TestAnswer(t *testing.T) {
	constant := func(int) uint64 { return 40 }
	for _, tt := range []struct {
		name  string
		boots int
		more  func(boot int) uint64
		again uint64
		edit  func(string) string
		want  []string
	}{
		{"eight boots", 8, func(boot int) uint64 { return uint64(35 + boot) }, 0, nil, []string{"8 boots of A CPU", " a                        200.0", " b                        207.9  +7.9 (+7.2 to +8.6)"}},
		{"one that is like the base", 8, func(boot int) uint64 { return uint64(40 * (boot % 2)) }, 0, nil, []string{" b                        204.0  no difference seen (+-8.0)"}},
		{"five boots", 5, constant, 0, nil, []string{"5 boots", "+8.0 (too few boots)"}},
		{"one boot", 1, constant, 0, nil, []string{"entrylab: done, without checks", "1 boot of", "+8.0 (one boot)"}},
		{"the base differs from itself", 8, constant, 5, nil, []string{"NOT TO BE TRUSTED: a differs from itself, null call: +1.0 to +1.0"}},
		{"a damaged line", 8, constant, 0, func(s string) string { return strings.Replace(s, "n=10", "n=11", 1) }, []string{"7 boots"}},
		{"other code", 8, constant, 0, func(s string) string {
			var b strings.Builder
			for _, line := range sampling(9, 40, 0) {
				if first, ok := line.(wire.Sampling); ok {
					first.Code = "other"
					line = first
				}
				fmt.Fprintln(&b, line)
			}
			return b.String()
		}, []string{"1 boot of"}},
		{"boots of a series before this one", 2, constant, 0, func(s string) string { return s + s + s }, []string{"2 boots"}},
	} {
		got := shown(tt.boots, tt.more, tt.again, tt.edit)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the screen shows\n%s\nwant %q in it", tt.name, got, want)
			}
		}
		if has := strings.Contains(got, "NOT TO BE TRUSTED"); has != (tt.again > 0) {
			t.Errorf("%s: the screen shows\n%s", tt.name, got)
		}
	}
}

// TestVerdict: what failed is named, and figures of an emulator mean nothing.
func TestVerdict(t *testing.T) {
	got := shown(1, func(int) uint64 { return 0 }, 0, nil, wire.Check{Outcome: wire.Fail, Name: "a: b", Detail: "why"}, wire.Summary{Tests: 3, Bad: 1})
	if want := "entrylab: FAIL: 1 of 3 checks\nFAIL: a: b (why)\n"; !strings.Contains(got, want) {
		t.Errorf("the screen shows\n%s\nwant %q in it", got, want)
	}
	if want := "\rentrylab: boot 1 of 1, 0 %\rentrylab: boot 1 of 1, 25 %\r"; !strings.HasPrefix(got, want) {
		t.Errorf("the screen shows\n%q\nwant %q first", got, want)
	}
	var b strings.Builder
	s := New(&b, layout.BootSeries[layout.Word]{Boot: 1, Boots: 1}, nil)
	s.Line(wire.Sampling{Boot: 1, Machine: wire.Machine{Hypervisor: "TCGTCGTCGTCG"}})
	s.Line(wire.SamplingEnd{Boot: 1})
	s.Line(wire.Summary{Tests: 3, Skipped: 1})
	s.Answer()
	if want := "An emulator's clock: these cycles mean nothing.\n"; !strings.Contains(b.String(), want) || !strings.Contains(b.String(), "PASS: 2 checks, 1 skipped\n") {
		t.Errorf("the screen shows\n%s\nwant %q in it", b.String(), want)
	}
}

// TestRoom: whatever there is to say fits on the screen.
func TestRoom(t *testing.T) {
	var b strings.Builder
	s := New(&b, layout.BootSeries[layout.Word]{Boot: 1, Boots: 1}, nil)
	for _, op := range wire.Operations {
		for _, v := range []string{"linux-3.19", strings.Repeat("long", 30), "\u00e4", "d"} {
			s.Line(wire.Measure{Op: op.Op, Variant: v, Median: 1234567.8})
		}
	}
	for range 30 {
		s.Line(wire.Check{Outcome: wire.Error, Name: strings.Repeat("x", 100)})
	}
	s.Line(wire.Summary{Tests: 30, Bad: 30})
	s.Answer()
	_, text, _ := strings.Cut(b.String()[1:], "\r")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	head := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "operation") })
	shown, more := len(lines)-head-2, 0
	if _, err := fmt.Sscanf(lines[len(lines)-1], "... and %d more rows", &more); err != nil || len(lines) != rows-1 || (shown+more)%4 != 0 {
		t.Errorf("%d lines, the last of which tells what is left out of the table: %v\n%s", len(lines), err, text)
	}
	for _, line := range lines {
		if len(line) > columns || strings.Trim(line, allCharacters) != "" {
			t.Errorf("%q does not fit the screen", line)
		}
	}
}

// allCharacters are those that the screen has.
const allCharacters = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// TestInterval: the k-th values from both ends, by the tables of the sign test.
func TestInterval(t *testing.T) {
	for n, k := range map[int]int{5: 0, 6: 1, 8: 1, 9: 2, 12: 3, 20: 6, 50: 18} {
		var values []float64
		for i := range n {
			values = append(values, float64(n-i))
		}
		low, high, ok := interval(values)
		if ok != (k > 0) || ok && (low != float64(k) || high != float64(n+1-k)) {
			t.Errorf("of %d values: %v to %v, %v; want those %d from the ends", n, low, high, ok, k)
		}
	}
}

// TestCodes: the samples of a boot that are in no file are in QR codes.
func TestCodes(t *testing.T) {
	for _, kept := range []layout.Word{0, 1} {
		s := New(io.Discard, layout.BootSeries[layout.Word]{Kept: kept, Boot: 1, Boots: 1}, nil)
		for _, line := range sampling(1, 40, 0) {
			s.Line(line)
		}
		codes, err := s.Codes()
		if err != nil || len(codes) != 1-int(kept) {
			t.Fatalf("kept %d: %d codes, %v", kept, len(codes), err)
		}
		for _, c := range codes {
			if c.Size*c.Size != len(c.Modules) || c.Size > layout.ScreenBitsMost || !bytes.Equal(c.Modules[:8], []byte{1, 1, 1, 1, 1, 1, 1, 0}) {
				t.Errorf("a code of %d times %d begins with %v", c.Size, c.Size, c.Modules[:8])
			}
		}
	}
}
