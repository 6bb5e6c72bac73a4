// Package certified says which real kernels the presets were held against: images of
// Debian's that are known by version and hash, with what each runs in a null call, and how
// much of that the preset's path has. A test makes the table, and holds it against the
// images where they are there; an archive keeps only its newest.
package certified

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/trace"
)

// Certificate is one preset held against one image.
type Certificate struct {
	Preset string `json:"preset"`
	// Version is the image's own, as in "Debian 6.12.117-1~deb12u1", Release what uname
	// prints, and SHA256 the hash of the file.
	Version string `json:"version"`
	Release string `json:"release"`
	SHA256  string `json:"sha256"`
	// Words are those that it was booted with; CPU and Machine are QEMU's.
	Words   string `json:"words,omitempty"`
	CPU     string `json:"cpu"`
	Machine string `json:"machine"`
	// NullCall is how many instructions the image runs in a null call.
	NullCall int               `json:"null_call"`
	Stages   []trace.Agreement `json:"stages"`
}

// String returns the certificate in a line.
func (c Certificate) String() string {
	var words []string
	for _, s := range c.Stages {
		words = append(words, s.String())
	}
	on := c.Release
	if c.Words != "" {
		on += " " + c.Words
	}
	return fmt.Sprintf("by %s (%s) on CPU %s: %s", c.Version, on, c.CPU, strings.Join(words, ", "))
}

//go:embed certified.json
var text []byte

// all is the table. It is compiled in, so it can be read.
var all = func() []Certificate {
	var list []Certificate
	if err := json.Unmarshal(text, &list); err != nil {
		panic("certified: " + err.Error())
	}
	return list
}()

// Of returns the certificates of a preset.
func Of(preset string) []Certificate {
	return slices.DeleteFunc(slices.Clone(all), func(c Certificate) bool { return c.Preset != preset })
}
