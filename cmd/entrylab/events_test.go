package main

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// TestVerifyEventsSkipped: a variant that no machine of this host can run is skipped, and
// what verifies nothing has no good end.
func TestVerifyEventsSkipped(t *testing.T) {
	need.QEMU(t)
	status, out, said := played(t, "verify", "-events", "-variants", "linux-6.12-alderlake")
	const skip, end = "SKIP: linux-6.12-alderlake: no emulated CPU has BHI_CTRL\n", "entrylab verify: no variant ran: each SKIP says why\n"
	if status != exitError || !strings.Contains(out, skip) || said != end {
		t.Errorf("status %d, want %q and %q in:\n%s%s", status, skip, end, out, said)
	}
}
