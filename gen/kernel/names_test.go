package kernel

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestNames checks that functions and data are named by their declarations:
// only labels of the same function are strings.
func TestNames(t *testing.T) {
	functions := map[string]bool{}
	for _, f := range Body().Funcs {
		functions[f.Name] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, pos := range named(t, file, nil, functions) {
			t.Errorf("%s: a string names a function or data", pos)
		}
	}
}

func TestNamesFinds(t *testing.T) {
	src := `package p
var (
	a = CALL("f")
	b = JNE("f")
	c = JNE("label")
	d = Sym("x")
	e = PTR("x")
)`
	if got := named(t, "p.go", src, map[string]bool{"f": true}); len(got) != 4 {
		t.Errorf("found %v, want lines 3, 4, 6 and 7", got)
	}
}

// named returns the places where a file names functions or data by strings.
func named(t *testing.T, path string, src any, functions map[string]bool) (found []token.Position) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		op, ok := call.Fun.(*ast.Ident)
		lit, isLit := call.Args[0].(*ast.BasicLit)
		if !ok || !isLit || lit.Kind != token.STRING {
			return true
		}
		name, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case op.Name == "CALL", op.Name == "Sym", op.Name == "PTR", strings.HasPrefix(op.Name, "J") && functions[name]:
			found = append(found, fset.Position(lit.Pos()))
		}
		return true
	})
	return found
}
