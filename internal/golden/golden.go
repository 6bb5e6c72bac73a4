// Package golden compares what tests make with files of the repository and, with -update,
// writes these files again.
package golden

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Update is the flag -update: write the files instead of comparing with them. Most tests
// call Same; a test whose golden file is more than one text of its own looks at the flag.
var Update = flag.Bool("update", false, "write the golden files anew; review the difference")

// Same compares a text with the golden file at path, or with -update writes it.
func Same(t testing.TB, path, got string) {
	t.Helper()
	if *Update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("not as in %s; if it is meant so, run with -update and review (-want +got):\n%s", path, diff)
	}
}
