package bounded

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// unbounded are the files with reads that are not of this package, and what they
// read: nothing that a user names.
var unbounded = map[string]string{
	"boot/initramfs/guest.go":                 "the embedded guest, up to maxGuest",
	"measure/history/historytest/postgres.go": "what /proc says of the test's server",
}

// TestReads: what a command reads is read by this package, or is known not to be
// the user's.
func TestReads(t *testing.T) {
	reads := regexp.MustCompile(`\b(os\.(ReadFile|Open)|io\.ReadAll)\(`)
	module := os.DirFS("../..")
	for _, dir := range []string{"cmd", "measure", "boot", "gen", "stubs"} {
		err := fs.WalkDir(module, dir, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path.Base(name) == "testdata":
				return fs.SkipDir
			case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			source, err := fs.ReadFile(module, name)
			if at := reads.Find(source); at != nil && unbounded[name] == "" {
				t.Errorf("%s: %s...): read it by a bounded.Kind", name, at)
			} else if at == nil && unbounded[name] != "" {
				t.Errorf("%s reads nothing any more", name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
