package build

import (
	"regexp"
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	semantic := regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
	if !semantic.MatchString(Version) || semantic.MatchString("1.0-rc") {
		t.Errorf("%s is no semantic version", Version)
	}
	if i := Read(); i.Version != Version || i.Go == "" {
		t.Errorf("this program says %+v", i)
	}
}

func TestOf(t *testing.T) {
	stamp := func(revision, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	for _, tt := range []struct {
		name           string
		version        string
		settings       []debug.BuildSetting
		want, revision string
		modified       bool
	}{
		{"a module", "v1.2.3", nil, "v1.2.3", "unknown", false},
		{"a repository", "(devel)", stamp("abc", "false"), "abc", "abc", false},
		{"changes", "(devel)", stamp("abc", "true"), "abc+modified", "abc", true},
		{"changes that the version has", "v0.0.0-1+dirty", stamp("abc", "true"), "v0.0.0-1+dirty", "abc", true},
		{"a folder", "", nil, "(devel)", "unknown", false},
	} {
		b := &debug.BuildInfo{Main: debug.Module{Version: tt.version}, Settings: tt.settings}
		if got, i := nameOf(b), infoOf(b); got != tt.want || i.Revision != tt.revision || i.Modified != tt.modified {
			t.Errorf("%s: %q, %+v", tt.name, got, i)
		}
	}
}
