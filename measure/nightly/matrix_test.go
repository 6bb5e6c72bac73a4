package nightly

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMatrixErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"an unknown key", "verify = true\nsubjcts = []\n", `m.toml:2: no key "subjcts": did you mean subjects? want subjects, base`},
		{"an unknown subject", "engines = [\"static\"]\nsubjects = [\n  \"linux-6.2\",\n]\n", `m.toml:3: variant "linux-6.2": no such preset: did you mean linux-6.12?`},
		{"a subject twice", "subjects = [\"linux-4.1\", \"linux-4.1\"]\n", "m.toml:1: subject \"linux-4.1\" is listed twice"},
		{"an unknown base", "base = \"linux-3\"\n", "m.toml:1: "},
		{"an unknown engine", "\nengines = [\"icuont\"]\n", `m.toml:2: no engine "icuont": did you mean icount?`},
		{"an engine twice", "engines = [\"static\", \"static\"]\n", "is listed twice"},
		{"an unknown machine", "machines = [\"q53\"]\n", `m.toml:1: no machine "q53": did you mean q35?`},
		{"no subjects", "subjects = []\n", "no subjects"},
		{"no engines", "engines = []\n", "no engines"},
		{"a host without a name", "hosts = [\"\"]\n", "m.toml:1: a host without a name"},
		{"a host twice", "\nhosts = [\"EPYC\", \"EPYC\"]\n", `m.toml:2: host "EPYC" is listed twice`},
		{"no boots", "boots = 0\n", "boots is 0"},
		{"no TOML", "subjects: all\n", "m.toml:1: "},
		{"a wrong type", "\nverify = \"yes\"\n", "m.toml:2: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseMatrix("m.toml", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestCells has a cell for each subject of an engine that counts, and one for a
// comparison.
func TestCells(t *testing.T) {
	m, err := ParseMatrix("m.toml", []byte(`
subjects = ["linux-4.1", "linux-6.12"]
engines = ["static", "icount", "replay"]
machines = ["microvm", "pc"]
hosts = ["EPYC 7763", "Xeon"]
`))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := m.Cells()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cells {
		got = append(got, c.Name)
	}
	want := []string{
		"static linux-4.1", "static linux-6.12",
		"icount microvm max linux-4.1", "icount microvm max linux-6.12", "icount pc max linux-4.1", "icount pc max linux-6.12",
		"replay on EPYC 7763 against linux-3.19", "replay on Xeon against linux-3.19",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if base := cells[6].Subjects[0].Name; base != "linux-3.19" || len(cells[6].Subjects) != 3 {
		t.Errorf("the comparison is of %d subjects with %s", len(cells[6].Subjects), base)
	}
	seen := map[string]int{}
	for i := range 3 {
		for _, c := range Shard(cells, i+1, 3) {
			seen[c.Name]++
		}
	}
	for _, name := range want {
		if seen[name] != 1 {
			t.Errorf("%s is in %d shards", name, seen[name])
		}
	}
}

func TestDefault(t *testing.T) {
	cells, err := Default().Cells()
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) < 3*15 {
		t.Errorf("%d cells", len(cells))
	}
}
