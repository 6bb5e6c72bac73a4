package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lines holds one line of each kind, and its form on the wire.
var lines = []struct {
	name string
	line Line
	text string
}{
	{"pass", Check{Pass, "linux-3.19: registers: null call", ""}, "PASS: linux-3.19: registers: null call"},
	{
		"fail",
		Check{Fail, "linux-3.19: frame: SS slot", "is 0x18, want 0x2b (USER_DS)"},
		"FAIL: linux-3.19: frame: SS slot (is 0x18, want 0x2b (USER_DS))",
	},
	{"skip", Check{Skip, "a: b: c", "the CPU has no PCID"}, "SKIP: a: b: c (the CPU has no PCID)"},
	{"error", Check{Error, "init", "no thread"}, "ERROR: init (no thread)"},
	{"info", Info("linux-3.19: verify (sp=percpu)"), "INFO: linux-3.19: verify (sp=percpu)"},
	{
		"measure",
		Measure{"linux-3.19", OpNullCall, 500, 15, 45, 45.002, 60.5, 0.93},
		"MEASURE: variant=linux-3.19 op=null-call unit=ticks n=500 batches=15 min=45 median=45.002 max=60.5 agree=0.93",
	},
	{"proof", Proof{"racy", "refuted: the stack: is the user's"}, "PROOF: racy: refuted: the stack: is the user's crc=edd1bffe"},
	{
		"sampling",
		Sampling{
			Boot: 0x1f2e, Seed: 3, Samples: 2000, Counters: true, Code: "00c0ffee",
			Machine: Machine{"GenuineIntel", 0x306c3, "KVMKVMKVM", "Some CPU @ 3 GHz"},
		},
		"SAMPLING: boot=1f2e seed=3 samples=2000 counters=true code=00c0ffee vendor=GenuineIntel signature=306c3 hypervisor=KVMKVMKVM cpu=Some_CPU_@_3_GHz crc=3fd0e457",
	},
	{
		"series",
		Series{
			Label: LabelAgain, Op: OpNullCall, Counter: CounterTSC, N: 500, Samples: 100, Lost: 1,
			Quantiles: Quantiles{9000, 9001, 9001, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9002, 9100},
		},
		"SAMPLE: label=-again op=null-call counter=tsc n=500 samples=100 lost=1 q=9000,1,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,98 crc=9e97aae5",
	},
	{
		"singles",
		Singles{"linux-6.12", OpNullCall, 2000, 310, 322, 980, 4100},
		"SINGLES: label=linux-6.12 op=null-call samples=2000 median=310 p99=322 p99.9=980 most=4100 crc=cb191748",
	},
	{"sampling end", SamplingEnd{0x1f2e, 42, true, 3}, "SAMPLING: end=1f2e lines=42 steal=true stolen=3 crc=bd736180"},
	{"reading", Reading{"linux-3.19", 3, 2, 1, 0xffffffff80101430, 0x7fff0000, 0x7fff0100}, "READING: variant=linux-3.19 reader=3 state=2 nmi=1 at=ffffffff80101430 want=7fff0000 got=7fff0100 crc=4cd530a2"},
	{"event", Event{"linux-3.19", 4, 0xffffffff80101430, 8, 8}, "EVENT: variant=linux-3.19 kind=4 at=ffffffff80101430 made=8 came=8 crc=fb422356"},
	{"symbol", Symbol{0xffffffff81000010, "_text", 0xffffffff81000000}, "SYMBOL: 0xffffffff81000010 _text 0xffffffff81000000 crc=f60dbff8"},
	{"vulnerability", Vulnerability{"meltdown", "Mitigation: PTI"}, "VULNERABILITY: meltdown Mitigation: PTI crc=43819e07"},
	{"summary", Summary{12, 1, 2}, "SUMMARY: 12 tests, 1 unexpected failures, 2 skipped"},
}

// TestLines shows the format: consoles are kept and passed on, so it must not
// change.
func TestLines(t *testing.T) {
	for _, tt := range lines {
		if got := tt.line.String(); got != tt.text {
			t.Errorf("%s: printed\n%s, want\n%s", tt.name, got, tt.text)
		}
		if got, err := ParseLine(tt.text); err != nil || got != tt.line {
			t.Errorf("%s: parsed %+v and %v, want %+v", tt.name, got, err, tt.line)
		}
	}
}

// TestOneLine: no text turns one line into two.
func TestOneLine(t *testing.T) {
	for _, line := range []Line{Check{Fail, "a\nb", "c\nPASS: d"}, Info("a\nb"), Proof{"a", "b\nc"}} {
		if text := line.String(); strings.Contains(text, "\n") || !strings.Contains(text, "; ") {
			t.Errorf("%#v is printed as %q", line, text)
		}
	}
}

// Generators of what may be in a line.
var (
	anyText = rapid.StringMatching(`[ -~µ→]{1,40}`)
	anyName = rapid.StringMatching(`[!-~]{1,20}`)
	// anyPhrase is made of words, which have no underscore.
	anyPhrase = rapid.StringMatching(`([A-Za-z0-9@.()]{1,8}( [A-Za-z0-9@.()]{1,8}){0,3})?`)
	anyCount  = rapid.IntRange(0, 1<<31-1)
	anyNumber = rapid.IntRange(1, 1<<31-1)
	anyCheck  = rapid.Custom(func(t *rapid.T) Line {
		name := anyText.Filter(func(s string) bool { return !strings.Contains(s, " (") }).Draw(t, "name")
		return Check{rapid.SampledFrom([]Outcome{Pass, Fail, Skip, Error}).Draw(t, "outcome"), name, anyText.Draw(t, "detail")}
	})
	anyMeasure = rapid.Custom(func(t *rapid.T) Line {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e15), 3, 3).Draw(t, "values")
		slices.Sort(values)
		return Measure{
			Variant: anyName.Draw(t, "variant"), Op: anyName.Draw(t, "op"), N: anyNumber.Draw(t, "n"), Batches: anyNumber.Draw(t, "batches"),
			Min: values[0], Median: values[1], Max: values[2], Agree: float64(rapid.IntRange(0, 100).Draw(t, "agree")) / 100,
		}
	})
	anyMachine = rapid.Custom(func(t *rapid.T) Machine {
		return Machine{anyPhrase.Draw(t, "vendor"), rapid.Uint64().Draw(t, "signature"), anyPhrase.Draw(t, "hypervisor"), anyPhrase.Draw(t, "cpu")}
	})
	anySampling = rapid.Custom(func(t *rapid.T) Line {
		return Sampling{
			Boot: rapid.Uint64Max(1<<63-1).Draw(t, "boot"), Seed: rapid.Uint64().Draw(t, "seed"), Samples: anyCount.Draw(t, "samples"),
			Counters: rapid.Bool().Draw(t, "counters"), Code: anyName.Draw(t, "code"), Machine: anyMachine.Draw(t, "machine"),
		}
	})
	anySeries = rapid.Custom(func(t *rapid.T) Line {
		s := Series{
			Label: anyName.Draw(t, "label"), Op: anyName.Draw(t, "op"), Counter: anyName.Draw(t, "counter"),
			N: anyNumber.Draw(t, "n"), Samples: anyNumber.Draw(t, "samples"), Lost: anyCount.Draw(t, "lost"),
		}
		samples := rapid.SliceOfN(rapid.Uint64(), len(s.Quantiles), len(s.Quantiles)).Draw(t, "quantiles")
		slices.Sort(samples)
		copy(s.Quantiles[:], samples)
		return s
	})
	anySingles = rapid.Custom(func(t *rapid.T) Line {
		ticks := rapid.SliceOfN(rapid.Uint64(), 4, 4).Draw(t, "ticks")
		slices.Sort(ticks)
		return Singles{anyName.Draw(t, "label"), anyName.Draw(t, "op"), anyNumber.Draw(t, "samples"), ticks[0], ticks[1], ticks[2], ticks[3]}
	})
	anyProof  = rapid.Custom(func(t *rapid.T) Line { return Proof{anyName.Draw(t, "variant"), anyText.Draw(t, "verdict")} })
	anySymbol = rapid.Custom(func(t *rapid.T) Line {
		return Symbol{rapid.Uint64().Draw(t, "addr"), anyName.Draw(t, "name"), rapid.Uint64().Draw(t, "start")}
	})
	anyVulnerability = rapid.Custom(func(t *rapid.T) Line { return Vulnerability{anyName.Draw(t, "name"), anyText.Draw(t, "state")} })
	anyLine          = rapid.OneOf(
		anyCheck, anyMeasure, anySampling, anySeries, anySingles, anyProof, anySymbol, anyVulnerability,
		rapid.Map(anyText, func(s string) Line { return Info(s) }),
		rapid.Custom(func(t *rapid.T) Line {
			return Summary{anyCount.Draw(t, "tests"), anyCount.Draw(t, "bad"), anyCount.Draw(t, "skipped")}
		}),
		rapid.Custom(func(t *rapid.T) Line {
			return SamplingEnd{rapid.Uint64().Draw(t, "boot"), anyCount.Draw(t, "lines"), rapid.Bool().Draw(t, "steal"), anyCount.Draw(t, "stolen")}
		}),
	)
)

// TestPrintParse: a line that was printed is read back unchanged.
func TestPrintParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := anyLine.Draw(t, "line")
		if got, err := ParseLine(line.String()); err != nil || got != line {
			t.Fatalf("%q is read as %#v and %v", line, got, err)
		}
	})
}

// TestDamaged: a line with a sum is refused once a byte of it changes or its end is
// cut off.
func TestDamaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(anySampling, anySeries, anySingles, anyProof, anySymbol, anyVulnerability).Draw(t, "line").String()
		_, rest, _ := strings.Cut(text, ": ")
		first := len(text) - len(rest)
		i := rapid.IntRange(first, len(text)-1).Draw(t, "at")
		changed := []byte(text)
		changed[i] ^= byte(1 << rapid.IntRange(0, 6).Draw(t, "bit"))
		for _, damaged := range []string{string(changed), text[:i]} {
			if got, err := ParseLine(damaged); err == nil {
				t.Fatalf("%q is read as %#v", damaged, got)
			}
		}
	})
}

func TestParseLineBad(t *testing.T) {
	series := func(old, new string) string {
		_, text, _ := strings.Cut(lines[8].text, ": ")
		text, _, _ = strings.Cut(text, sumWord)
		if old != "" && !strings.Contains(text, old) {
			t.Fatalf("no %q in %q", old, text)
		}
		return summed(KindSample, strings.Replace(text, old, new, 1))
	}
	measure := func(old, new string) string { return strings.Replace(lines[5].text, old, new, 1) }
	for _, tt := range []struct{ name, text, want string }{
		{"nothing behind the colon", "PASS:", "PASS: there is no space"},
		{"no space behind the colon", "SUMMARY:1", "SUMMARY: there is no space"},
		{"two lines", "INFO: a\nb", "more than one line"},
		{"no name", "PASS: ", "no name"},
		{"detail is cut", "FAIL: a: b: c (is 0x18, wa", "FAIL: the line is cut off"},
		{"summary is cut", "SUMMARY: 12 tests, 1 unexpected failures, 2", `want as in "12 tests`},
		{"summary goes on", "SUMMARY: 12 tests, 1 unexpected failures, 2 skipped or so", `want as in "12 tests`},
		{"summary counts backwards", "SUMMARY: -1 tests, 0 unexpected failures, 0 skipped", "negative"},
		{"measure without a word", measure(" max=60.5", ""), "no max="},
		{"measure with an empty word", measure("op=null-call", "op="), `"op=": no value`},
		{"measure of another unit", measure("unit=ticks", "unit=ns"), "want ticks"},
		{"measure of no number", measure("min=45", "min=NaN"), `"min=NaN"`},
		{"measure below nothing", measure("min=45", "min=-45"), "want them in this order"},
		{"measure out of order", measure("min=45", "min=46"), "want them in this order"},
		{"measure of nothing", measure("n=500", "n=0"), "want at least 1"},
		{"measure of a large count", measure("n=500", "n=5000000000"), `"n=5000000000"`},
		{"measure agrees twice", measure("agree=0.93", "agree=1.01"), "want 0 to 1"},
		{"proof of nobody", summed(KindProof, ": refuted"), `want "variant: verdict"`},
		{"proof without a verdict", summed(KindProof, "racy"), `want "variant: verdict"`},
		{"vulnerability without a state", summed(KindVulnerability, "meltdown"), "want the name of a vulnerability"},
		{"no sum", "SAMPLE: label=a", "cut off: it has no crc="},
		{"another sum", "SAMPLE: label=a crc=f60dbff8", "damaged: its sum is"},
		{"sum is cut", lines[8].text[:len(lines[8].text)-1], "damaged: its sum is"},
		{"series of nothing", series("n=500", "n=0"), "want at least 1"},
		{"series without samples", series("samples=100", "samples=0"), "want at least 1"},
		{"a quantile more", series("q=", "q=1,"), "22 quantiles, want 21"},
		{"quantiles fall", series(",98", ",-98"), `"-98"`},
		{"quantiles overflow", series(",98", ",18446744073709551615"), "too large"},
		{"word is repeated", series("op=", "label=b op="), `unknown or repeated word "label=b"`},
		{"neither true nor false", summed(KindSampling, strings.Replace(strings.TrimPrefix(Sampling{Code: "x"}.String(), "SAMPLING: ")[:60], "false", "no", 1)), "want true or false"},
		{"boot of 64 bits", Sampling{Boot: 1 << 63, Code: "x"}.String(), "more than 63 bits"},
		{"event of no kind", summed(KindEvent, "variant=a at=1 made=1 came=1"), "no kind="},
		{"event without its sum", "EVENT: variant=a kind=1 at=1 made=1 came=1", "cut off: it has no crc="},
		{"end without lines", summed(KindSampling, "end=12"), "no lines="},
	} {
		if got, err := ParseLine(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q is read as %#v and %v, want an error with %q", tt.name, tt.text, got, err, tt.want)
		}
	}
}

// TestNotOurs: a line that is not the guest's is not an error.
func TestNotOurs(t *testing.T) {
	for _, text := range []string{"", "SeaBIOS (version 1)", "pass: a", "PASSED: a", "PASS", "  PASS: a", "[    0.1] INFO: task"} {
		if got, err := ParseLine(text); got != nil || err != nil {
			t.Errorf("%q is read as %#v and %v", text, got, err)
		}
	}
}

// TestKinds: every kind of line is in the table of TestLines, and every type.
func TestKinds(t *testing.T) {
	types, words := map[reflect.Type]bool{}, map[string]bool{}
	for _, tt := range lines {
		types[reflect.TypeOf(tt.line)] = true
		words[kindOf(tt.text)] = true
	}
	if len(types) != 13 {
		t.Errorf("lines have %d types, want 13", len(types))
	}
	for _, kind := range kinds {
		if !words[kind] {
			t.Errorf("no line begins with %s", kind)
		}
	}
}

// FuzzParseLine: no text breaks the parser, and a line that it reads prints the same text.
func FuzzParseLine(f *testing.F) {
	for _, tt := range lines {
		f.Add(tt.text)
	}
	f.Add("noise")
	f.Fuzz(func(t *testing.T, text string) {
		line, err := ParseLine(text)
		if (line == nil) != (err != nil || kindOf(text) == "") {
			t.Fatalf("%q is read as %#v and %v", text, line, err)
		}
		if line == nil {
			return
		}
		if again, err := ParseLine(line.String()); err != nil || again != line {
			t.Fatalf("%q is read as %#v, printed as %q, which is read as %#v and %v", text, line, line, again, err)
		}
	})
}

func TestProofs(t *testing.T) {
	list := []Proof{{"a", "refuted: x: y"}, {"b", "proved"}}
	data := PrintProofs(list)
	if want := "a: refuted: x: y\nb: proved\n"; string(data) != want {
		t.Errorf("printed %q, want %q", data, want)
	}
	if got, err := ParseProofs(data); err != nil || !slices.Equal(got, list) {
		t.Errorf("read %v and %v", got, err)
	}
	if _, err := ParseProofs([]byte("a: proved\nb\n")); err == nil || !strings.Contains(err.Error(), "proofs:2: ") {
		t.Errorf("error is %v, want one with proofs:2", err)
	}
}

// TestFigures: a figure of k operations, where k divides 1000, is printed as its
// exact decimal.
func TestFigures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		per := rapid.SampledFrom([]uint64{1, 2, 5, 10, 50, 100, 200, 500}).Draw(t, "per")
		ticks := rapid.Uint64Max(1<<40).Draw(t, "ticks")
		want := fmt.Sprintf("%d.%03d", ticks/per, ticks%per*1000/per)
		want = strings.TrimSuffix(strings.TrimRight(want, "0"), ".")
		x := float64(ticks) / float64(per)
		if got := printWords([]word{{"x", &x}}); got != "x="+want {
			t.Fatalf("%d/%d is printed as %s, want %s", ticks, per, got, want)
		}
	})
}

func TestMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMachine.Draw(t, "machine")
		if got, err := ParseMachine(m.String()); err != nil || got != m {
			t.Fatalf("%q is read as %#v and %v", m, got, err)
		}
		r := Results{Info: []string{"seed 7", "linux: " + m.String()}}
		if got, ok := r.Machine(); !ok || got != m {
			t.Fatalf("results have the machine %#v, %v", got, ok)
		}
	})
	if m, ok := (&Results{Info: []string{"linux: verify ()"}}).Machine(); ok {
		t.Errorf("found a machine that is not there: %#v", m)
	}
}
