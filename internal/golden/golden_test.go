package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// failed is a test that only says whether it failed.
type failed struct {
	testing.TB
	bad bool
}

func (f *failed) Helper()               {}
func (f *failed) Errorf(string, ...any) { f.bad = true }
func (f *failed) Fatalf(string, ...any) { f.bad = true; panic(f) }
func (f *failed) Fatal(...any)          { f.bad = true; panic(f) }

func same(path, got string) (bad bool) {
	f := &failed{}
	defer func() {
		if r := recover(); r != nil && r != any(f) {
			panic(r)
		}
		bad = f.bad
	}()
	Same(f, path, got)
	return f.bad
}

func TestSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.golden")
	if !same(path, "a\n") {
		t.Error("a file that is not there is what is wanted")
	}
	*Update = true
	bad := same(path, "a\n")
	*Update = false
	if text, err := os.ReadFile(path); bad || err != nil || string(text) != "a\n" {
		t.Errorf("-update writes %q, %v", text, err)
	}
	if same(path, "a\n") {
		t.Error("the same is another")
	}
	if !same(path, "b\n") {
		t.Error("another is the same")
	}
}
