package wire

import (
	"slices"
	"strings"
	"testing"
)

const good = `noise from init
INFO: seed 7
PASS: linux-3.19: registers: null call
FAIL: linux-3.19: frame: SS slot (is 0x18, want 0x2b (USER_DS))
SKIP: bare: frame: all (the floor has no frame)
MEASURE: variant=linux-3.19 op=null-call unit=ticks n=100 batches=5 min=45 median=45 max=47 agree=0.8
SUMMARY: 3 tests, 1 unexpected failures, 1 skipped
`

func TestParse(t *testing.T) {
	r, err := Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete || len(r.Checks) != 3 || r.Count("linux-3.19", Fail) != 1 || r.Count("", Skip) != 1 {
		t.Errorf("got %+v", r)
	}
	if c := r.Checks[1]; c.Name != "linux-3.19: frame: SS slot" || c.Detail != "is 0x18, want 0x2b (USER_DS)" || c.Variant() != "linux-3.19" {
		t.Errorf("check is %+v", c)
	}
	if m, ok := r.Find("linux-3.19", "null-call"); !ok || m.Median != 45 || !m.Exact() {
		t.Errorf("measure is %+v", m)
	}
	if _, ok := r.Find("linux-3.19", "nothing"); ok {
		t.Error("found a measurement that is not there")
	}
}

func TestParseBad(t *testing.T) {
	for _, tt := range []struct{ name, from, to, want string }{
		{"summary counts a lost line", "PASS: linux-3.19: registers: null call\n", "", "the guest counts 3 tests"},
		{"summary hides a failure", "1 unexpected", "0 unexpected", "its lines are 3, 1, 1"},
		{"summary is cut", "unexpected failures", "unexp", "console:7: "},
		{"word is missing", " max=47", "", "no max="},
		{"word is unknown", "max=47", "maxi=47", `"maxi=47"`},
		{"word is repeated", "max=47", "min=47", `"min=47"`},
		{"value is no number", "n=100", "n=many", `"n=many"`},
		{"result after the summary", "1 skipped\n", "1 skipped\nPASS: linux-3.19: registers: late\n", "console:8: a result after the summary"},
		{"damaged line of samples", "SUMMARY", "SAMPLE: label=a\nSUMMARY", "console:7: the line is cut off"},
		{"unit is another", "unit=ticks", "unit=ns", `"unit=ns": want ticks`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(strings.Replace(good, tt.from, tt.to, 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
	if r, err := Parse("PASS: a: b: c\n"); err != nil || r.Complete {
		t.Errorf("lines without a summary: complete %v, error %v", r.Complete, err)
	}
}

// TestOperations: every operation has its names, and they differ.
func TestOperations(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range slices.Concat(Operations, Flushed) {
		for _, name := range []string{"op " + o.Op, "title " + o.Title, "short " + o.Short, "bench " + o.Bench} {
			if seen[name] || strings.HasSuffix(name, " ") {
				t.Errorf("%+v: %s is empty, or another's", o, name)
			}
			seen[name] = true
		}
		if strings.ContainsAny(o.Op+o.Bench, " /") {
			t.Errorf("%s, %s: an operation's name has no space, and a slash marks a part", o.Op, o.Bench)
		}
	}
}

func TestExact(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    Measure
		want bool
	}{
		{"all agree", Measure{Median: 45, Agree: 1}, true},
		{"a fraction", Measure{Median: 45.5, Agree: 1}, false},
		{"few agree", Measure{Median: 45, Agree: 0.3}, false},
	} {
		if got := tt.m.Exact(); got != tt.want {
			t.Errorf("%s: Exact is %v", tt.name, got)
		}
	}
}

// FuzzParse: no console breaks the parser, and a complete one has as many checks
// as its summary says.
func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Fuzz(func(t *testing.T, console string) {
		r, err := Parse(console)
		if (r == nil) != (err != nil) {
			t.Fatalf("results %+v and error %v", r, err)
		}
		if err == nil && r.Complete && !strings.Contains(console, Summary{
			len(r.Checks), r.Count("", Fail) + r.Count("", Error), r.Count("", Skip),
		}.String()) {
			t.Fatalf("complete with %d checks", len(r.Checks))
		}
	})
}
