package trace

import (
	"debug/elf"
	"errors"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/gdb"
)

// gone is a stub whose machine takes a breakpoint and ends.
type gone struct{ strings.Reader }

func (*gone) Write(p []byte) (int, error) { return len(p), nil }

// toy is an image: an entry with a label, a thunk, a handler, in 16 bytes each.
func toy() *image {
	var list []elf.Symbol
	for i, name := range []string{"entry_SYSCALL_64.v", "thunk", handler, "other"} {
		list = append(list, elf.Symbol{Name: name, Value: layout.KernelBase + uint64(16*i), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)})
	}
	return newImage(append(list, elf.Symbol{Name: "out", Value: layout.KernelBase + 8}))
}

func TestAttribute(t *testing.T) {
	for _, row := range []struct {
		name                 string
		steps                []int
		entry, handler, exit int
		err                  string
	}{
		{"plain", []int{0, 1, 2, 32, 33, 8, 9}, 4, 2, 2, ""},
		{"through a thunk", []int{0, 1, 16, 17, 32, 33, 8}, 5, 2, 1, ""},
		{"a function called before the handler", []int{0, 16, 17, 1, 32, 8, 9, 10}, 5, 1, 3, ""},
		{"a dispatch that is left, too", []int{0, 48, 49, 32, 33, 50, 1, 2}, 4, 2, 3, ""},
		{"an exit in another function", []int{0, 1, 32, 33, 48}, 3, 2, 1, ""},
		{"no handler", []int{0, 1, 2}, 3, 0, 1, ""},
		{"no return", []int{0, 1, 32, 33}, 0, 0, 0, "does not come back"},
	} {
		steps := make([]Step, len(row.steps))
		for i, off := range row.steps {
			steps[i].Addr = layout.KernelBase + uint64(off)
		}
		c := Call{Variant: "v"}
		err := c.attribute(steps, toy())
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%s: error is %v, want %q in it", row.name, err, row.err)
			}
			continue
		}
		if got := [3]int{c.Entry, c.Handler, c.Exit}; err != nil || got != [3]int{row.entry, row.handler, row.exit} {
			t.Errorf("%s: phases are %v and %v, want %d, %d, %d", row.name, got, err, row.entry, row.handler, row.exit)
		}
		all := 0
		for _, p := range c.Places {
			all += p.Count
		}
		if all != c.Total() {
			t.Errorf("%s: %d instructions at places, %d in phases", row.name, all, c.Total())
		}
	}
	if fn, start, label := toy().place(layout.KernelBase + 9); fn != "entry_SYSCALL_64.v" || start != layout.KernelBase || label != "out" {
		t.Errorf("place is %s, %s", fn, label)
	}
	f := follower{gdb.New(&gone{*strings.NewReader("+$OK#9a+$W00#b7")}), 1, nil}
	if err := f.follow(make([]Path, 1), false); !errors.Is(err, gdb.ErrEnded) {
		t.Errorf("a machine that ends early: error is %v", err)
	}
}
