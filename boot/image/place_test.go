package image

import (
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
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

// TestCopies: an image for several boots has its variants several times, as far as there is
// room, and at other places of cache lines and pages.
func TestCopies(t *testing.T) {
	n, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	var presets []stubs.Variant
	for _, p := range stubs.Presets() {
		presets = append(presets, p.Variant)
	}
	edited := n
	edited.Edit = func(*asm.Program) error { return nil }
	for _, tt := range []struct {
		name   string
		list   []stubs.Variant
		boots  int
		copies func(int) bool
	}{
		{"no series", []stubs.Variant{n}, 0, func(n int) bool { return n == 1 }},
		{"three boots", []stubs.Variant{n}, 3, func(n int) bool { return n == 3 }},
		{"a hundred boots", []stubs.Variant{n}, 100, func(n int) bool { return n == maxCopies }},
		{"all presets", presets, 8, func(n int) bool { return n >= 1 && n < 8 }},
		{"an edited one", []stubs.Variant{edited}, 8, func(n int) bool { return n == 1 }},
	} {
		built, err := Build(Config{Variants: tt.list, Boots: tt.boots})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		places := map[uint64]bool{}
		copies := 0
		for ; ; copies++ {
			at, ok := built.Object.Addr(tt.list[0].FuncName(stubs.Entry) + stubs.CopyName(copies))
			if !ok {
				break
			}
			places[at%layout.PageSize] = true
		}
		if !tt.copies(copies) || len(places) != copies {
			t.Errorf("%s: %d copies at %d places of a page", tt.name, copies, len(places))
		}
	}
}
