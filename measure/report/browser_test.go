package report

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/browser"
	"github.com/entrylab/entrylab/measure/study"
)

// TestAccessible: what a reader needs who does not see the page, or not well.
func TestAccessible(t *testing.T) {
	text := written(t)
	for _, problem := range inaccessible(text) {
		t.Error(problem)
	}
	if !strings.Contains(text, `<html lang="en">`) {
		t.Error("the page has no language")
	}
	for _, tt := range []struct{ name, from, to, want string }{
		{"header without scope", `<th scope="row">`, `<th>`, "<th> says not what it heads"},
		{"plot without words", `<svg role="img" aria-label="icount: the phases of a null call"`, `<svg role="img"`, "<svg "},
		{"pale", "--soft: #58626c", "--soft: #999999", "--soft on --page"},
		{"pale in the dark", "--soft: #a5afb8", "--soft: #555555", "dark: --soft on --page"},
		{"green and orange", "--less: #005a9c", "--less: #14702f", "light: --less and --more are only"},
		{"green and red grounds", "--add: #dcebf9", "--add: #fce7d4", "light: --add and --del are only"},
	} {
		if problems := strings.Join(inaccessible(strings.Replace(text, tt.from, tt.to, 1)), "\n"); !strings.Contains(problems, tt.want) {
			t.Errorf("%s: the problems are %q, want %q", tt.name, problems, tt.want)
		}
	}
}

// inaccessible looks for headers without a scope, plots without words, and colours too
// near to each other: for anyone on their ground (WCAG 2.1, 1.4.3 and 1.4.11), and beside
// each other for those who do not see all colours.
func inaccessible(text string) []string {
	var problems []string
	for _, element := range regexp.MustCompile(`<(?:th|svg)\b[^>]*>`).FindAllString(text, -1) {
		switch {
		case strings.HasPrefix(element, "<th") && !strings.Contains(element, "scope="):
			problems = append(problems, element+" says not what it heads")
		case strings.HasPrefix(element, "<svg") && !regexp.MustCompile(`aria-label="[^"]+"`).MatchString(element):
			problems = append(problems, element+" has no words")
		}
	}
	schemes := strings.SplitAfterN(text, ":root {", 3)
	for i, scheme := range []string{"light", "dark"} {
		colors := colorsOf(schemes[i+1])
		for _, pair := range []struct {
			names string
			least float64
		}{
			{"ink page, ink card, soft page, soft card, less page, less card, more page, more card, slot card, accent page", 4.5},
			{"addink add, delink del, lazyink lazyback", 4.5},
			{"faint card, c1 card, c2 card, c3 card, c4 card, c5 card, c6 card, c1 shade, faint shade", 3},
		} {
			for p := range strings.SplitSeq(pair.names, ", ") {
				ink, paper, _ := strings.Cut(p, " ")
				if c := browser.Contrast(colors[ink], colors[paper]); !(c >= pair.least) {
					problems = append(problems, fmt.Sprintf("%s: --%s on --%s has a contrast of %.2f, want %g", scheme, ink, paper, c, pair.least))
				}
			}
		}
	}
	for i, scheme := range []string{"light", "dark"} {
		colors := colorsOf(schemes[i+1])
		for _, pair := range []struct {
			a, b  string
			least float64
		}{{"less", "more", 30}, {"c1", "c2", 30}, {"c1", "c3", 30}, {"c2", "c3", 30}, {"add", "del", 15}} {
			if d := browser.Apart(colors[pair.a], colors[pair.b]); !(d >= pair.least) {
				problems = append(problems, fmt.Sprintf("%s: --%s and --%s are only %.1f apart for some eyes, want %g", scheme, pair.a, pair.b, d, pair.least))
			}
		}
	}
	return problems
}

// colorsOf returns the colours that a style sheet declares first.
func colorsOf(sheet string) map[string]string {
	colors := map[string]string{}
	for _, m := range regexp.MustCompile(`--(\w+): (#[0-9a-f]{6})`).FindAllStringSubmatch(strings.SplitN(sheet, "}", 2)[0], -1) {
		colors[m[1]] = m[2]
	}
	return colors
}

// TestBrowser shows the report in Chromium, with all details open: nothing may
// be wider than the window, and the console must stay empty.
func TestBrowser(t *testing.T) {
	text := strings.ReplaceAll(written(t), "<details", "<details open")
	if problems := browser.Problems(t, map[string]string{"report": text}); len(problems) > 0 {
		t.Error(strings.Join(problems, "\n"))
	}
}

// TestSort presses the head of a column: its figures are then in order, those that are
// not there last, and after a second time the other way round.
func TestSort(t *testing.T) {
	const page = `<!DOCTYPE html><table class="sortable"><thead><tr><td></td><th scope="col">cost</th></tr></thead><tbody>
<tr><th scope="row">a</th><td>+2.0 ±0.1</td></tr><tr><th scope="row">b</th><td>–</td></tr><tr><th scope="row">c</th><td>−10</td></tr>
<tr><th scope="row">d</th><td>none ±0.3</td></tr><tr><th scope="row">e</th><td>step +1.0</td></tr></tbody></table><script>`
	const press = `document.querySelector("thead button").click();`
	const names = `[...document.querySelectorAll("tbody th")].map(cell => cell.innerText).join("") + " " + document.querySelector("thead th").getAttribute("aria-sort")`
	for _, tt := range []struct{ name, script, want string }{
		{"once", press + names, "cdeab ascending"},
		{"twice", press + press + names, "aedcb descending"},
		{"never", names, "abcde null"},
	} {
		if got := browser.Eval(t, page+script+"</script>", 800, tt.script); got != tt.want {
			t.Errorf("%s: the rows are %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestReportInBrowser: each figure's button shows where the figure comes from, the
// tables can be sorted, and one that is wider than the window says so.
func TestReportInBrowser(t *testing.T) {
	text := written(t)
	for _, tt := range []struct {
		name, script string
		width        int
		want         string
	}{
		{"each figure has a source", `String([...document.querySelectorAll("td button")].filter(b => !b.popoverTargetElement).length)`, 800, "^0$"},
		{"many figures", `String(document.querySelectorAll("td button").length > 100)`, 800, "^true$"},
		{
			"a source is shown", `const b = document.querySelector("td button"); b.click(); b.popoverTargetElement.checkVisibility() + " " + b.popoverTargetElement.innerText`, 800,
			`(?s)^true .*difference.*interval.*95 %.*SR1.*linux-3\.19.*axes.*sp=percpu.*measured.*2 January 2026 03:04 UTC, 1 run of 500 samples.*microcode.*0x1.*code c0de`,
		},
		{"it is hidden before", `String(document.querySelector("td button").popoverTargetElement.checkVisibility())`, 800, "^false$"},
		{"tables are sorted", `String(document.querySelectorAll("table.sortable thead button").length > 10)`, 800, "^true$"},
		{"a hint on a phone", `String([...document.querySelectorAll(".hint")].some(h => h.checkVisibility()))`, 390, "^true$"},
		{"only where a table is wider", `String([...document.querySelectorAll(".table")].some(b => b.checkVisibility() && b.querySelector(".hint").checkVisibility() !== (b.querySelector(".scroll").scrollWidth > b.querySelector(".scroll").clientWidth)))`, 390, "^false$"},
	} {
		if got := browser.Eval(t, text, tt.width, tt.script); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%s: got %q, want %s", tt.name, got, tt.want)
		}
	}
}

// TestForestShows: the band of alignment, the interval with its ends, and the other
// forms apart from it.
func TestForestShows(t *testing.T) {
	one := branch{name: "a change", text: "+3", value: 3, low: 2, high: 4}
	banded := one
	banded.band, banded.bandLow, banded.bandHi = true, 1, 9
	for _, tt := range []struct {
		name                  string
		rows                  []branch
		align                 float64
		shades, lines, dashed int
	}{
		{"an interval", []branch{one}, 0, 0, 3, 0}, // with its ends
		{"with alignment", []branch{one}, 1, 1, 3, 0},
		{"with other forms", []branch{banded}, 1, 1, 3, 1},
		{"not measured", []branch{one, {name: "other", text: "not measured", none: true}}, 1, 1, 3, 0},
	} {
		p, err := drawForest(tt.rows, "title", "caption", "cycles", tt.align)
		if err != nil {
			t.Fatal(err)
		}
		svg := string(p.SVG)
		for _, count := range []struct {
			what      string
			got, want int
		}{
			{"bands", strings.Count(svg, `fill="var(--shade)"`), tt.shades},
			{"lines", strings.Count(svg, `fill="none" stroke="var(--c1)"`), tt.lines},
			{"dashed lines", strings.Count(svg, "stroke-dasharray"), tt.dashed},
		} {
			if count.got != count.want {
				t.Errorf("%s: %d %s, want %d\n%s", tt.name, count.got, count.what, count.want, svg)
			}
		}
	}
}

// TestEveryVariant: each plot of variants has all variants of the study, and each plot
// of changes all changes, whether they were measured or not.
func TestEveryVariant(t *testing.T) {
	list := study.Mail().Variants()
	var variants, changes []string
	for _, v := range list {
		variants = append(variants, study.Mail().Title(v.Name))
	}
	for _, c := range study.Mail().Changes {
		changes = append(changes, c.Key)
	}
	figures := regexp.MustCompile(`(?s)<figure><h3>(.*?)</h3>(.*?)</figure>`).FindAllStringSubmatch(written(t), -1)
	if len(figures) == 0 {
		t.Fatal("no plot")
	}
	for _, f := range figures {
		var texts []string
		for _, m := range regexp.MustCompile(`<text [^>]*>([^<]*)</text>`).FindAllStringSubmatch(f[2], -1) {
			texts = append(texts, html.UnescapeString(m[1]))
		}
		want := changes
		if slices.Contains(texts, variants[0]) {
			want = variants
		}
		for _, name := range want {
			if !slices.Contains(texts, name) {
				t.Errorf("%s: no %s", f[1], name)
			}
		}
	}
}
