package cycles_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
)

// TestObjects: the results that a machine leaves as objects are the boots of its console, and
// a boot of which an object is damaged is left out.
func TestObjects(t *testing.T) {
	console := wire.Proof{Variant: "a", Verdict: "proved"}.String() + "\n" + cyclestest.Quiet(3, 20, 0).Console(rand.New(rand.NewPCG(9, 10)))
	want, damaged, err := cycles.Parse("", strings.NewReader(console))
	if err != nil || len(damaged) > 0 || len(want) != 3 {
		t.Fatalf("%d boots, damaged %q (%v)", len(want), damaged, err)
	}
	var objects []string
	for text := range strings.Lines(console) {
		line, err := wire.ParseLine(strings.TrimSuffix(text, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, wire.Object(line)+"\n")
	}
	if !cycles.IsResults([]byte(objects[0])) || cycles.IsResults([]byte(`{"time":`)) {
		t.Error("the file of results is not told from others")
	}
	series := len(objects)/3 + 3 // of the second boot
	edit := func(from, to string) func([]string) []string {
		return func(l []string) []string {
			if !strings.Contains(l[series], from) {
				t.Fatalf("there is no %s in %s", from, l[series])
			}
			l[series] = strings.Replace(l[series], from, to, 1)
			return l
		}
	}
	for _, tt := range []struct {
		name string
		edit func([]string) []string
		want string // empty: the second boot is whole
	}{
		{"nothing", func(l []string) []string { return l }, ""},
		{"a digit", edit(`"samples":20`, `"samples":21`), "the line is damaged"},
		{"a sum that is wrong", edit(`"crc":"`, `"crc":"f`), "the line is damaged"},
		{"no sum", edit(`"crc"`, `"src"`), "cut off"},
		{"a line cut in a value", func(l []string) []string { l[series] = l[series][:60] + "\n"; return l }, "cut off"},
		{"a line cut before its end", edit("}\n", "\n"), "cut off"},
		{"a line cut within its kind", func(l []string) []string { l[series] = l[series][:12] + "\n"; return l }, "12 lines of samples, 11 came"},
		{"two lines in one", edit("}\n", "}"), "cut off"},
		{"a line lost", func(l []string) []string { return slices.Delete(l, series, series+1) }, "12 lines of samples, 11 came"},
		{"a kind that is unknown", edit(wire.KindSample, "SXMPLE"), "12 lines of samples, 11 came"},
		{"a value that is null", edit(`"samples":20`, `"samples":null`), "the line is damaged"},
		{"a value that is an object", edit(`"samples":20`, `"samples":{"n":20}`), "the line is damaged"},
		{"quantiles that are no numbers", edit(`"q":[`, `"q":["x",`), "the line is damaged"},
		{"a member that is unknown", edit(`"n":`, `"m":1,"n":`), "the line is damaged"},
	} {
		path := filepath.Join(t.TempDir(), "results")
		if err := os.WriteFile(path, []byte(strings.Join(tt.edit(slices.Clone(objects)), "")), 0o600); err != nil {
			t.Fatal(err)
		}
		boots, damaged, err := cycles.ParseFiles(t.Context(), []string{path})
		if err != nil {
			t.Fatal(err)
		}
		for i := range boots {
			boots[i].Source = want[0].Source
		}
		whole := slices.Clone(want)
		for i := range whole {
			whole[i].Source = want[0].Source
		}
		if tt.want != "" {
			whole = slices.Delete(whole, 1, 2)
		}
		if diff := cmp.Diff(whole, boots); diff != "" {
			t.Errorf("%s: the boots differ from the console's:\n%s", tt.name, diff)
		}
		if got := strings.Join(damaged, "\n"); (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: damaged is %q, want %q", tt.name, got, tt.want)
		}
	}
}
