package kernel

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
)

// namesNone are the functions that mean the registers themselves, which hardware or
// a frame names.
var namesNone = []string{
	"cpuInit", "featuresInit", "cpuidTSCHz", "hypervisorLeaf", // CPUID writes EBX
	"pushRegs", "popRegsButRDI", // PtRegs has a slot for each
}

// TestRegisterNames checks that what a function keeps across its calls has a name: a
// register that calls keep is no operand, but for a name that is declared for it.
func TestRegisterNames(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, u := range unnamed(t, file, nil) {
			seen[u.function] = true
			if !slices.Contains(namesNone, u.function) {
				t.Errorf("%s: %s: %s needs a name that says what it holds", u.pos, u.function, u.register)
			}
		}
	}
	for _, name := range namesNone {
		if !seen[name] {
			t.Errorf("%s names its registers, and need not be in namesNone", name)
		}
	}
}

func TestRegisterNamesFinds(t *testing.T) {
	src := `package p
func f() Func {
	file, pos := RBX, R12
	regs := ptRegs(RBP)
	rdi := ptRegs(RDI)
	return FUNC("f", "",
		MOVQ(RDI, file),
		MOVQ(RSI, R12),
		CALL(g).Keeps(R13),
		INCQ(R14.At(8)),
		INCQ(regs.R15),
	).Saving(RBX, RBP, R12).Takes(RDI, RSI).Returns(RBX)
}`
	var got []string
	for _, u := range unnamed(t, "p.go", src) {
		got = append(got, u.register)
	}
	if want := []string{"RBP", "rdi", "R12", "R14"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

// An unnamedUse is a place where a function uses a register without a name, or
// declares a name that only repeats a register's.
type unnamedUse struct {
	pos                token.Position
	function, register string
}

func unnamed(t *testing.T, path string, src any) (found []unnamedUse) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var kept, all []string
	for r := asm.RAX; r <= asm.R15; r++ {
		all = append(all, strings.ToLower(r.String()))
	}
	for _, r := range []asm.Reg{asm.RBX, asm.RBP, asm.R12, asm.R13, asm.R14, asm.R15} {
		kept = append(kept, r.String())
	}
	for _, d := range file.Decls {
		function, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		add := func(id *ast.Ident) {
			found = append(found, unnamedUse{fset.Position(id.Pos()), function.Name.Name, id.Name})
		}
		var visit func(n ast.Node) bool
		visit = func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, name := range n.Lhs {
					if id, ok := name.(*ast.Ident); ok && slices.Contains(all, id.Name) {
						add(id)
					}
				}
				for _, value := range n.Rhs {
					if _, ok := value.(*ast.Ident); !ok {
						ast.Inspect(value, visit)
					}
				}
				return false
			case *ast.SelectorExpr:
				ast.Inspect(n.X, visit) // not a field that is called like a register
				return false
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok {
					switch s.Sel.Name {
					case "Saving", "Takes", "Returns", "Keeps", "Spoils":
						ast.Inspect(s.X, visit)
						return false
					}
				}
			case *ast.Ident:
				if slices.Contains(kept, n.Name) {
					add(n)
				}
			}
			return true
		}
		ast.Inspect(function.Body, visit)
	}
	return found
}
