package control

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
)

func TestOpenOnLinux(t *testing.T) {
	k, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if !k.Linux || len(k.Variants) != 1 || k.Variants[0].Name != "linux" {
		t.Errorf("got %+v, want the one entry path of Linux", k)
	}
	if err := k.Select(0); err != nil {
		t.Errorf("select on Linux: %v", err)
	}
	if _, err := k.Stats(); err == nil {
		t.Error("Linux answers the control call for counts")
	}
}

func TestFind(t *testing.T) {
	k := &Kernel{Variants: []Variant{{Name: "bare"}, {Name: "linux-3.19", Index: 1}, {Name: "linux-3.19+a", Index: 2}}}
	for _, row := range []struct{ name, names, want, err string }{
		{"one", "linux-3.19", "linux-3.19", ""},
		{"in the given order", "linux-3.19+a,bare", "linux-3.19+a bare", ""},
		{"all", "", "bare linux-3.19 linux-3.19+a", ""},
		{"unknown", "linux-3.19,nobody", "", `no such variant: "nobody"; the kernel has bare, linux-3.19, linux-3.19+a`},
		{"empty", "linux-3.19,", "", `no such variant: ""; the kernel has bare, linux-3.19, linux-3.19+a`},
	} {
		var asked []string
		if row.names != "" {
			asked = strings.Split(row.names, ",")
		}
		found, err := k.Find(asked)
		var names []string
		for _, v := range found {
			names = append(names, v.Name)
		}
		if got := strings.Join(names, " "); got != row.want || (err == nil) != (row.err == "") || err != nil && err.Error() != row.err {
			t.Errorf("%s: got %q and %v, want %q and %q", row.name, got, err, row.want, row.err)
		}
	}
}

func TestText(t *testing.T) {
	if got := text([]layout.Word{0x332d_7875_6e69_6c, 0}); got != "linux-3" {
		t.Errorf("got %q, want linux-3", got)
	}
	if got := text([]layout.Word{0x6161_6161_6161_6161}); got != "aaaaaaaa" {
		t.Errorf("a name without a zero is %q", got)
	}
}
