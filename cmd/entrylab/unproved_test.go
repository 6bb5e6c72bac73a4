package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
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
	const fence = "../../examples/fence.S"
	image := filepath.Join(t.TempDir(), "x.elf")
	for _, tt := range []struct {
		name string
		args []string
		said string
		over string // the beginning of the table
	}{
		{"compare", []string{"compare", "-engine", "icount", "linux-4.1", racy}, racySaid, "null call (getppid)"},
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
	t.Run("json", func(t *testing.T) {
		status, stdout, stderr := played(t, "compare", "-unproved", "-engine", "static", "-format", "json", "linux-4.1", racy)
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
	t.Run("benchstat reads it", func(t *testing.T) {
		c, err := analysis.NewSet([]record.Record{recordtest.Counted("mine", "null-call", 42)}).Compare("icount", engine.Outcome{}, []string{"mine"})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := table.Compared(c, proofs{"mine": "refuted: why"}, false).Write(&b, "bench"); err != nil {
			t.Fatal(err)
		}
		r := benchfmt.NewReader(&b, "out")
		for r.Scan() {
			if _, unit := r.Result().(*benchfmt.UnitMetadata); unit {
				continue
			}
			if res, ok := r.Result().(*benchfmt.Result); !ok || res.GetConfig("proof-mine") != "NOT PROVED: mine: refuted: why" {
				t.Errorf("got %v", r.Result())
			}
		}
		if err := r.Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestUnprovedImage: an image that boots by itself says it on its console.
func TestUnprovedImage(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	image := filepath.Join(t.TempDir(), "x.elf")
	if status, _, stderr := played(t, "build", "-unproved", "-variants", "linux-4.1,"+racy, "-o", image); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var console bytes.Buffer
	res, err := vm.Run(t.Context(), vm.Config{Engine: vm.TCG, Kernel: image, Append: "-- sample -samples=4", Console: &console})
	if err != nil || res.Outcome != vm.Exited {
		t.Fatalf("%v\n%s", err, res.Report())
	}
	if !above(console.String(), "PROOF: "+racyName+": refuted: entry_SYSCALL_64.", "SAMPLING: boot=") {
		t.Errorf("the console is\n%s", console.String())
	}
	boots, damaged, err := cycles.Parse("console", &console)
	if err != nil || len(boots) != 1 || !strings.HasPrefix(boots[0].Proofs[racyName].Of(racyName), racySaid) {
		t.Errorf("read are %+v, %q, %v", boots, damaged, err)
	}
}

// TestUnprovedConsole: what is made of such a console says it, too, and a boot
// whose proof cannot be read is left out.
func TestUnprovedConsole(t *testing.T) {
	dir := t.TempDir()
	line := wire.Proof{Variant: "b", Verdict: "refuted: why"}.String() + "\r\n"
	file := func(name, line string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(line+consoles(10, "-", 0)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	log, kept := file("log", line), filepath.Join(dir, "results.jsonl")
	for format, want := range map[string]string{
		"text":  "NOT PROVED: b: refuted: why\nengine metal, ",
		"bench": "proof-b: NOT PROVED: b: refuted: why\nengine: metal\n",
		"json":  "{\n  \"proofs\": {\n    \"b\": \"refuted: why\"\n  },",
	} {
		status, stdout, stderr := played(t, "compare", "-from", log, "-format", format)
		if status != 0 || !strings.HasPrefix(stdout, want) {
			t.Errorf("%s: status %d, want %q above all in\n%s%s", format, status, want, stdout, stderr)
		}
	}
	if status, _, stderr := played(t, "compare", "-from", log, "-o", kept); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	records, _, err := store.ReadFile(t.Context(), kept, engine.Known)
	if err != nil || !slices.ContainsFunc(records, func(r record.Record) bool { return r.Variant == "b" && r.Proof == "refuted: why" }) {
		t.Errorf("no record of b says so (%v)", err)
	}
	_, stdout, stderr := played(t, "compare", "-from", file("damaged", strings.Replace(line, "why", "wry", 1)))
	if !strings.Contains(stdout, ", 9 boots") || !strings.Contains(stderr, "a boot is left out: "+filepath.Join(dir, "damaged")+":1: the line is damaged") {
		t.Errorf("a damaged proof:\n%s%s", stdout, stderr)
	}
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
	records, _, err := store.ReadFile(t.Context(), path, engine.Known)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if said := strings.HasPrefix(string(r.Proof), "refuted: "); said != (r.Variant == racyName) {
			t.Errorf("%s, %s of %s: the proof is %q", r.Engine, r.Op, r.Variant, r.Proof)
		}
	}
	var page bytes.Buffer
	if err := study.NewPage(study.Mail(), records, nil).Document().Write(&page, "text"); err != nil {
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
