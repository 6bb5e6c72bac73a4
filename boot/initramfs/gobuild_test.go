package initramfs

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGoBuild(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if err := GoBuild(t.Context(), "testdata", "./hello", one); err != nil {
		t.Fatal(err)
	}
	// The caller's settings must not reach the program.
	t.Setenv("GOFLAGS", "-ldflags=-X=main.x=y")
	t.Setenv("GOARCH", "arm64")
	t.Setenv("CGO_ENABLED", "1")
	if err := GoBuild(t.Context(), "testdata/hello", ".", two); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(two)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("two builds differ: %d and %d bytes", len(first), len(second))
	}
	if _, err := ReadInit(t.Context(), one); err != nil {
		t.Error(err)
	}
	f, err := elf.NewFile(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if f.Section(".symtab") != nil {
		t.Error("the program has a symbol table")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left in the folder: %v, want only the two programs", entries)
	}
}

func TestGoBuildErrors(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	if err := os.WriteFile(old, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		ctx  context.Context
		pkg  string
		out  string
		path string // PATH, if not the caller's
		want string
	}{
		{name: "no such package", ctx: t.Context(), pkg: "./nowhere", out: old, want: "go build ./nowhere: "},
		{name: "no main package", ctx: t.Context(), pkg: "..", out: old, want: "is it package main?"},
		{name: "no folder", ctx: t.Context(), pkg: "./hello", out: filepath.Join(dir, "no/out"), want: "cannot write " + dir},
		{name: "no go", ctx: t.Context(), pkg: "./hello", out: old, path: dir, want: "go not found: install Go"},
		{name: "cancelled", ctx: cancelled, pkg: "./hello", out: old, want: "go build ./hello: context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.path != "" {
				t.Setenv("PATH", tt.path)
			}
			err := GoBuild(tt.ctx, "testdata", tt.pkg, tt.out)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("GoBuild = %v, want error with %q", err, tt.want)
			}
			if kept, _ := os.ReadFile(old); string(kept) != "kept" {
				t.Error("the old file was touched")
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("left in the folder: %v, want only the old file", entries)
			}
		})
	}
}
