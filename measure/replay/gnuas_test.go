package replay

import (
	"testing"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs/gnuas"
)

// TestGNU: a stub in a file for GNU as is replayed as the variant is that it is
// based on: the same instructions are replaced, and the same addresses linked.
func TestGNU(t *testing.T) {
	need.Tool(t, "as")
	fence, err := gnuas.Load(t.Context(), "../../examples/fence.S")
	if err != nil {
		t.Fatal(err)
	}
	list := append(named(t, "linux-4.1"), fence)
	obj := build(t, list)
	var replaced [2][]string
	for i, n := range list {
		s, err := stubOf(obj, n.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s.replacements {
			replaced[i] = append(replaced[i], r.Ins.Mnemonic())
		}
	}
	if len(replaced[0]) == 0 || len(replaced[0]) != len(replaced[1]) {
		t.Errorf("replaced are %v of the variant, %v of the file", replaced[0], replaced[1])
	}
	if err := once(t, list, nil); err != nil {
		t.Error(err)
	}
}
