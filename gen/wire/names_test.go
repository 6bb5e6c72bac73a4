package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestDeclaredOnce: no other package of the module spells out the name of an
// operation, of a control's label or of a kind of line. Tests may.
func TestDeclaredOnce(t *testing.T) {
	names := map[string]bool{
		LabelAgain: true, LabelLoop: true, LabelCalibration: true, OpDoseNone: true, OpDoseOne: true,
		Floor: true, EngineVariable: true, KindMeasure: true, KindSampling: true, KindSample: true, KindProof: true,
	}
	for _, o := range append(Operations, Flushed...) {
		names[o.Op] = true
	}
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "wire" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		found, err := literals(path, nil, names)
		for _, at := range found {
			t.Errorf("%s is declared in package wire: use its constant", at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("looked at %d files only", files)
	}
	const typed = "package p\n\n// \"null-call\"\nconst (\n\ta = `null-call`\n\tb = \"null-calls\"\n)\n"
	if found, err := literals("p.go", typed, names); err != nil || len(found) != 1 || found[0] != "p.go:5:6: `null-call`" {
		t.Errorf("found %q in a file with one name (%v)", found, err)
	}
}

// literals returns the string literals of a Go file that are one of names, with
// their places. source is as for parser.ParseFile.
func literals(path string, source any, names map[string]bool) (found []string, err error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil && names[text] {
				found = append(found, set.Position(l.Pos()).String()+": "+l.Value)
			}
		}
		return true
	})
	return found, nil
}
