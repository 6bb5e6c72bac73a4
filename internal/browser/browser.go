// Package browser lets tests of pages look at them in Chromium.
package browser

import (
	"bytes"
	"fmt"
	"html"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/work"
)

// widths are the widths of a phone, a tablet and a desktop, in pixels.
var widths = []int{390, 800, 1400}

// chromium returns the path of the browser, and skips or fails the test without one.
func chromium(t *testing.T) string {
	t.Helper()
	for _, other := range []string{"chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(other); err == nil {
			return path
		}
	}
	return need.Tool(t, "chromium")
}

var measured = regexp.MustCompile(`data-page="([^"]*)" data-width="(\d+) of (\d+)"`)

// Problems shows each page in frames as wide as a phone, a tablet and a desktop, and
// returns what is wrong: errors of scripts, and pages that are wider than their frame.
// pages holds the text of each page by its name.
func Problems(t *testing.T, pages map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	var outer strings.Builder
	outer.WriteString("<!DOCTYPE html><body>\n")
	frames := 0
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		for _, width := range widths {
			frames++
			fmt.Fprintf(&outer, `<iframe data-page="%s at %d pixels" width="%d" height="900" style="border:0" srcdoc="%s"></iframe>`+"\n",
				html.EscapeString(name), width, width, html.EscapeString(pages[name]))
		}
	}
	outer.WriteString(`<script>onload = () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument.documentElement
    const found = document.createElement("p")
    found.dataset.page = frame.dataset.page
    found.dataset.width = page.scrollWidth + " of " + page.clientWidth
    document.body.append(found)
  }
}</script>`)
	dom, log := show(t, dir, outer.String())
	var problems []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "CONSOLE") {
			problems = append(problems, strings.TrimSpace(line))
		}
	}
	found := measured.FindAllStringSubmatch(dom, -1)
	if len(found) != frames {
		t.Fatalf("the browser showed %d pages of %d:\n%s", len(found), frames, log)
	}
	for _, m := range found {
		if m[2] != m[3] || m[3] == "0" {
			problems = append(problems, fmt.Sprintf("%s: the page is %s pixels wide, the window %s", m[1], m[2], m[3]))
		}
	}
	return problems
}

// show shows a page and returns its elements as they are after its scripts, and the log of
// the browser.
func show(t *testing.T, dir, page string) (dom, log string) {
	t.Helper()
	path := filepath.Join(dir, "outer.html")
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), chromium(t), "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+dir,
		fmt.Sprintf("--window-size=%d,1000", slices.Max(widths)+100), "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", "file://"+path)
	cmd.WaitDelay = time.Minute // its own processes may outlive it
	var out, logged bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &logged
	if err := work.Run(cmd, 2*time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, logged.String())
	}
	return out.String(), logged.String()
}

var evaluated = regexp.MustCompile(`data-value="([^"]*)"`)

// Eval shows a page in a frame of that width and returns, as text, the value of a script
// that runs in it.
func Eval(t *testing.T, page string, width int, script string) string {
	t.Helper()
	dom, log := show(t, t.TempDir(), fmt.Sprintf(`<!DOCTYPE html><body>
<iframe width="%d" height="900" style="border:0" srcdoc="%s"></iframe>
<script>onload = () => {
  const value = document.createElement("p")
  value.dataset.value = document.querySelector("iframe").contentWindow.eval(%q)
  document.body.append(value)
}</script>`, width, html.EscapeString(page), script))
	found := evaluated.FindStringSubmatch(dom)
	if found == nil {
		t.Fatalf("the script gave no value:\n%s", log)
	}
	return html.UnescapeString(found[1])
}
