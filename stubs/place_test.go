package stubs

import (
	"strings"
	"testing"
)

func TestParsePlace(t *testing.T) {
	for _, tt := range []struct {
		name, variant string
		want          EntryPlace
		err           string
	}{
		{"a preset", "linux-4.1@16", EntryPlace{64, 16}, ""},
		{"changed", "linux-3.19+a@0", EntryPlace{64, 0}, ""},
		{"none", "linux-4.1", EntryPlace{}, ""},
		{"beyond the line", "linux-4.1@64", EntryPlace{}, "no place @64: want @0 to @63"},
		{"no number", "linux-4.1@x", EntryPlace{}, "no place @x"},
		{"nothing", "linux-4.1@", EntryPlace{}, "no place @: want"},
		{"below", "linux-4.1@-1", EntryPlace{}, "no place @-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := ParseVariant(tt.variant)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %q in it", err, tt.err)
				}
				return
			}
			if err != nil || n.Place != tt.want || n.Name != tt.variant {
				t.Errorf("%s at %+v, error %v, want %+v", n.Name, n.Place, err, tt.want)
			}
		})
	}
}

func TestBehind(t *testing.T) {
	for _, tt := range []struct{ offset, off, want int }{{0, 0, 0}, {16, 0, 16}, {0, 16, 48}, {0, 200, 56}, {63, 64, 63}} {
		if got := (EntryPlace{64, tt.offset}).Behind(tt.off); got != tt.want {
			t.Errorf("to be at +%d, %d bytes into it: %d, want %d", tt.offset, tt.off, got, tt.want)
		}
	}
}
