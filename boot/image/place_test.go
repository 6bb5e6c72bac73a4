package image

import (
	"testing"

	"github.com/entrylab/entrylab/stubs"
)

// TestPlace: an entry begins where its variant says, wherever the others lie.
func TestPlace(t *testing.T) {
	var list []stubs.Variant
	for i, offset := range []int{0, 1, 16, 33, 63} {
		n, err := stubs.ParseVariant([]string{"linux-3.19", "linux-4.1", "linux-4.6", "heukelum-v2", "linux-6.12"}[i])
		if err != nil {
			t.Fatal(err)
		}
		n.Place = stubs.EntryPlace{Align: 64, Offset: offset}
		list = append(list, n)
	}
	for placement := range uint64(3) {
		built, err := Build(Config{Variants: list, Placement: placement})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			if at, ok := built.Object.Addr(n.FuncName(stubs.Entry)); !ok || int(at%64) != n.Place.Offset {
				t.Errorf("placement %d: %s begins at %#x, want +%d of a line", placement, n.Name, at, n.Place.Offset)
			}
		}
	}
	list[0].Place = stubs.EntryPlace{Align: 48}
	if _, err := Build(Config{Variants: list}); err == nil {
		t.Error("an alignment of 48 is no error")
	}
}
