// Package build says which entrylab this program is: its version, the revision of its
// source, and what built it.
package build

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Version is the semantic version of this source (semver.org).
const Version = "1.0.0-rc.1"

// Info is what a program knows about its own build.
type Info struct {
	Version string `json:"version"`
	// Revision is the revision of the source; "unknown" if the program was built outside a
	// repository. Modified is set if the source had uncommitted changes.
	Revision string `json:"revision"`
	Modified bool   `json:"modified,omitempty"`
	// Go is the release that built it, Platform the platform that it runs on.
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read returns what this program knows about its own build.
var Read = sync.OnceValue(func() Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return infoOf(info)
})

func infoOf(b *debug.BuildInfo) Info {
	i := Info{Version: Version, Revision: "unknown", Go: b.GoVersion, Platform: runtime.GOOS + "/" + runtime.GOARCH}
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Revision = s.Value
		case "vcs.modified":
			i.Modified = s.Value == "true"
		}
	}
	return i
}

// Name returns the name of this program in records: the version of its module or, without
// one, the revision of its source.
func Name() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return nameOf(info)
}

func nameOf(b *debug.BuildInfo) string {
	version, i := b.Main.Version, infoOf(b)
	if (version == "" || version == "(devel)") && i.Revision != "unknown" {
		version = i.Revision
	}
	if version == "" {
		version = "(devel)"
	}
	if i.Modified && !strings.Contains(version, "dirty") {
		version += "+modified"
	}
	return version
}
