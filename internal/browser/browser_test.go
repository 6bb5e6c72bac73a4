package browser

import (
	"strings"
	"testing"
)

// TestProblems: what is wrong with a page is found.
func TestProblems(t *testing.T) {
	const page = `<!DOCTYPE html><body style="margin:0">`
	problems := strings.Join(Problems(t, map[string]string{
		"good":   page + "good",
		"wide":   page + `<p style="width:700px">wide</p>`,
		"script": page + `<script>missing()</script>`,
	}), "\n")
	for _, want := range []string{"wide at 390 pixels: the page is 7", "missing is not defined"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no problem %q in\n%s", want, problems)
		}
	}
	for _, not := range []string{"good at", "wide at 800", "script at"} {
		if strings.Contains(problems, not) {
			t.Errorf("a problem %q in\n%s", not, problems)
		}
	}
}

func TestEval(t *testing.T) {
	const page = `<!DOCTYPE html><p id="a">x</p><script>let seen = document.getElementById("a").innerText</script>`
	if got := Eval(t, page, 390, `seen + innerWidth + "\"<"`); got != `x390"<` {
		t.Errorf("%q", got)
	}
}
