package tree

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

	"github.com/entrylab/entrylab/internal/pages"
)

// root is the module's folder.
const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	// path is a file or folder of the module; words in capitals stand for any name.
	path     = regexp.MustCompile(`^(?:\./)?(?:\.ci|boot|cmd|docs|gen|guest|images|internal|measure|stubs|vmtests)/[\w./*-]*$|^[\w-]+\.(?:md|mod)$|^Makefile$`)
	anything = regexp.MustCompile(`\b[A-Z]{2,}\b|_[A-Z]{2,}\b`)
	made     = regexp.MustCompile(`^images/.*\.(?:elf|img)$`)
)

// absent returns the paths in a page that nothing in the tree has: in backticks, from the
// module's folder, and in links, from the page's, with the heading that a link leads to.
func absent(p pages.Page, all []pages.Page) (missing []string) {
	look := func(pattern string) {
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err != nil || len(found) == 0 {
			missing = append(missing, fmt.Sprintf("%s names %s, which is not there", p.Path, pattern))
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(p.Text, -1) {
		name := m[1]
		if !path.MatchString(name) || made.MatchString(name) {
			continue
		}
		name = anything.ReplaceAllStringFunc(name, func(word string) string {
			if word == "README" || word == "CONTRIBUTING" || word == "CHANGELOG" {
				return word
			}
			return strings.Repeat("_", strings.Count(word[:1], "_")) + "*"
		})
		look(strings.TrimSuffix(name, "/..."))
	}
	for _, link := range p.Links {
		if strings.Contains(link, "://") {
			continue // of another site
		}
		target, anchor, anchored := strings.Cut(link, "#")
		path := p.Path
		if target != "" {
			path = filepath.Join(filepath.Dir(p.Path), target)
			look(path)
		}
		to := slices.IndexFunc(all, func(other pages.Page) bool { return other.Path == path })
		if anchored && (to < 0 || !slices.Contains(all[to].Anchors(), anchor)) {
			missing = append(missing, fmt.Sprintf("%s links to %s, a heading that is not there", p.Path, link))
		}
	}
	return missing
}

// TestPaths: what the pages name is there.
func TestPaths(t *testing.T) {
	named := 0
	all := pages.All(t, root)
	for _, p := range all {
		named += len(quoted.FindAllString(p.Text, -1)) + len(p.Links)
		for _, m := range absent(p, all) {
			t.Error(m)
		}
	}
	if named == 0 {
		t.Error("no page names anything")
	}
}

// unread returns the pages of docs that a reader of the README is not led to.
func unread(all []pages.Page) (list []string) {
	readme := all[slices.IndexFunc(all, func(p pages.Page) bool { return p.Path == "README.md" })]
	for _, p := range all {
		if strings.HasPrefix(p.Path, "docs/") && !slices.Contains(readme.Links, p.Path) {
			list = append(list, p.Path)
		}
	}
	return list
}

// TestReadme: the README leads to every page of docs, and is read in a minute.
func TestReadme(t *testing.T) {
	for _, path := range unread(pages.All(t, root)) {
		t.Errorf("README.md has no link to %s", path)
	}
	if n := strings.Count(read(t, root+"/README.md"), "\n"); n > 110 {
		t.Errorf("README.md has %d lines: what is for users who stay longer belongs in docs", n)
	}
	if got := unread([]pages.Page{pages.Parse("README.md", "[x](docs/a.md)"), pages.Parse("docs/a.md", ""), pages.Parse("docs/b.md", "")}); !slices.Equal(got, []string{"docs/b.md"}) {
		t.Errorf("not read: %q, want docs/b.md", got)
	}
}

// TestAbsent: a path that is not there is found, and one that is is not.
func TestAbsent(t *testing.T) {
	all := pages.All(t, root)
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"a file", "`stubs/doc.go`", false},
		{"a folder", "`measure/store`", false},
		{"a placeholder", "`stubs/axis_NAME.go`", false},
		{"a command", "`go test ./nothing`", false},
		{"a link", "[x](../docs/glossary.md)", false},
		{"no such file", "`stubs/nothing.go`", true},
		{"no such folder", "see `boot/nothing`.", true},
		{"no such placeholder", "`stubs/nothing_NAME.go`", true},
		{"no such page", "`NOTHING.md`x `nothing.md`", true},
		{"a heading", "[x](architecture.md#recipes)", false},
		{"another site", "[x](https://go.dev/doc/install#top)", false},
		{"no such link", "[x](nothing.md)", true},
		{"no such heading", "[x](architecture.md#nothing)", true},
		{"no such heading here", "[x](#nothing)", true},
		{"no such picture", "![x](nothing.svg)", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := absent(pages.Parse("docs/page.md", tt.text), all); (len(got) > 0) != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

// guided is a package in the guide that go doc prints.
var guided = regexp.MustCompile(`(?:gen|stubs|boot|measure|examples)(?:/[a-z0-9]+)+`)

// TestGuide: the packages that the guide in doc.go names are there.
func TestGuide(t *testing.T) {
	names := guided.FindAllString(read(t, root+"/doc.go"), -1)
	if len(names) < 20 {
		t.Fatalf("the guide names %d packages: %q", len(names), names)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Errorf("the guide names %s: %v", name, err)
		}
	}
	if name := guided.FindString("see measure/nothing."); name != "measure/nothing" {
		t.Errorf("found %q", name)
	}
}

const glossary = root + "/docs/glossary.md"

// replaced returns the words that the glossary replaces, by the word for each.
func replaced(text string) map[string]string {
	words := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| [^|]+\. \| ([^|]+) \|$`).FindAllStringSubmatch(text, -1) {
		for word := range strings.SplitSeq(row[2], "; ") {
			words[word] = row[1]
		}
	}
	return words
}

// used returns the replaced words that a text has, whatever their case and wherever its
// lines break.
func used(text string, words map[string]string) (found []string) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for word, instead := range words {
		if strings.Contains(text, word) && regexp.MustCompile(`(^|[^-\w])`+regexp.QuoteMeta(word)+`s?\b`).MatchString(text) { // a one-shot timer is no shot
			found = append(found, fmt.Sprintf("%q: say %q", word, instead))
		}
	}
	slices.Sort(found)
	return found
}

// TestGlossary: no page uses a word that the glossary replaces. Each row of it is
// a word, one sentence, and words that it replaces.
func TestGlossary(t *testing.T) {
	text := read(t, glossary)
	words := replaced(text)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| word |") && len(replaced(line)) == 0 {
			t.Errorf("no row of a word, a sentence and what it replaces: %s", line)
		}
	}
	for _, p := range pages.All(t, root) {
		if root+"/"+p.Path == glossary {
			continue
		}
		for _, u := range used(p.Text, words) {
			t.Errorf("%s: %s", p.Path, u)
		}
	}
}

// TestGlossaryInCode: no comment of the code, and no text in it, uses a word that the
// glossary replaces. Names in the code are free.
func TestGlossaryInCode(t *testing.T) {
	words := replaced(read(t, glossary))
	for _, file := range sources(t) {
		for _, text := range prose(t, file, nil) {
			for _, u := range used(text, words) {
				t.Errorf("%s: %s", file, u)
			}
		}
	}
}

func TestProse(t *testing.T) {
	src := `// Package p has a comment.
package p

var batch = "a text" // and ` + "`" + `one more` + "`" + `
`
	want := []string{"// Package p has a comment.", "// and `one more`", "a text"}
	if got := prose(t, "p.go", src); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// sources returns the Go files but for the tests, and for this package, which spells the
// words.
func sources(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// prose returns the comments and the texts of a file.
func prose(t *testing.T, path string, src any) (texts []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Comments {
		var lines []string
		for _, l := range c.List {
			lines = append(lines, l.Text)
		}
		texts = append(texts, strings.ReplaceAll(strings.Join(lines, "\n"), "\n//", "\n"))
	}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, " ") { // else it is a name
			texts = append(texts, text)
		}
		return true
	})
	return texts
}

// TestUsed: a replaced word is found, and what only looks like one is not.
func TestUsed(t *testing.T) {
	words := replaced(read(t, glossary))
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"one", "A call that needs the Whole\n  frame, and so on.", 1},
		{"two", "whole frames in a batch", 2},
		{"none", "full pt_regs of a sample; batched; a one-shot timer", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := used(tt.text, words); len(got) != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}
