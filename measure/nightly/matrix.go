package nightly

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/internal/tomlfile"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// Matrix is what a night measures, as a TOML file says it. A key that is left out has the
// value of Default.
type Matrix struct {
	// Subjects are the variants, named as on the command line.
	Subjects []string `toml:"subjects"`
	// Base is what sampled engines compare the others with.
	Base    string   `toml:"base"`
	Engines []string `toml:"engines"`
	// Machines and CPUs are for engines that boot a machine; empty: the engine's defaults.
	Machines []string `toml:"machines"`
	CPUs     []string `toml:"cpus"`
	// Hosts are names of host CPUs, or parts of such names, for engines that measure the
	// host's own CPU: each has a cell of its own. Empty: any host will do.
	Hosts []string `toml:"hosts"`
	// Verify is set if the night also makes the guest's checks.
	Verify bool `toml:"verify"`
	// Boots is the number of boots or processes in which a sampled engine measures.
	Boots int `toml:"boots"`
}

// Default returns the matrix of a night without a file: every preset is counted in its
// code, and counted and verified in QEMU and in Bochs.
func Default() Matrix {
	m := Matrix{Base: "linux-3.19", Engines: []string{"static", "icount", "bochs"}, Verify: true, Boots: 8}
	for _, p := range stubs.Presets() {
		if !p.Axes.Bare {
			m.Subjects = append(m.Subjects, p.Name)
		}
	}
	return m
}

var matrixFile = bounded.Kind{Thing: "matrix", Most: 1 << 20, Advice: "give a file in TOML with the keys " + strings.Join(tomlfile.Keys(Matrix{}), ", ")}

// ReadMatrix reads the file at path.
func ReadMatrix(ctx context.Context, path string) (Matrix, error) {
	text, err := matrixFile.ReadFile(ctx, path)
	if err != nil {
		return Matrix{}, err
	}
	return ParseMatrix(path, text)
}

// ParseMatrix reads the text of a matrix. Errors have the name of the file and the line.
func ParseMatrix(name string, text []byte) (Matrix, error) {
	m := Default()
	if err := tomlfile.Decode(name, text, &m); err != nil {
		return m, err
	}
	return m, m.check(func(word string) string { return fmt.Sprintf("%s:%d", name, tomlfile.LineOf(text, word)) })
}

// check refuses names that do not exist; where returns the place of a name in the file.
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
				return fmt.Errorf("%s: %s %q is listed twice", where(w), list.what, w)
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

// variants returns the subjects.
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
			return nil, fmt.Errorf("%s: subject %q is listed twice", where(name), v.Name)
		}
	}
	return list, nil
}
