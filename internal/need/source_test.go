package need

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// goFiles parses every Go file of the module but this package's own.
func goFiles(t *testing.T) (*token.FileSet, []*ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == filepath.Join(root, "internal", "need") || strings.HasPrefix(d.Name(), ".") && path != root):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, files
}

// skips returns the places where a file that knows tests skips one by itself.
func skips(fset *token.FileSet, f *ast.File) (found []string) {
	imported := map[string]bool{}
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		imported[name] = true
	}
	if !imported["testing"] {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		inPackage := ok && imported[x.Name]
		switch {
		case inPackage && x.Name == "testing" && sel.Sel.Name == "Short":
		case !inPackage && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name):
		default:
			return true
		}
		found = append(found, fmt.Sprintf("%v: %s", fset.Position(sel.Sel.Pos()), sel.Sel.Name))
		return true
	})
	return found
}

// TestOneWayToSkip: no test of the module is skipped but by this package.
func TestOneWayToSkip(t *testing.T) {
	fset, files := goFiles(t)
	if len(files) < 100 {
		t.Fatalf("only %d files were seen", len(files))
	}
	for _, f := range files {
		for _, s := range skips(fset, f) {
			t.Errorf("%s skips a test by itself: use package need", s)
		}
	}
	scripts, err := filepath.Glob(root + "/*/*/testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if scriptSkips.MatchString(line) {
				t.Errorf("%s:%d skips its test", path, i+1)
			}
		}
	}
}

// scriptSkips matches a line of a script that skips its test or, by -short,
// could.
var scriptSkips = regexp.MustCompile(`^(\[[^]]*\]\s*)*skip\b|^(\[[^]]*\]\s*)*\[!?short\]`)

// TestOneWayCanFail: each way to skip is seen, and what is none is not.
func TestOneWayCanFail(t *testing.T) {
	for _, tt := range []struct {
		name, code string
		want       int
	}{
		{"Skip", `t.Skip("why")`, 1},
		{"Skipf", `tb.Skipf("%v", 1)`, 1},
		{"SkipNow", `b.SkipNow()`, 1},
		{"field", `s.t.Skip()`, 1},
		{"call", `get().Skip()`, 1},
		{"as a value", `f := t.Skip; f()`, 1},
		{"short", `testing.Short()`, 1},
		{"a type's name", `return report.Skip("why")`, 0},
		{"Skipped", `t.Skipped()`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "x.go", "package p\nimport (\"testing\"; \"example.com/report\")\nfunc f() {\n"+tt.code+"\n}\n", 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := skips(fset, f); len(got) != tt.want {
				t.Errorf("found %q, want %d", got, tt.want)
			}
		})
	}
	for line, want := range map[string]bool{"skip": true, "[!exec:as] skip": true, "[short] stop": true, "stdout skip": false, "# skip": false} {
		if got := scriptSkips.MatchString(line); got != want {
			t.Errorf("the script's line %q skips: %v", line, got)
		}
	}
}

// TestToolsAreInstalled: what a test asks Tool for is in .ci/deps, by the
// program's own name.
func TestToolsAreInstalled(t *testing.T) {
	deps, err := os.ReadFile(root + "/.ci/deps")
	if err != nil {
		t.Fatal(err)
	}
	fset, files := goFiles(t)
	seen := 0
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || sel.Sel.Name != "Tool" {
				return true
			} else if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "need" {
				return true
			}
			lit, ok := call.Args[1].(*ast.BasicLit)
			if !ok {
				t.Errorf("%v: name the tool here, so that it can be looked up in .ci/deps", fset.Position(call.Pos()))
				return true
			}
			name, _ := strconv.Unquote(lit.Value)
			seen++
			if !regexp.MustCompile(`(?m)^\s*need ` + regexp.QuoteMeta(name) + ` `).Match(deps) {
				t.Errorf("%v: .ci/deps does not install %s", fset.Position(call.Pos()), name)
			}
			return true
		})
	}
	if seen < 5 {
		t.Errorf("only %d uses of Tool were seen", seen)
	}
}
