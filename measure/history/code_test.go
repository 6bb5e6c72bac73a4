package history

import (
	"slices"
	"testing"
)

// TestDiffCode: lines that came and went are told, with those around them, and no names
// of files.
func TestDiffCode(t *testing.T) {
	for _, tt := range []struct {
		name, was, is string
		want          []string
	}{
		{"equal", "SWAPGS\nPUSHQ RAX\n", "SWAPGS\nPUSHQ RAX\n", nil},
		{"one more", "SWAPGS\nSYSRETQ\n", "SWAPGS\nNOP\nSYSRETQ\n", []string{"@@ -1,2 +1,3 @@", " SWAPGS", "+NOP", " SYSRETQ"}},
		{"one less", "SWAPGS\nNOP\n", "SWAPGS\n", []string{"@@ -1,2 +1,1 @@", " SWAPGS", "-NOP"}},
	} {
		if got := DiffCode(tt.was, tt.is); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
