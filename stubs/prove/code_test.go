package prove

import (
	"testing"

	"github.com/entrylab/entrylab/stubs"
)

// TestCode tells code apart.
func TestCode(t *testing.T) {
	hash := func(text string) string {
		t.Helper()
		n, err := stubs.ParseVariant(text)
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := Code(n)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	base := hash("linux-3.19")
	for _, tt := range []struct {
		name, variant string
		same          bool
	}{
		{"the same again", "linux-3.19", true},
		{"another, with an axis changed", "linux-4.1+exit=iret", false},
		{"another preset", "linux-4.1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hash(tt.variant); (got == base) != tt.same {
				t.Errorf("the hash is %s, that of linux-3.19 %s", got, base)
			}
		})
	}
}
