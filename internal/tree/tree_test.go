// Package tree holds the module to its shape: the folders are the flow, and
// imports go one way along it.
package tree

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/entrylab/entrylab/"

// guide is the module's own package.
var guide = strings.TrimSuffix(module, "/")

// flow is the order of the folders: a package imports packages of its own folder
// and of those behind it.
var flow = []string{"cmd", "measure", "boot", "stubs", "gen"}

// beside are the folders that stand beside the flow, with what of the module their
// packages may import: a folder, or a package.
var beside = map[string][]string{
	// The guest runs inside the machine and shares with the kernel and the host
	// what both sides of a boundary must agree on, and nothing else.
	"guest": {"guest", "gen/layout", "gen/wire", "gen/x86"},
	// Code of an importer's own runs what the command runs.
	"vmtests":  {"vmtests", "measure", "boot", "stubs", "gen", "internal"},
	"examples": {"examples", "measure", "boot", "stubs", "gen"},
	// The module's own package is its guide, and has no code.
	guide: {},
	// Helpers of any folder know nothing of what they help, but the two that make
	// variants for tests.
	"internal":           {"internal"},
	"internal/broken":    {"stubs", "gen"},
	"internal/stubstest": {"boot/image", "stubs", "gen"},
}

// inTests reports whether a test may import it against the order: what stands at the
// end of the flow is tested with what is made of it.
func inTests(imported string) bool {
	return under(imported, "internal") || under(imported, "boot/image") || under(imported, "stubs")
}

// under reports whether a package is the folder, or in it.
func under(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

// allowed returns what a package may import.
func allowed(pkg string) []string {
	folder, _, _ := strings.Cut(pkg, "/")
	if i := slices.Index(flow, folder); i >= 0 {
		return append(slices.Clone(flow[i:]), "internal")
	}
	if only, ok := beside[pkg]; ok {
		return only
	}
	return beside[folder]
}

// forbidden returns the imports of a package that the order does not allow.
func forbidden(pkg string, imports []string) []string {
	may := allowed(pkg)
	return slices.DeleteFunc(slices.Clone(imports), func(i string) bool {
		return slices.ContainsFunc(may, func(folder string) bool { return under(i, folder) })
	})
}

// pkg is what go list prints of a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// packages returns the packages of the module.
func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// own returns the imports that are of the module, by their paths in it.
func own(imports []string) []string {
	var paths []string
	for _, i := range imports {
		if path, ok := strings.CutPrefix(i, module); ok {
			paths = append(paths, path)
		}
	}
	return paths
}

// TestImports: imports go cmd → measure → boot → stubs → gen, never back.
func TestImports(t *testing.T) {
	all := packages(t)
	if len(all) < 30 {
		t.Fatalf("go list knows %d packages of the module", len(all))
	}
	for _, p := range all {
		name := strings.TrimPrefix(p.ImportPath, module)
		if allowed(name) == nil {
			t.Errorf("%s lies in no folder of the flow: give it a place in this test", name)
			continue
		}
		for _, bad := range forbidden(name, own(p.Imports)) {
			t.Errorf("%s imports %s: imports go %s", name, bad, strings.Join(flow, " → "))
		}
		for _, bad := range forbidden(name, own(append(p.TestImports, p.XTestImports...))) {
			if !inTests(bad) {
				t.Errorf("a test of %s imports %s: imports go %s", name, bad, strings.Join(flow, " → "))
			}
		}
	}
}

// TestForbidden: what goes back, or beside, is found.
func TestForbidden(t *testing.T) {
	for _, tt := range []struct {
		name, pkg, imported string
		bad                 bool
	}{
		{"down", "measure/study", "boot/vm", false},
		{"within", "boot/image", "boot/elfimg", false},
		{"back", "boot/vm", "measure/record", true},
		{"to the command", "measure/study", "cmd/entrylab", true},
		{"the end imports a helper", "gen/asm", "internal/bounded", false},
		{"a helper imports the flow", "internal/bounded", "gen/asm", true},
		{"a helper that makes variants", "internal/broken", "stubs", false},
		{"the guest and the shared memory", "guest/verify", "gen/layout", false},
		{"the guest and the assembler", "guest/verify", "gen/asm", true},
		{"a name that begins alike", "gen/asm", "genuine/x", true},
	} {
		if got := len(forbidden(tt.pkg, []string{tt.imported})) > 0; got != tt.bad {
			t.Errorf("%s: %s imports %s: forbidden is %v, want %v", tt.name, tt.pkg, tt.imported, got, tt.bad)
		}
	}
}
