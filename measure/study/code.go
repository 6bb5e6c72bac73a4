package study

import (
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/stubs/explain"
)

// built builds the kernel that carries the question's variants.
func (p Page) built() (*image.Image, error) {
	return image.Build(image.Config{Variants: p.Question.variants})
}

// code says for each change in which functions the code differs, by how many
// instructions, and what lists them. It is the code of this entrylab.
func (p Page) code() []string {
	lines := make([]string, len(p.Question.Changes))
	explained, err := p.explained()
	for i, c := range p.Question.Changes {
		from, to := c.Ends()
		if err != nil {
			lines[i] = fmt.Sprintf("code: cannot be listed: %v", err)
			continue
		}
		var parts []string
		for _, f := range explain.Diff(explained[from], explained[to]) {
			if !f.Same() {
				parts = append(parts, fmt.Sprintf("%s -%d +%d", f.Name, f.Removed(), f.Added()))
			}
		}
		if len(parts) == 0 {
			lines[i] = "code: the same instructions"
			continue
		}
		lines[i] = fmt.Sprintf("code: %s instructions; entrylab diff %s %s lists them", strings.Join(parts, ", "), c.From, c.To)
	}
	return lines
}

// explained explains the variants of the question by name.
func (p Page) explained() (map[string]*explain.Variant, error) {
	built, err := p.built()
	if err != nil {
		return nil, err
	}
	explained := map[string]*explain.Variant{}
	for _, v := range p.Question.variants {
		if explained[v.Name], err = explain.Object(built.Object, v); err != nil {
			return nil, err
		}
	}
	return explained, nil
}
