package history

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/history/historytest"
)

// TestNewer refuses what a newer entrylab wrote.
func TestNewer(t *testing.T) {
	for _, tt := range historytest.Kinds(t) {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			url := tt.New(t)
			s := open(t, url)
			switch s := s.(type) {
			case *folder:
				if _, err := s.f.WriteString(`{"format":"entrylab-history/2"}` + "\n"); err != nil {
					t.Fatal(err)
				}
			case *database:
				if _, err := s.db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Open(t.Context(), url); err == nil || !strings.HasSuffix(err.Error(), "use the newer entrylab") || !strings.HasPrefix(err.Error(), "history: "+s.Name()) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestFolderDamage keeps what is good of a damaged file and names the line.
func TestFolderDamage(t *testing.T) {
	for _, tt := range []struct{ name, more, want string }{
		{"a cut-off line", `{"format":"entryl`, ""},
		{"no JSON", "hello\n", "results.jsonl:2: "},
		{"no entry", `{"format":"entrylab/1"}` + "\n", "results.jsonl:2: "},
		{"a long line", strings.Repeat("x", mostLine+2) + "\n", "results.jsonl:2: "},
		{"two in one line", strings.TrimSuffix(line(t, count(2, "a", 2)), "\n") + line(t, count(3, "a", 2)), "results.jsonl:2: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, folderFile), []byte(line(t, count(1, "a", 1))+tt.more), 0o644); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), dir)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error is %v, want %q in it", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Append(t.Context(), count(2, "a", 2)); err != nil {
				t.Fatal(err)
			}
			if got := entries(t, s, Query{}); len(got) != 2 {
				t.Errorf("it has %v", got)
			}
		})
	}
}

func line(t *testing.T, e Entry) string {
	t.Helper()
	b, err := e.line()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRemoved: a store that is removed or replaced while it is open takes nothing that
// would be lost with it.
func TestRemoved(t *testing.T) {
	for _, tt := range []struct{ name, url, file string }{
		{"folder", "nights", "nights/" + folderFile},
		{"sqlite", "sqlite:lab.db", "lab.db"},
	} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, replaced %v", tt.name, replaced), func(t *testing.T) {
				t.Chdir(t.TempDir())
				s := open(t, tt.url)
				if err := s.Append(t.Context(), count(1, "a", 1)); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(tt.file, "old"); err != nil {
					t.Fatal(err)
				}
				if replaced {
					if err := os.WriteFile(tt.file, nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Append(t.Context(), count(2, "a", 1)); err == nil || !strings.HasPrefix(err.Error(), "history: "+s.Name()) || !strings.Contains(err.Error(), "removed or replaced") {
					t.Errorf("error is %v", err)
				}
				if err := os.Rename("old", tt.file); err != nil {
					t.Fatal(err)
				}
				if got := entries(t, s, Query{}); len(got) != 1 {
					t.Errorf("it has %v", got)
				}
			})
		}
	}
}

// many returns entries that fill some pages of a database.
func many() []Entry {
	var all []Entry
	for n := range 1000 {
		all = append(all, count(n, "a", float64(n)))
	}
	return all
}

// wantDamage wants that reading all entries ends with an error that has these words.
func wantDamage(t *testing.T, s Store, words string) {
	t.Helper()
	var failed error
	n := 0
	for _, err := range s.Entries(t.Context(), Query{}) {
		if failed = err; err == nil {
			n++
		}
	}
	if failed == nil || !strings.HasPrefix(failed.Error(), "history: "+s.Name()+": ") || !strings.Contains(failed.Error(), words) {
		t.Errorf("after %d entries the error is %v, want %q in it", n, failed, words)
	}
}

// TestRowDamage: a row that is no entry is told, in both kinds of databases.
func TestRowDamage(t *testing.T) {
	for _, tt := range historytest.Databases(t) {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			s := open(t, tt.New(t))
			if err := s.Append(t.Context(), many()...); err != nil {
				t.Fatal(err)
			}
			if got := entries(t, s, Query{}); len(got) != 1000 {
				t.Fatalf("%d entries", len(got))
			}
			if _, err := s.(*database).db.ExecContext(t.Context(), `UPDATE entries SET body = 'hello' WHERE night = '2026-03-01'`); err != nil {
				t.Fatal(err)
			}
			wantDamage(t, s, "a damaged entry")
		})
	}
}

// TestPageDamage: a page of SQLite's file that something wrote over is told.
func TestPageDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	s := open(t, "sqlite:"+path)
	if err := s.Append(t.Context(), many()...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	writeOver(t, path, 20*4096)
	wantDamage(t, open(t, "sqlite:"+path), ".recover")
}

// writeOver writes something over a part of a file.
func writeOver(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() < at+4096 {
		t.Fatalf("%s is too short (%v)", path, err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), at); err != nil {
		t.Fatal(err)
	}
}
