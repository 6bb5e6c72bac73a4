package verify

import (
	"strings"
	"testing"
)

func TestKnown(t *testing.T) {
	for _, tt := range []struct {
		name, group, err string
	}{
		{"all", "", ""},
		{"one", "signals", ""},
		{"of two words", "page tables", ""},
		{"none", "signal", `no such group of checks: "signal"; there are `},
	} {
		switch err := Known(tt.group); {
		case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.err)
		}
	}
}
