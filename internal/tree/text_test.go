package tree

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// matchers are the packages whose functions look for something in a text, and
// the methods that do.
var (
	matchers       = []string{"strings", "bytes", "regexp"}
	matcherMethods = []string{"MatchString", "FindString", "FindStringSubmatch", "FindAllString", "ReplaceAllString"}
)

// matchesText lists the places of a file that look for something in how a row of
// a listing prints: its instruction's String or Short is compared, is a key, or is
// searched. A row has the instruction itself (asm.Ins), and so has a variable in if
// inIsIns is set.
func matchesText(fset *token.FileSet, f *ast.File, inIsIns bool) (places []string) {
	report := func(e ast.Expr) {
		ast.Inspect(e, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && rendered(call, inIsIns) {
				places = append(places, fset.Position(n.Pos()).String())
			}
			return true
		})
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				report(n.X)
				report(n.Y)
			}
		case *ast.IndexExpr:
			report(n.Index)
		case *ast.SwitchStmt:
			if n.Tag != nil {
				report(n.Tag)
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				break
			}
			pkg, _ := sel.X.(*ast.Ident)
			if pkg != nil && slices.Contains(matchers, pkg.Name) || slices.Contains(matcherMethods, sel.Sel.Name) {
				for _, arg := range n.Args {
					report(arg)
				}
			}
		}
		return true
	})
	slices.Sort(places)
	return slices.Compact(places) // one in both of two expressions is found twice
}

// rendered reports whether a call prints an instruction: Short of anything, which
// no other type has, or String of what is named Ins or in.
func rendered(call *ast.CallExpr, inIsIns bool) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) > 0 {
		return false
	}
	switch x := sel.X.(type) {
	case *ast.Ident:
		return sel.Sel.Name == "Short" && x.Name != "testing" || sel.Sel.Name == "String" && x.Name == "in" && inIsIns
	case *ast.SelectorExpr:
		return sel.Sel.Name == "Short" || sel.Sel.Name == "String" && x.Sel.Name == "Ins"
	}
	return sel.Sel.Name == "Short"
}

// TestRowsAreNoText: outside of package asm, which prints rows, none is found by
// how it prints.
func TestRowsAreNoText(t *testing.T) {
	const root = "../.."
	files, readers := 0, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if d.IsDir() {
			if d.Name() == "testdata" || d.Name() == ".git" || rel == "gen/asm" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, rel, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		if strings.Contains(string(source), ".Ins.") {
			readers++
		}
		// A variable in is one of the prover's own instructions there, which it decodes.
		decoded := strings.HasPrefix(rel, "stubs/prove/")
		for _, place := range matchesText(fset, f, !decoded) {
			t.Errorf("%s matches the text of an instruction; compare the asm.Ins", place)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if readers == 0 {
		t.Errorf("of %d files none reads an instruction: the test looks in the wrong place", files)
	}
}

// TestMatchesText: each way of looking for something in a text is seen, and what
// prints a row is not.
func TestMatchesText(t *testing.T) {
	for _, tt := range []struct {
		name, code string
		want       int
	}{
		{"contains", `strings.Contains(row.Ins.String(), "sys_call_table(")`, 1},
		{"fields", `strings.Fields(row.Ins.String())`, 1},
		{"in a call in a call", `strings.HasPrefix(strings.Join(strings.Fields(r.Ins.String()), " "), "J")`, 1},
		{"regexp", `privileged.MatchString(row.Ins.Short())`, 1},
		{"equal", `row.Ins.Short() == "SYSRETQ"`, 1},
		{"not equal", `"lfence" != r.Ins.String()`, 1},
		{"key", `replaced[row.Ins.Short()]`, 1},
		{"an instruction", `strings.Contains(in.String(), "CR3")`, 1},
		{"function", `strings.Cut(all[0].Ins.Short(), " ")`, 1},
		{"switch", `func() { switch row.Ins.Short() { case "STI": } }`, 1},
		{"printed", `fmt.Sprintf("%s+%#x (%s)", l.Name, row.Off, row.Ins.Short())`, 0},
		{"width", `max(width, len(r.Ins.String()))`, 0},
		{"by value", `row.Ins.Equal(SYSRETQ())`, 0},
		{"mnemonic", `row.Ins.Mnemonic() == "CALL"`, 0},
		{"another's text", `strings.Contains(out.String(), "x")`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "x.go", fmt.Sprintf("package x\nvar _ = %s\n", tt.code), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := matchesText(fset, f, true); len(got) != tt.want {
				t.Errorf("found %v, want %d places", got, tt.want)
			}
		})
	}
}
