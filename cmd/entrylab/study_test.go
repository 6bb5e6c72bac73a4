package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/store"
)

// goodRecord is a line of a results file.
const goodRecord = `{"format":"entrylab/1","time":"2026-01-02T03:04:05Z","build":"x","code":"x","engine":"icount","machine":"microvm",` +
	`"cpu":"max","host":"x","variant":"linux-3.19","op":"null-call","unit":"instructions","n":1,"batches":1,"min":42,"median":42,"max":42,"agree":1,"run":0}`

// TestStudyBadInput: what study, report and baseline cannot use is named in one
// message, and nothing is measured or written.
func TestStudyBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	missing := filepath.Join(dir, "missing")
	empty, text := file("empty", ""), file("text", "hello\n")
	good := file("good", goodRecord+"\n")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"study: no such engine", []string{"study", "-engines", "icount,frob"}, `-engines: no engine "frob": want all, or some of icount, bochs, static, kvm, replay`},
		{"study: engine twice", []string{"study", "-engines", "icount,icount"}, "icount is named twice"},
		{"study: a variant", []string{"study", "linux-3.19"}, "linux-3.19: the question names the variants; only Linux kernels stand beside them"},
		{"study: no kernel", []string{"study", text}, "is not a Linux kernel image"},
		{"study: no folder", []string{"study", "-o", filepath.Join(missing, "r")}, "no such file or directory"},
		{"study: foreign file", []string{"study", "-o", text}, "text:1: invalid character 'h'"},
		{"report: nothing", []string{"report"}, "want results files"},
		{"report: no output", []string{"report", empty}, "-o FILE"},
		{"report: no file", []string{"report", missing, "-o", filepath.Join(dir, "x")}, "no such file"},
		{"report: empty file", []string{"report", empty, "-o", filepath.Join(dir, "x")}, "no record in it"},
		{"report: in place of its input", []string{"report", text, "-o", filepath.Join(dir, ".", "text")}, "is the file that is read: give another path"},
		{"report: a file twice", []string{"report", text, "-o", filepath.Join(dir, "x"), dir + "//text"}, "are one file: its figures would count twice"},
		{"report: foreign file", []string{"report", text, "-o", filepath.Join(dir, "x")}, "want a record of entrylab"},
		{"report: no folder", []string{"report", good, "-o", filepath.Join(missing, "x")}, "cannot write report " + filepath.Join(missing, "x")},
		{"report: a folder", []string{"report", good, "-o", dir}, "cannot write report " + dir + ": it is there and is not a regular file"},
		{"baseline: nothing", []string{"baseline"}, "want -kernel VMLINUZ"},
		{"baseline: no file", []string{"baseline", "-kernel", missing}, "no such file"},
		{"baseline: no kernel", []string{"baseline", "-kernel", text}, "is not a Linux kernel image"},
		{"baseline: an engine without costs", []string{"baseline", "-kernel", text, "-engine", "tcg"}, "its time measures the emulator"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, tt.args...)
			if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q; want one line with %q", status, stdout, stderr, tt.want)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(dir, "x*")); err != nil || len(left) > 0 {
		t.Errorf("%q were written (%v)", left, err)
	}
}

// TestStudyFullDisk: a study that cannot keep its figures ends with the reason.
func TestStudyFullDisk(t *testing.T) {
	need.QEMU(t)
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := played(t, "study", "-engines", "icount", "-o", "/dev/full")
	if status != exitError || stdout != "" || !strings.Contains(stderr, "could not be written") || !strings.Contains(stderr, "no space left on device") {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// TestStudyKernel: a real kernel is counted beside the variants of a question, once, and its
// counts are on the page.
func TestStudyKernel(t *testing.T) {
	need.QEMU(t)
	kernel := need.Linux(t)
	path := filepath.Join(t.TempDir(), "results.jsonl")
	study := []string{"study", "-question", "exitwork", "-engines", "icount", "-o", path, kernel}
	status, page, said := played(t, study...)
	if status != 0 || !regexp.MustCompile(`Linux \d\S+ .*\d`).MatchString(page) {
		t.Fatalf("status %d: %s\n%s", status, said, page)
	}
	if status, again, said := played(t, study...); status != 0 || again != page || strings.Count(said, "all figures exist already") != 3 {
		t.Errorf("once more: status %d, another page: %v, %s", status, again != page, said)
	}
	if status, _, said := played(t, "study", "-engines", "static", "-o", path, kernel); status != exitError || !strings.Contains(said, "engine icount counts Linux kernels, and -engines leaves it out") {
		t.Errorf("status %d, %s", status, said)
	}
}

// TestBaseline measures a Linux kernel beside the generated ones.
func TestBaseline(t *testing.T) {
	if !*allKernels { // TestStudyKernel sets a kernel beside variants, too
		return
	}
	need.QEMU(t)
	kernel := need.Linux(t)
	path := filepath.Join(t.TempDir(), "results.jsonl")
	status, stdout, stderr := played(t, "baseline", "-kernel", kernel, "-append", "", "-engine", "icount", "-o", path)
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for _, want := range []string{`linux-3\.19 +heukelum-v2 +Linux `, `null call \(getppid\)`, `thread switch by yield`} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
	records, _, err := store.ReadFile(t.Context(), path, engine.Known)
	if err != nil {
		t.Fatal(err)
	}
	costs := map[string]float64{}
	for _, r := range records {
		if r.Op == "null-call" {
			costs[strings.Fields(r.Variant)[0]] = r.Median
		}
	}
	if costs["Linux"] < 2*costs["linux-3.19"] || costs["linux-3.19"] < 10 {
		t.Errorf("null calls take %v", costs)
	}
}
