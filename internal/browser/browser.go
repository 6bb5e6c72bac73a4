// Package browser lets tests of pages look at them in Chromium.
package browser

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/work"
)

// Widths are those of a phone, a tablet and a desktop, in pixels.
var Widths = []int{390, 800, 1400}

// chromium is the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, other := range []string{"chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(other); err == nil {
			return path
		}
	}
	return need.Tool(t, "chromium")
}

// Problems shows a page, the text, in a frame that is width pixels wide, since a
// window cannot be as narrow as a phone's, and returns what is wrong with it: errors of
// its scripts, and that it is wider than the frame.
func Problems(t *testing.T, text string, width int) []string {
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
	cmd := exec.CommandContext(t.Context(), chromium(t), "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+dir,
		fmt.Sprintf("--window-size=%d,1000", width+100), "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", "file://"+path)
	cmd.WaitDelay = time.Minute // for processes of the browser's that outlive it
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := work.Run(cmd, 2*time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	var problems []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			problems = append(problems, strings.TrimSpace(line))
		}
	}
	found := regexp.MustCompile(`data-width="(\d+) of (\d+)"`).FindStringSubmatch(out.String())
	if found == nil {
		t.Fatalf("the browser did not show the page:\n%s", log.String())
	}
	if found[1] != found[2] || found[2] == "0" {
		problems = append(problems, fmt.Sprintf("the page is %s pixels wide, the window %s", found[1], found[2]))
	}
	return problems
}
