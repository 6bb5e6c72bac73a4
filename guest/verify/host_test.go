package verify

import (
	"bytes"
	"regexp"
	"runtime"
	"testing"

	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
)

// TestHost runs every check on the kernel under the test, which is Linux, and on
// its hypervisor, and prints what they find: both are somebody else's. That the
// checks pass on Linux is tested on a kernel that is known, in a machine
// (vmtests); here each must come to an outcome.
func TestHost(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k, err := control.Open()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	p := lines.New(&text)
	for _, v := range k.Variants {
		Run(p, k, v, "", 1)
	}
	p.Summary()
	t.Log("\n" + text.String())
	for _, g := range groups {
		for _, c := range g.checks {
			name := regexp.QuoteMeta(k.Variants[0].Name + ": " + g.name + ": " + c.name)
			if g.of == nil && !regexp.MustCompile(`(?m)^(PASS|FAIL|SKIP|ERROR): `+name+`( \(|$)`).Match(text.Bytes()) {
				t.Errorf("%s came to no outcome", name)
			}
		}
	}
}
