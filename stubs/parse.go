package stubs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/internal/near"
)

// ParseVariant returns the variant of a preset's name, which may be followed by
// changes, or of axes as String prints them. A change is +axis=value; linux-3.19
// and its presets also take +a, +b, +b-linux and +c in any order. Axes that are left
// out have their values of linux-3.19. Behind all of that, @N has the entry begin N bytes
// behind the beginning of a cache line. An impossible variant is an error.
func ParseVariant(s string) (Variant, error) {
	path, at, placed := strings.Cut(s, "@")
	v, err := parseVariant(path)
	if err != nil {
		return Variant{}, fmt.Errorf("variant %q: %w", s, err)
	}
	if err := v.Validate(); err != nil {
		return Variant{}, fmt.Errorf("variant %q is impossible: %w", s, err)
	}
	n := Variant{Name: v.Name(), Axes: v}
	if !placed {
		return n, nil
	}
	offset, err := strconv.Atoi(at)
	if err != nil || offset < 0 || offset >= LineSize {
		return Variant{}, fmt.Errorf("variant %q: no place @%s: want @0 to @%d", s, at, LineSize-1)
	}
	return n.At(offset), nil
}

func parseVariant(s string) (Axes, error) {
	var preset Preset // the one with the longest name that s begins with
	for _, p := range presets() {
		if len(p.Name) > len(preset.Name) && strings.HasPrefix(s+"+", p.Name+"+") {
			preset = p
		}
	}
	v := preset.Axes
	switch rest := strings.TrimPrefix(s, preset.Name); {
	case preset.Name != "" && rest == "":
		return v, nil
	case preset.Name != "":
		return v, v.change(preset.Name, rest[1:])
	case strings.Contains(s, "=") && !strings.Contains(s, "+"):
		return parseAxes(s)
	}
	s, _, _ = strings.Cut(s, "+")
	return Axes{}, unknownPreset(s)
}

// unknownPreset returns the error of a name that no preset has.
func unknownPreset(name string) error {
	names := make([]string, len(presets()))
	for i, p := range presets() {
		names[i] = p.Name
	}
	hint := near.Hint(name, names)
	if hint == "" {
		hint = "want a preset, or axes such as sp=frame,irq=frame; "
	}
	return fmt.Errorf("no such preset: %s`entrylab variants` lists them", hint)
}

// change applies changes to a preset.
func (v *Axes) change(preset, words string) error {
	for word := range strings.SplitSeq(words, "+") {
		if strings.Contains(word, "=") {
			if err := v.set(word); err != nil {
				return err
			}
			continue
		}
		proposed := preset == "linux-3.19" || strings.HasPrefix(preset, "linux-3.19+")
		switch change := changes[word]; {
		case proposed && change != nil:
			*v = v.Set(change...)
		case proposed:
			return fmt.Errorf("no change %q: want a, b, b-linux, c or axis=value", word)
		default:
			return fmt.Errorf("no change %q: want axis=value", word)
		}
	}
	return nil
}
