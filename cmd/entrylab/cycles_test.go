package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	stdhtml "html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/stubs"
)

// consoles returns what boots of a machine print: variant b takes two cycles more than a,
// of a core that makes one cycle a tick. again is what the base takes more the second time.
func consoles(boots int, hypervisor string, again int) string {
	var b strings.Builder
	line := func(l any) { fmt.Fprintf(&b, "%v\r\n", l) }
	machine := wire.Machine{Vendor: "GenuineIntel", Signature: 0x306c3, Hypervisor: hypervisor, CPU: "Some CPU"}
	for i := range boots {
		id := uint64(i + 1)
		line("entrylab: booting")
		line(wire.Sampling{Boot: id, Seed: 1, Samples: 9, Code: "c0de", Machine: machine})
		series := []struct {
			label, op string
			cycles    int
		}{
			{"a", wire.OpNullCall, 102 + i%2},
			{"b", wire.OpNullCall, 104 + i%2},
			{wire.LabelAgain, wire.OpNullCall, 102 + i%2 + again},
			{wire.LabelLoop, wire.OpNullCall, 2},
			{wire.Floor, wire.OpNullCall, 52},
			{wire.LabelCalibration, wire.OpChain, 64},
			{wire.LabelCalibration, wire.OpDoseNone, 200},
			{wire.LabelCalibration, wire.OpDoseOne, 201},
			{wire.LabelCalibration, wire.OpClock, 30},
			{wire.LabelCalibration, wire.OpStep, 1},
		}
		for _, s := range series {
			l := wire.Series{Label: s.label, Op: s.op, Counter: wire.CounterTSC, N: 500, Samples: 9}
			for q := range l.Quantiles {
				l.Quantiles[q] = uint64(500 * s.cycles)
			}
			line(l)
		}
		line(wire.SamplingEnd{Boot: id, Lines: len(series)})
		line(wire.Summary{})
	}
	return b.String()
}

func TestCompareFrom(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", consoles(10, "-", 0))
	damaged := file("damaged", strings.Replace(consoles(10, "-", 0), "label=b", "label=c", 1))
	for _, row := range []struct {
		name, args     string
		status         int
		stdout, stderr string
	}{
		{"all of it", "-from " + good, 0, "b against a, null call: +2.00 ±0.00 cycles", ""},
		{"on what", "-from " + good, 0, "engine metal, on Some CPU, GenuineIntel, signature 306c3, 10 boots", ""},
		{"turned round", "-from " + good + " b a", 0, "a against b, null call: -2.00 ±0.00 cycles", ""},
		{"floor", "-from " + good, 0, "answers at once: 50.0 cycles", ""},
		{"emulated", "-from " + file("tcg", consoles(10, "TCGTCGTCGTCG", 5)), 0, "MEANINGLESS as cycles", ""},
		{"kept nothing of an emulator", "-o " + filepath.Join(dir, "tcg.jsonl") + " -from " + file("tcg", consoles(10, "TCGTCGTCGTCG", 0)), 2, "", "nothing is kept: an emulator's clock"},
		{"a damaged boot", "-from " + damaged, 0, "9 boots", "a boot is left out: " + damaged + ":4: the line is damaged"},
		{"controls fail", "-from " + file("noisy", consoles(10, "-", 3)), 2, "A/A, null call (getppid)", "these boots are refused: A/A reads +3.00"},
		{"calibration of a refused run", "-from " + file("noisy2", consoles(10, "-", 3)), 2, "resolution of the time-stamp counter", "these boots are refused"},
		{"few", "-from " + file("few", consoles(5, "-", 0)), 2, "", "5 whole boots: want at least 8"},
		{"twice", "-from " + good + " -from " + good, 2, "", "the same boot is there twice"},
		{"two machines", "-from " + good + " -from " + file("kvm", consoles(1, "KVMKVMKVM", 0)), 2, "", "different machines"},
		{"nothing", "-from " + file("nothing", "hello\n"), 2, "", "nothing: want the console"},
		{"no file", "-from " + filepath.Join(dir, "none"), 2, "", "no such file"},
		{"no variant", "-from " + good + " a z", 2, "", "no variant z"},
	} {
		var stdout, stderr strings.Builder
		status := run(t.Context(), &env{stdout: &stdout, stderr: &stderr}, append([]string{"compare"}, strings.Fields(row.args)...))
		if status != row.status || !strings.Contains(stdout.String(), row.stdout) || !strings.Contains(stderr.String(), row.stderr) {
			t.Errorf("%s: status %d, want %d with %q and %q; says\n%s%s", row.name, status, row.status, row.stdout, row.stderr, stdout.String(), stderr.String())
		}
	}
	var bench strings.Builder
	if status := run(t.Context(), &env{stdout: &bench, stderr: os.Stderr}, []string{"compare", "-from", good, "-format", "bench"}); status != 0 {
		t.Fatalf("status %d", status)
	}
	n := 0
	for r := benchfmt.NewReader(strings.NewReader(bench.String()), "bench"); r.Scan(); {
		if err, bad := r.Result().(*benchfmt.SyntaxError); bad {
			t.Error(err)
		}
		if _, ok := r.Result().(*benchfmt.Result); ok {
			n++
		}
	}
	if n != 30 { // 3 variants, 10 boots
		t.Errorf("%d benchmark results, want 30:\n%s", n, bench.String())
	}
}

// TestCompareFromKept: what machines measured is a record as all others, once,
// and the report shows it.
func TestCompareFromKept(t *testing.T) {
	dir := t.TempDir()
	console, results, report := filepath.Join(dir, "console"), filepath.Join(dir, "results.jsonl"), filepath.Join(dir, "report.html")
	text := strings.NewReplacer("label=a ", "label=linux-3.19 ", "label=b ", "label=heukelum-v2 ").Replace(consoles(10, "-", 0))
	var lines strings.Builder
	for line := range strings.Lines(text) { // with sums that are right again
		line = strings.TrimRight(line, "\r\n")
		if head, _, ok := strings.Cut(line, " crc="); ok {
			_, summed, _ := strings.Cut(head, ": ")
			line = fmt.Sprintf("%s crc=%08x", head, crc32.ChecksumIEEE([]byte(summed)))
		}
		lines.WriteString(line + "\n")
	}
	if err := os.WriteFile(console, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is added
		if status, _, stderr := played(t, "compare", "-from", console, "-o", results); status != 0 || stderr != "" {
			t.Fatalf("status %d: %s", status, stderr)
		}
	}
	records, _, err := store.ReadFile(t.Context(), results, engine.Known)
	if err != nil {
		t.Fatal(err)
	}
	if want := 10 * 10; len(records) != want || records[0].Engine != "metal" || records[0].Unit != record.Cycles {
		t.Errorf("%d records, want %d; the first is %+v", len(records), want, records[0])
	}
	if status, _, stderr := played(t, "report", results, "-o", report); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	html, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"machine host, CPU Some CPU, GenuineIntel, signature 306c3", "metal, 10 boots", "A/A of null-call, truth +0", "metal calibration: core cycles of a tick"} {
		if !strings.Contains(stdhtml.UnescapeString(string(html)), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
}

// TestCompareFromCounted: a machine whose counters the guest could read gives
// cycles, retired instructions and what explains the cycles, in every format.
func TestCompareFromCounted(t *testing.T) {
	var b strings.Builder
	for line := range strings.Lines(consoles(10, "KVMKVMKVM", 0)) {
		line = strings.TrimRight(line, "\r\n")
		head, _, ok := strings.Cut(line, " crc=")
		if !ok {
			b.WriteString(line + "\n")
			continue
		}
		head = strings.Replace(head, "counters=false", "counters=true", 1)
		head = strings.Replace(head, "lines=10", "lines=43", 1) // all five, but for the step and the chain
		lines := []string{head}
		if _, q, ok := strings.Cut(head, " q="); ok && !strings.Contains(head, "op=step") {
			lines = append(lines, strings.Replace(head, "counter=tsc", "counter=cycles", 1))
			if !strings.Contains(head, "op=chain") {
				count := func(counter string, per int) {
					all := fmt.Sprintf("q=%d,%s", 500*per, strings.Repeat("0,", 19)+"0")
					lines = append(lines, strings.Replace(strings.Replace(head, "counter=tsc", "counter="+counter, 1), "q="+q, all, 1))
				}
				count("instructions", 40)
				blocked := 1
				if strings.Contains(head, "label=-loop") {
					blocked = 0
				} else if strings.Contains(head, "label=b ") {
					blocked = 4
				}
				count("blocked-forwards", blocked)
				count("micro-operations", 60)
			}
		}
		for _, head := range lines {
			_, summed, _ := strings.Cut(head, ": ")
			fmt.Fprintf(&b, "%s crc=%08x\n", head, crc32.ChecksumIEEE([]byte(summed)))
		}
	}
	path := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"text":  "instructions that retired, as the CPU counted them",
		"json":  `"blocked-forwards": 4`,
		"bench": "Unit cycles/op better=lower",
	} {
		status, stdout, stderr := played(t, "compare", "-from", path, "-format", format)
		if status != 0 || !strings.Contains(stdout, want) || stderr != "" {
			t.Errorf("%s: status %d, no %q in:\n%s%s", format, status, want, stdout, stderr)
		}
		if format == "text" && !strings.Contains(stdout, "a round of the chain by the cycle counter (64 are right)") {
			t.Errorf("the chain is not shown:\n%s", stdout)
		}
		if format == "text" && !regexp.MustCompile(`(?m)^null call \(getppid\) +blocked-forwards +1\.0 +\+3\.0
null call \(getppid\) +micro-operations +0\.0 +none seen$`).MatchString(stdout) {
			t.Errorf("what explains the cycles is not shown:\n%s", stdout)
		}
	}
}

// TestCompareKept: compare keeps the counts of the engines that need no KVM, and
// the report shows them beside each other.
func TestCompareKept(t *testing.T) {
	need.QEMU(t)
	dir := t.TempDir()
	results, report := filepath.Join(dir, "results.jsonl"), filepath.Join(dir, "report.html")
	units := map[string]map[string]bool{}
	for _, engine := range []string{"icount", "static", "static"} { // static is not counted twice
		if status, _, stderr := played(t, "compare", "-engine", engine, "-o", results, "linux-3.19", "heukelum-v2"); status != 0 {
			t.Fatalf("%s: status %d: %s", engine, status, stderr)
		}
	}
	records, _, err := store.ReadFile(t.Context(), results, engine.Known)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range records {
		if units[r.Engine] == nil {
			units[r.Engine] = map[string]bool{}
		}
		units[r.Engine][r.Unit] = true
		seen[r.Engine+r.Variant+r.Op]++
		if seen[r.Engine+r.Variant+r.Op] > 1 {
			t.Errorf("%s of %s by %s is there twice", r.Op, r.Variant, r.Engine)
		}
	}
	if len(units["icount"]) != 1 || len(units["static"]) != 7 {
		t.Errorf("units are %v", units)
	}
	if status, _, stderr := played(t, "report", results, "-o", report); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	html, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"code-bytes", "rsp-forwards", "static: counts, machine none, CPU any", "icount: instructions, machine microvm"} {
		if !strings.Contains(stdhtml.UnescapeString(string(html)), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
}

// TestCompareBoots takes boots for real, under TCG, whose cycles are said to mean
// nothing: an interrupted comparison keeps its boots, the next one goes on, and a
// third has nothing left to do.
func TestCompareBoots(t *testing.T) {
	need.QEMU(t)
	var list []stubs.Variant
	for _, name := range []string{"linux-3.19", "heukelum-v2", "bare"} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	compare := func(ctx context.Context, out, format string) (status int, stdout, stderr string, err error) {
		var o, e bytes.Buffer
		env := &env{stdout: &o, stderr: &e}
		tcg, _ := engine.Find("tcg")
		job := engine.Job{Subjects: list, Verify: format == "json", Boots: 8, Samples: 4} // checked once
		options := &compareOptions{out: out, format: format}
		status, err = env.compare(ctx, options, tcg, job, namesOf(list), proofs{"heukelum-v2": "refuted: it says"})
		return status, o.String(), e.String(), err
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() { // after some boots
		for ctx.Err() == nil {
			if data, err := os.ReadFile(path); err == nil && bytes.Count(data, []byte(`"chain"`)) >= 2 {
				interrupt()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, stdout, stderr, err := compare(ctx, path, "text")
	if !errors.Is(err, context.Canceled) || !strings.Contains(stderr, "boots are in "+path+"; the same command goes on from there") {
		t.Fatalf("interrupted: %v\n%s%s", err, stdout, stderr)
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json", "bench"} {
		status, stdout, stderr, err := compare(t.Context(), path, format)
		if err != nil || status != 0 {
			t.Fatalf("%s: status %d, %v\n%s%s", format, status, err, stdout, stderr)
		}
		want := map[string]string{
			"text":  "engine tcg, on ",
			"json":  `"meaningless": "an emulator's clock says nothing about a CPU's cycles"`,
			"bench": "Unit meaningless/op better=lower",
		}[format]
		if !strings.Contains(stdout, want) {
			t.Errorf("%s: no %q in:\n%s", format, want, stdout)
		}
		if format == "json" && !strings.HasPrefix(stdout, "{\n  \"proofs\": {\n    \"heukelum-v2\": \"refuted: it says\"") {
			t.Errorf("%s: the proof is not said in %.200s", format, stdout)
		}
		now, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(now, kept) || bytes.Count(now, []byte(`"chain"`)) != 8 {
			t.Errorf("%s: %d boots in the file (%v), want 8, the first of them as they were", format, bytes.Count(now, []byte(`"chain"`)), err)
		}
		kept = now
	}
}
