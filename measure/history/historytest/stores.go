package historytest

import (
	"path/filepath"
	"testing"
)

// Kind is a kind of store.
type Kind struct {
	Name string
	// New returns the URL of a new store, which ends with the test.
	New func(testing.TB) string
}

// Kinds returns all kinds of stores, with a server for the test.
func Kinds(t testing.TB) []Kind {
	t.Helper()
	return Start(t).Kinds()
}

// Databases returns the kinds that are databases, with a server for the test.
func Databases(t testing.TB) []Kind {
	t.Helper()
	return Kinds(t)[1:]
}

// Kinds returns all kinds of stores.
func (s *Server) Kinds() []Kind {
	return []Kind{
		{"folder", func(t testing.TB) string { return filepath.Join(t.TempDir(), "nights") }},
		{"sqlite", func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "a file?.db") }},
		{"postgres", s.Database},
	}
}
