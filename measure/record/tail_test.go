package record

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTailOf: of planted samples the tail is what was planted; of few there is none.
func TestTailOf(t *testing.T) {
	planted := func(n int, slow map[int]float64) []float64 {
		list := make([]float64, n)
		for i := range list {
			list[i] = 100
			for every, more := range slow {
				if i%every == every-1 {
					list[i] = math.Max(list[i], 100+more)
				}
			}
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		single []float64
		want   *Tail
	}{
		{"no tail", planted(5000, nil), &Tail{0, 0, 0, 5000}},
		{"one in 50", planted(5000, map[int]float64{50: 40}), &Tail{40, 40, 40, 5000}},
		{"one in 500", planted(5000, map[int]float64{500: 40}), &Tail{0, 40, 40, 5000}},
		{"one", planted(5000, map[int]float64{5000: 9000}), &Tail{0, 0, 9000, 5000}},
		{"all three", planted(5000, map[int]float64{50: 10, 500: 100, 5000: 1000}), &Tail{10, 100, 1000, 5000}},
		{"too few", planted(999, nil), nil},
	} {
		if diff := cmp.Diff(tt.want, TailOf(tt.single)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestTailCheck: a tail that cannot be is refused with the record's line.
func TestTailCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		tail string
		ok   bool
	}{
		{"right", `{"p99":1,"p99.9":2,"most":3,"n":1000}`, true},
		{"out of order", `{"p99":3,"p99.9":2,"most":3,"n":1000}`, false},
		{"below the median", `{"p99":-1,"p99.9":2,"most":3,"n":1000}`, false},
		{"of none", `{"p99":1,"p99.9":2,"most":3,"n":0}`, false},
	} {
		line := `{"format":"entrylab/1","time":"2026-01-02T03:04:05Z","build":"x","code":"x","engine":"replay","machine":"host","cpu":"x","host":"x",` +
			`"variant":"linux-3.19","op":"null-call","unit":"cycles","n":1,"batches":1,"min":42,"median":42,"max":42,"agree":0,"run":0,"tail":` + tt.tail + `}`
		if _, err := ParseLine([]byte(line)); (err == nil) != tt.ok {
			t.Errorf("%s: error is %v", tt.name, err)
		}
	}
}
