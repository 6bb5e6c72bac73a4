package main

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
)

// consoles are what boots of a machine print: variant b takes two cycles more
// than a, of a core that makes one cycle a tick. again is what the base takes
// more the second time.
func consoles(boots int, hypervisor string, again int) string {
	var b strings.Builder
	line := func(kind, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		fmt.Fprintf(&b, "%s: %s crc=%08x\r\n", kind, text, crc32.ChecksumIEEE([]byte(text)))
	}
	for i := range boots {
		b.WriteString("entrylab: booting\r\n")
		line("SAMPLING", "boot=%x seed=1 samples=9 counters=false vendor=GenuineIntel signature=306c3 hypervisor=%s cpu=Some_CPU", i+1, hypervisor)
		series := []struct {
			label, op string
			cycles    int
		}{
			{"a", "null-call", 102 + i%2},
			{"b", "null-call", 104 + i%2},
			{"-again", "null-call", 102 + i%2 + again},
			{"-loop", "null-call", 2},
			{"bare", "null-call", 52},
			{"-calibration", "chain", 64},
			{"-calibration", "dose-none", 200},
			{"-calibration", "dose-one", 201},
		}
		for _, s := range series {
			line("SAMPLE", "label=%s op=%s counter=tsc n=500 samples=9 lost=0 q=%d%s", s.label, s.op, 500*s.cycles, strings.Repeat(",0", 20))
		}
		line("SAMPLING", "end=%x lines=%d", i+1, len(series))
		b.WriteString("SUMMARY: 0 tests, 0 unexpected failures, 0 skipped\r\n")
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
		{"a damaged boot", "-from " + damaged, 0, "9 boots", "a boot is left out: " + damaged + ":4: the line is damaged"},
		{"controls fail", "-from " + file("noisy", consoles(10, "-", 3)), 2, "A/A, null call (getppid)", "too noisy: A/A was +3.00"},
		{"few", "-from " + file("few", consoles(5, "-", 0)), 2, "", "5 whole boots: want at least 8"},
		{"twice", "-from " + good + " -from " + good, 2, "", "the same boot is there twice"},
		{"two machines", "-from " + good + " -from " + file("kvm", consoles(1, "KVMKVMKVM", 0)), 2, "", "different machines"},
		{"nothing", "-from " + file("nothing", "hello\n"), 2, "", "no whole boot in 1 files"},
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
