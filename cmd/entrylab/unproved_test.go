package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/study"
	"github.com/entrylab/entrylab/internal/need"
)

// racy is a stub that the proof refutes and that boots all the same: what it does
// wrong is a race.
const (
	racy     = "../../stubs/gnuas/testdata/cases/b09-work-test-irqs-on.S"
	racyName = "b09-work-test-irqs-on"
	racySaid = "NOT PROVED: " + racyName + ": refuted: entry_SYSCALL_64." + racyName
)

// above reports whether the first part stands in the text, and before the second.
func above(text, first, second string) bool {
	i, j := strings.Index(text, first), strings.Index(text, second)
	return i >= 0 && j > i
}

// TestUnproved: with -unproved, what the proof says of a file stands above
// whatever is printed of it; without, the file is refused.
func TestUnproved(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	const fence = "../../stubs/gnuas/testdata/fence.S"
	image := filepath.Join(t.TempDir(), "x.elf")
	for _, tt := range []struct {
		name string
		args []string
		said string
		over string // the beginning of the table
	}{
		{"compare", []string{"compare", "-engine", "icount", "linux-4.1", racy}, racySaid, "null call (getppid)"},
		{"bench", []string{"compare", "-engine", "icount", "-format", "bench", "linux-4.1", racy}, "proof-" + racyName + ": " + racySaid, "\nBenchmark"},
		{"static", []string{"compare", "-engine", "static", "linux-4.1", racy}, racySaid, "linux-4.1   "},
		{"static, bench", []string{"compare", "-engine", "static", "-format", "bench", "linux-4.1", racy}, "proof-" + racyName + ": " + racySaid, "\nBenchmark"},
		{"verify", []string{"verify", "-engine", "icount", "-variants", racy}, racySaid, "variant "},
		{"build", []string{"build", "-variants", racy, "-o", image}, racySaid, image + ": "},
		{"one that is right", []string{"compare", "-engine", "static", "linux-4.1", fence}, "PROVED: fence\n", "linux-4.1   "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, append([]string{tt.args[0], "-unproved"}, tt.args[1:]...)...)
			if status != 0 || !above("\n"+stdout, "\n"+tt.said, tt.over) {
				t.Errorf("status %d, want 0 and %q above %q\n%s%s", status, tt.said, tt.over, stdout, stderr)
			}
			status, stdout, stderr = played(t, tt.args...)
			if refused := status != 0 && stdout == "" && strings.Contains(stderr, "not proved right"); refused != (tt.said != "PROVED: fence\n") {
				t.Errorf("without -unproved: status %d\n%s%s", status, stdout, stderr)
			}
		})
	}
	t.Run("boot", func(t *testing.T) {
		status, stdout, stderr := played(t, "boot", "-unproved", "-engine", "icount", "-variant", racy, "-init", filepath.Join(programDir, "hello"))
		if status != 0 || stdout != "hello\n" || !above(stderr, racySaid, "entrylab") {
			t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
		}
	})
	for _, engine := range []string{"icount", "static"} {
		t.Run("json, "+engine, func(t *testing.T) {
			status, stdout, stderr := played(t, "compare", "-unproved", "-engine", engine, "-format", "json", "linux-4.1", racy)
			var got struct {
				Proofs map[string]string `json:"proofs"`
			}
			if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 {
				t.Fatalf("status %d, %v: %s", status, err, stderr)
			}
			if len(got.Proofs) != 1 || !strings.HasPrefix(got.Proofs[racyName], "refuted: entry_SYSCALL_64.") {
				t.Errorf("proofs are %q", got.Proofs)
			}
		})
	}
	t.Run("benchstat reads it", func(t *testing.T) {
		var b bytes.Buffer
		proofs{"mine": "refuted: why"}.head(&b, "bench")
		b.WriteString("BenchmarkNullCall/variant=mine 1 42 insns/op\n")
		r := benchfmt.NewReader(&b, "out")
		for r.Scan() {
			if res, ok := r.Result().(*benchfmt.Result); !ok || res.GetConfig("proof-mine") != "NOT PROVED: mine: refuted: why" {
				t.Errorf("got %v", r.Result())
			}
		}
		if err := r.Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestUnprovedKept: the records of a variant that is not proved say so, and with
// them the report and the study's page.
func TestUnprovedKept(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	dir := t.TempDir()
	path, html := filepath.Join(dir, "results.jsonl"), filepath.Join(dir, "report.html")
	for _, engine := range []string{"icount", "static"} {
		if status, _, stderr := played(t, "compare", "-unproved", "-engine", engine, "-o", path, "linux-4.1", racy); status != 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
	}
	records, _, err := result.ReadFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if said := strings.HasPrefix(string(r.Proof), "refuted: "); said != (r.Variant == racyName) {
			t.Errorf("%s, %s of %s: the proof is %q", r.Engine, r.Op, r.Variant, r.Proof)
		}
	}
	var page bytes.Buffer
	if err := (study.Page{Set: study.NewSet(records)}).Write(&page); err != nil {
		t.Fatal(err)
	}
	if !above(page.String(), "NOT PROVED: "+racyName+": refuted: ", "icount: difference in") {
		t.Errorf("the page does not say so:\n%.600s", page.String())
	}
	if status, _, stderr := played(t, "report", path, "-o", html); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	text, err := os.ReadFile(html)
	if err != nil {
		t.Fatal(err)
	}
	if !above(string(text), racySaid, "<table") {
		t.Error("the report does not say so above its tables")
	}
}
