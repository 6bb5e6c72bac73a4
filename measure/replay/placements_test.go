package replay

import (
	"testing"
	"time"
)

// TestPlacements: words of the CPU and of the thread that a path looks at are in order
// where another placement had something else.
func TestPlacements(t *testing.T) {
	r, err := Prepare(Config{
		Variants: named(t, "linux-3.19", axes[len(axes)-1]), Budget: 400 * time.Millisecond, Processes: 1, Seed: 1, tamper: trim,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sampleAll(t.Context()); err != nil {
		t.Error(err)
	}
}
