package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/study"
)

// records are a whole study's, with made-up figures: exact counts, and cycles
// of 500 placements in four forms.
func records(t testing.TB) []result.Record {
	t.Helper()
	list, err := study.Variants()
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	counts := result.Config{Build: "devel", Code: "c0de", Engine: "icount", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU"}
	cycles := result.Config{Build: "devel", Code: "c0de", Engine: "replay", Machine: "host", CPU: "a CPU", Host: "a CPU", Microcode: "0x1"}
	var all []result.Record
	for i, n := range list {
		axes := n.Variant.String()
		for j, op := range slices.Concat(result.Operations, result.Phases) {
			if n.Variant.Bare && j > 0 {
				continue
			}
			x := float64(20 + 20*j + i)
			all = append(all, result.NewRecord(counts, result.Measure{Variant: n.Name, Op: op.Op, N: 500, Batches: 15, Min: x, Median: x, Max: x, Agree: 1},
				axes, result.Instructions, 0, day))
		}
		for f, form := range []string{"SR1", "SR0", "N0", "D0"} {
			for j, op := range slices.Concat([]result.Operation{{Op: "null-call"}, {Op: "full-frame-call"}}, result.Switches) {
				var samples []*float64
				for k := range 500 {
					x := 50 + float64(j*60) + 0.3*float64(i*f) + math.Sin(float64(k*(i+1)))
					samples = append(samples, &x)
				}
				r := result.NewRecord(cycles, result.Measure{Variant: n.Name, Op: op.Op, N: 1, Batches: 500, Min: 1, Median: 500, Max: 999}, axes, result.Cycles, 0, day)
				r.Form, r.Samples = form, samples
				all = append(all, r)
			}
		}
	}
	linux := all[0]
	linux.Variant, linux.Axes, linux.Code, linux.Median, linux.Max = "Linux 6.1.0-cloud-amd64, mitigations=off", "", "vmlinuz", 322, 400
	return append(all, linux)
}

// written is the report of the records.
func written(t testing.TB) string {
	t.Helper()
	all := records(t)
	var b bytes.Buffer
	r := Report{
		Page: study.Page{Set: study.NewSet(all)}, Records: all, Files: []string{"results <one>.jsonl"},
		Notes: []string{"a note"}, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWrite looks for all parts, and for anything that would need a network or
// that the template could not fill.
func TestWrite(t *testing.T) {
	text := written(t)
	for _, want := range []string{
		"2 January 2026 03:04 UTC", "results &lt;one&gt;.jsonl", "a note", "(a)+(b)+(c)", "microcode 0x1", "Linux 6.1.0-cloud-amd64",
		"<svg role=\"img\"", "var(--c1)", "Linux 4.1, commit 29722cd4ef66", "never", "PUSHQ", `class="add"`, `class="del"`,
		"USER_DS", "by the fix-up", "no room", "ring 3",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, bad := range []string{"<script", "@import", "<link rel=\"stylesheet", "<img", "ZgotmplZ", "<no value>", "NaN", "%!"} {
		if strings.Contains(text, bad) {
			t.Errorf("the report has %q", bad)
		}
	}
	for _, url := range regexp.MustCompile(`https?://[^"' <]+`).FindAllString(text, -1) {
		if !strings.HasPrefix(url, "http://www.w3.org/") { // a namespace is a name
			t.Errorf("the report refers to %s", url)
		}
	}
	if n := strings.Count(text, "<svg "); n != 5 {
		t.Errorf("%d plots, want 5", n)
	}
	again := written(t)
	if diff := cmp.Diff(text, again); diff != "" {
		t.Errorf("the same results give another report:\n%s", diff)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWriteFails(t *testing.T) {
	if err := (Report{Page: study.Page{Set: study.NewSet(records(t))}}).Write(failing{}); err == nil {
		t.Error("a writer that fails is no error")
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct{ name, from, to, want string }{
		{"same", "a b", "a b", " a, b"},
		{"one more", "a c", "a b c", " a,+b, c"},
		{"one less", "a b c", "a c", " a,-b, c"},
		{"another", "a b c", "a x c", " a,-b,+x, c"},
		{"all", "a", "b", "-a,+b"},
		{"nothing", "", "", ""},
		{"from nothing", "", "a", "+a"},
	} {
		var got []string
		for _, l := range compare(strings.Fields(tt.from), strings.Fields(tt.to)) {
			got = append(got, l.Mark+l.Text)
		}
		if text := strings.Join(got, ","); text != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, text, tt.want)
		}
	}
}

// TestFrames: the picture shows what the variants differ in.
func TestFrames(t *testing.T) {
	names, rows := frames()
	at := func(slot, variant string) slotCell {
		for _, r := range rows {
			if r.Name == slot {
				return r.Cells[slices.Index(names, variant)]
			}
		}
		t.Fatalf("no slot %s", slot)
		return slotCell{}
	}
	for _, tt := range []struct {
		slot, variant string
		want          slotCell
	}{
		{"sp", "linux-3.19", slotCell{"by the fix-up", "lazy"}},
		{"sp", "linux-3.19+a", slotCell{"user RSP", "new"}},
		{"sp", "linux-3.19+b", slotCell{"by the fix-up", "lazy"}},
		{"cs", "heukelum-v2", slotCell{"USER_CS", "new"}},
		{"ip", "heukelum-v2", slotCell{"user RIP", "same"}},
		{"r15", "linux-3.19", slotCell{"no room", "none"}},
		{"r15", "linux-4.1", slotCell{"room", "none"}},
	} {
		if got := at(tt.slot, tt.variant); got != tt.want {
			t.Errorf("%s of %s is %v, want %v", tt.slot, tt.variant, got, tt.want)
		}
	}
	if rows[0].Name != "ss" || rows[0].Off != "+160" {
		t.Errorf("the first row is %s at %s", rows[0].Name, rows[0].Off)
	}
}

// widths are those of a phone and of a desk.
var widths = []int{390, 1400}

// TestBrowser shows the report in Chromium, with all details open: nothing may
// be wider than the window, and the console must stay empty.
func TestBrowser(t *testing.T) {
	browser := chromium(t)
	text := strings.ReplaceAll(written(t), "<details>", "<details open>")
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			if problems := browse(t, browser, text, width); len(problems) > 0 {
				t.Errorf("at %d pixels:\n%s", width, strings.Join(problems, "\n"))
			}
		})
	}
}

// TestBrowserCanFail: what the browser's test looks for, it finds.
func TestBrowserCanFail(t *testing.T) {
	browser := chromium(t)
	for _, tt := range []struct{ name, part, want string }{
		{"too wide", `<p style="width:700px">wide</p>`, "the page is 7"},
		{"an error", `<script>missing()</script>`, "missing is not defined"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := browse(t, browser, `<!DOCTYPE html><body style="margin:0">`+tt.part, widths[0])
			if !strings.Contains(strings.Join(problems, "\n"), tt.want) {
				t.Errorf("problems are %q, want one with %q", problems, tt.want)
			}
		})
	}
}

// chromium returns the browser, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no chromium: run `make deps`")
	return ""
}

// browse shows a page in a frame of the given width, since a window cannot be
// as narrow as a phone's, and returns what is wrong with it.
func browse(t *testing.T, browser, text string, width int) []string {
	t.Helper()
	dir := t.TempDir()
	outer := fmt.Sprintf(`<!DOCTYPE html><body><iframe width="%d" height="900" style="border:0" srcdoc="%s"></iframe>
<script>onload = () => {
  const page = document.querySelector("iframe").contentDocument.documentElement
  document.body.dataset.width = page.scrollWidth + " of " + page.clientWidth
}</script>`, width, html.EscapeString(text))
	path := filepath.Join(dir, "outer.html")
	if err := os.WriteFile(path, []byte(outer), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+dir,
		fmt.Sprintf("--window-size=%d,1000", width+100), "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", "file://"+path)
	cmd.WaitDelay = time.Second
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	var problems []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			problems = append(problems, strings.TrimSpace(line))
		}
	}
	found := regexp.MustCompile(`data-width="(\d+) of (\d+)"`).FindStringSubmatch(string(out))
	if found == nil {
		t.Fatalf("the browser did not show the page:\n%s", log.String())
	}
	if found[1] != found[2] || found[2] == "0" {
		problems = append(problems, fmt.Sprintf("the page is %s pixels wide, the window %s", found[1], found[2]))
	}
	return problems
}

// BenchmarkReport is a whole report of a study: at most 2 s.
func BenchmarkReport(b *testing.B) {
	all := records(b)
	for b.Loop() {
		r := Report{Page: study.Page{Set: study.NewSet(all)}, Records: all}
		if err := r.Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
