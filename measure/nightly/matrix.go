package nightly

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// Matrix is what a night measures, as a file in TOML says it. What is left out is that
// of Default.
type Matrix struct {
	// Subjects are variants as the command line names them.
	Subjects []string `toml:"subjects"`
	// Base is what sampled engines compare the others with.
	Base    string   `toml:"base"`
	Engines []string `toml:"engines"`
	// Machines and CPUs are those of engines that boot one; empty: the engine's own.
	Machines []string `toml:"machines"`
	CPUs     []string `toml:"cpus"`
	// Hosts are names of host CPUs, or parts of them, for engines that measure the host's
	// own CPU: a cell is then for one of them. Empty: any host will do.
	Hosts []string `toml:"hosts"`
	// Verify is set if the guest's checks belong to it.
	Verify bool `toml:"verify"`
	// Boots is how many boots or processes a sampled engine measures in.
	Boots int `toml:"boots"`
}

// Default is the matrix without a file: every preset, counted in its code, under
// QEMU and in Bochs, and verified there.
func Default() Matrix {
	m := Matrix{Base: "linux-3.19", Engines: []string{"static", "icount", "bochs"}, Verify: true, Boots: 8}
	for _, p := range stubs.Presets() {
		if !p.Axes.Bare {
			m.Subjects = append(m.Subjects, p.Name)
		}
	}
	return m
}

var matrixFile = bounded.Kind{Thing: "matrix", Most: 1 << 20, Advice: "give a file in TOML with the keys " + strings.Join(keys, ", ")}

var keys = []string{"subjects", "base", "engines", "machines", "cpus", "hosts", "verify", "boots"}

// ReadMatrix reads the file at path.
func ReadMatrix(ctx context.Context, path string) (Matrix, error) {
	text, err := matrixFile.ReadFile(ctx, path)
	if err != nil {
		return Matrix{}, err
	}
	return ParseMatrix(path, text)
}

// ParseMatrix reads the text of a matrix; name is for messages, which have the line.
func ParseMatrix(name string, text []byte) (Matrix, error) {
	m := Default()
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&m)
	if missing, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		line, _ := missing.Errors[0].Position()
		key := strings.Join(missing.Errors[0].Key(), ".")
		return m, fmt.Errorf("%s:%d: no key %q: %swant %s", name, line, key, near.Hint(key, keys), strings.Join(keys, ", "))
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := bad.Position()
		return m, fmt.Errorf("%s:%d: %w", name, line, bad)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	return m, m.check(func(word string) string { return fmt.Sprintf("%s:%d", name, lineOf(text, word)) })
}

// lineOf is the line that a word stands on in quotes, the first otherwise.
func lineOf(text []byte, word string) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.Contains(line, []byte(`"`+word+`"`)) || bytes.Contains(line, []byte(`'`+word+`'`)) {
			return i + 1
		}
	}
	return 1
}

// check refuses words that nothing has; where tells where a word stands.
func (m Matrix) check(where func(word string) string) error {
	for _, list := range []struct {
		what         string
		words, known []string
	}{
		{"engine", m.Engines, engine.Names(engine.Measuring())},
		{"machine", m.Machines, machines()},
		{"host", m.Hosts, nil},
	} {
		for i, w := range list.words {
			if w == "" {
				return fmt.Errorf("%s: a %s without a name", where(w), list.what)
			}
			if list.known != nil && !slices.Contains(list.known, w) {
				return fmt.Errorf("%s: no %s %q: %swant some of %s", where(w), list.what, w, near.Hint(w, list.known), strings.Join(list.known, ", "))
			}
			if slices.Contains(list.words[:i], w) {
				return fmt.Errorf("%s: %s %q stands there twice", where(w), list.what, w)
			}
		}
	}
	switch {
	case len(m.Subjects) == 0:
		return fmt.Errorf("%s: no subjects: want variants, or leave the key out for all presets", where("subjects"))
	case len(m.Engines) == 0:
		return fmt.Errorf("%s: no engines: want some of %s", where("engines"), strings.Join(engine.Names(engine.Measuring()), ", "))
	case m.Boots < 1:
		return fmt.Errorf("%s: boots is %d: want at least 1, and 8 for intervals that mean something", where("boots"), m.Boots)
	}
	_, err := m.variants(where)
	return err
}

func machines() []string {
	var names []string
	for _, m := range vm.Machines {
		names = append(names, string(m))
	}
	return names
}

// variants are the subjects.
func (m Matrix) variants(where func(string) string) ([]stubs.Variant, error) {
	var list []stubs.Variant
	for _, name := range append(slices.Clone(m.Subjects), m.Base) {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where(name), err)
		}
		switch at := slices.IndexFunc(list, func(o stubs.Variant) bool { return o.Name == v.Name }); {
		case at < 0:
			list = append(list, v)
		case name != m.Base:
			return nil, fmt.Errorf("%s: subject %q stands there twice", where(name), v.Name)
		}
	}
	return list, nil
}
