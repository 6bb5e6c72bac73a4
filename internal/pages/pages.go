// Package pages reads the pages of this module that are written in Markdown, for the
// tests that follow their links and run their command lines.
package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Page is a page that was read.
type Page struct {
	// Path is the path of the file below the module's folder.
	Path, Text string
	// Blocks are the blocks of code.
	Blocks []Block
	// Links are the targets of links and pictures, Headings the texts of headings.
	Links, Headings []string
}

// Block is a block of code.
type Block struct {
	// Info holds the words after the opening fence; a block that is only indented has none.
	Info string
	// Start and End are the offsets of its lines in the page's text.
	Start, End int
}

// All returns the pages below the module's folder.
func All(t testing.TB, root string) []Page {
	t.Helper()
	var all []Page
	for _, pattern := range []string{"*.md", "docs/*.md", "images/*.md", "examples/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Parse(name, string(text)))
		}
	}
	if len(all) < 10 {
		t.Fatalf("%d pages below %s: this is not where they are", len(all), root)
	}
	return all
}

// Parse reads a page from its text.
func Parse(path, source string) Page {
	p := Page{Path: path, Text: source}
	bytes := []byte(source)
	block := func(info string, lines *text.Segments) {
		if lines.Len() > 0 {
			p.Blocks = append(p.Blocks, Block{Info: info, Start: lines.At(0).Start, End: lines.At(lines.Len() - 1).Stop})
		}
	}
	tree := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(bytes))
	// The function returns no error, and so Walk has none.
	_ = ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock:
			info := ""
			if n.Info != nil {
				info = string(n.Info.Segment.Value(bytes))
			}
			block(info, n.Lines())
		case *ast.CodeBlock:
			block("", n.Lines())
		case *ast.Link:
			p.Links = append(p.Links, string(n.Destination))
		case *ast.Image:
			p.Links = append(p.Links, string(n.Destination))
		case *ast.Heading:
			p.Headings = append(p.Headings, plain(n, bytes))
		}
		return ast.WalkContinue, nil
	})
	for _, m := range quoted.FindAllStringSubmatch(source, -1) {
		p.Links = append(p.Links, m[1])
	}
	return p
}

// quoted finds the pictures that are written as HTML, one for each colour scheme.
var quoted = regexp.MustCompile(`(?:src|srcset)="([^"]+)"`)

// plain returns the text of a node without its markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
		}
		b.WriteString(plain(c, source))
	}
	return b.String()
}

// Anchors returns the names by which links reach the page's headings, as GitHub makes them:
// lower-case letters and digits, hyphens for spaces, and a number after a name that
// occurred before.
func (p Page) Anchors() []string {
	var all []string
	for _, h := range p.Headings {
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, h)
		unique := name
		for i := 1; slices.Contains(all, unique); i++ {
			unique = name + "-" + string(rune('0'+i))
		}
		all = append(all, unique)
	}
	return all
}

// Line returns the number of the line at an offset of the page's text.
func (p Page) Line(offset int) int { return 1 + strings.Count(p.Text[:offset], "\n") }
