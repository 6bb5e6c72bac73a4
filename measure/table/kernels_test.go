package table

import (
	"bytes"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/golden"
)

// TestVulnerabilities: what kernels say about the CPU has a line for each that says
// something else, and one together for what no kernel is affected by; and of many checks
// that are skipped for one reason there is one line.
func TestVulnerabilities(t *testing.T) {
	c := finished(t, vm.ICount, counted, "linux-3.19", "heukelum-v2")
	say := func(states ...string) (list []wire.Vulnerability) {
		for i, name := range []string{"mds", "meltdown", "retbleed", "tsa"} {
			if states[i] != "" {
				list = append(list, wire.Vulnerability{Name: name, State: states[i]})
			}
		}
		return list
	}
	c.Vulnerabilities = map[string][]wire.Vulnerability{
		"linux-3.19":  say(notAffected, "Mitigation: PTI", "Vulnerable", ""),
		"heukelum-v2": say(notAffected, "Mitigation: PTI", "Mitigation: untrained return thunk", notAffected),
	}
	for range fewSkips + 1 {
		c.Checks = append(c.Checks, wire.Check{Outcome: wire.Skip, Name: "linux-3.19: many", Detail: "as an example"})
	}
	var b bytes.Buffer
	if err := Compared(c, nil, false).Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	golden.Same(t, "testdata/compare-kernels.golden", b.String())
}

// TestBesideLinux: a variant beside a Linux kernel has a line that says what can be held
// against what; and neither two variants nor two kernels have it.
func TestBesideLinux(t *testing.T) {
	for _, row := range []struct {
		names []string
		want  string
	}{
		{[]string{"linux-3.19", "heukelum-v2"}, ""},
		{[]string{"Linux 6.12.1", "Linux 6.12.2"}, ""},
		{[]string{"linux-3.19", "Linux 6.12.1"}, "linux-3.19"},
		{[]string{"Linux 6.12.1", "Linux 6.12.2", "linux-4.1"}, "linux-4.1"},
	} {
		var b bytes.Buffer
		if err := Compared(finished(t, vm.ICount, counted, row.names...), nil, false).Write(&b, "text"); err != nil {
			t.Fatal(err)
		}
		const line = " runs on entrylab's own small kernel"
		if got := strings.Contains(b.String(), line); got != (row.want != "") || got && !strings.Contains(b.String(), "\n"+row.want+line) {
			t.Errorf("%v: want the line of %q in\n%s", row.names, row.want, b.String())
		}
	}
}
