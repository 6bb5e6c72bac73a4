package pages

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const source = "# The `first` page\n\n" +
		"[a link](docs/x.md#there) and ![a picture](docs/p.svg)\n\n" +
		"```console\n$ entrylab help\n```\n\n" +
		"\tset in\n\tby a tab\n\n" +
		"## Exit statuses, all\n## The first page\n<picture><source srcset=\"docs/dark.svg\"></picture>\n"
	p := Parse("x.md", source)
	if diff := cmp.Diff([]string{"docs/x.md#there", "docs/p.svg", "docs/dark.svg"}, p.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"the-first-page", "exit-statuses-all", "the-first-page-1"}, p.Anchors()); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
	type block struct {
		info, text string
		line       int
	}
	var got []block
	for _, b := range p.Blocks {
		got = append(got, block{b.Info, source[b.Start:b.End], p.Line(b.Start)})
	}
	want := []block{{"console", "$ entrylab help\n", 6}, {"", "set in\n\tby a tab\n", 9}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}
