package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
)

// TestBenchMail: a mail has the figures of compare, in 72 columns, and the command that
// makes it again.
func TestBenchMail(t *testing.T) {
	need.QEMU(t)
	variants := []string{"linux-3.19", "linux-6.12+dispatch=table+nospec=none+kstack=none+exitwork=inlined+nops=none"}
	status, mail, stderr := played(t, append([]string{"bench-mail", "-engines", "icount,static"}, variants...)...)
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for line := range strings.Lines(mail) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > table.MailWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	words := strings.Join(strings.Fields(mail), " ")
	for _, name := range []string{"icount", "static"} {
		status, text, stderr := played(t, append([]string{"compare", "-engine", name, "-format", "json"}, variants...)...)
		if status != 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
		var compared struct{ Measures []table.Measure }
		if err := json.Unmarshal([]byte(text), &compared); err != nil {
			t.Fatal(err)
		}
		base, found := map[string]float64{}, 0
		for _, m := range compared.Measures {
			if m.Variant == variants[0] {
				base[m.Op] = m.Median
			}
			if m.Variant != variants[1] || strings.Contains(m.Op, "/") {
				continue
			}
			short := engine.OperationOf(m.Op).Short
			want := fmt.Sprintf("%s %g %g %+g", short, base[m.Op], m.Median, m.Difference.Mean)
			if m.Difference.Mean == 0 {
				want = fmt.Sprintf("%s %g %g 0", short, base[m.Op], m.Median)
			}
			if found++; !strings.Contains(words, want) {
				t.Errorf("%s: no %q in\n%s", name, want, mail)
			}
		}
		if found < 8 {
			t.Errorf("%s: compare has %d figures", name, found)
		}
	}
	if want := "entrylab bench-mail -engines icount,static linux-3.19"; !strings.Contains(words, want) {
		t.Errorf("no %q in\n%s", want, mail)
	}
}

func TestBenchMailBadInput(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"one variant", []string{"linux-3.19"}, "want two subjects, before and after, got 1"},
		{"the same", []string{"linux-4.1", "linux-4.1"}, "named twice"},
		{"no such engine", []string{"-engines", "icuont", "linux-3.19", "linux-4.1"}, "did you mean icount?"},
		{"no such variant", []string{"linux-3.19", "linux-4.11"}, "no such preset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, append([]string{"bench-mail"}, tt.args...)...)
			if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q; want one line with %q", status, stdout, stderr, tt.want)
			}
		})
	}
}
