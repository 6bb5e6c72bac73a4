package wire

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"testing"
)

// TestObject: an object has the kind, the words by their names with their values, and the sum
// of the line. Lines for people have none.
func TestObject(t *testing.T) {
	series := Series{Label: "a", Op: OpNullCall, Counter: CounterTSC, N: 100, Samples: 20}
	for i := range series.Quantiles {
		series.Quantiles[i] = uint64(50 + 2*i)
	}
	sum := func(l Line) string {
		text := l.String()
		return text[len(text)-8:]
	}
	sampling := Sampling{Boot: 0xabc, Seed: 7, Samples: 20, Counters: true, Code: "c0de/8", Machine: Machine{Vendor: "GenuineIntel", Signature: 0x306c3, CPU: "A CPU"}}
	end := SamplingEnd{Boot: 0xabc, Lines: 12, StealTold: true, Stolen: 3}
	singles := Singles{Label: "a", Op: OpNullCall, Samples: 9, Median: 1, P99: 2, P999: 3, Most: 4}
	proof := Proof{Variant: "a", Verdict: "proved"}
	for _, tt := range []struct {
		line Line
		want string
	}{
		{Check{Outcome: Pass, Name: "a: frame: SS slot"}, `{"kind":"PASS","name":"a: frame: SS slot"}`},
		{Check{Outcome: Fail, Name: "a: b: c", Detail: "is \"\\\"\n\xff"}, `{"kind":"FAIL","name":"a: b: c","detail":"is \"\\\"\u000a` + "\uFFFD" + `"}`},
		{Summary{Tests: 3, Bad: 1, Skipped: 2}, `{"kind":"SUMMARY","tests":3,"failures":1,"skipped":2}`},
		{sampling, `{"kind":"SAMPLING","boot":"abc","seed":7,"samples":20,"counters":true,"code":"c0de/8","vendor":"GenuineIntel","signature":"306c3","hypervisor":"","cpu":"A CPU","crc":"` + sum(sampling) + `"}`},
		{series, `{"kind":"SAMPLE","label":"a","op":"null-call","counter":"tsc","n":100,"samples":20,"lost":0,"q":[50,52,54,56,58,60,62,64,66,68,70,72,74,76,78,80,82,84,86,88,90],"crc":"` + sum(series) + `"}`},
		{singles, `{"kind":"SINGLES","label":"a","op":"null-call","samples":9,"median":1,"p99":2,"p99.9":3,"most":4,"crc":"` + sum(singles) + `"}`},
		{end, `{"kind":"SAMPLING","end":"abc","lines":12,"steal":true,"stolen":3,"crc":"` + sum(end) + `"}`},
		{proof, `{"kind":"PROOF","variant":"a","verdict":"proved","crc":"` + sum(proof) + `"}`},
		{Info("seed 7"), ""},
		{Symbol{}, ""},
	} {
		got := Object(tt.line)
		if got != tt.want {
			t.Errorf("%v is\n%s, want\n%s", tt.line, got, tt.want)
		}
		if got != "" && !json.Valid([]byte(got)) {
			t.Errorf("%s is not JSON", got)
		}
	}
	words := printWords(end.words())
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(words))); sum(end) != want {
		t.Errorf("the sum is %s, want %s", sum(end), want)
	}
}
