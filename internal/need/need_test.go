package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// playVariable makes the test's own program play the test that it names.
const playVariable = "ENTRYLAB_NEED_PLAY"

var plays = map[string]func(t *testing.T){
	"no such tool":        func(t *testing.T) { Tool(t, "no-such-tool") },
	"a tool":              func(t *testing.T) { Tool(t, "sh") },
	"a thing":             func(t *testing.T) { Absent(t, KVM, "there is no /dev/kvm") },
	"a thing of no list":  func(t *testing.T) { Absent(t, "patience", "it takes long") },
	"two things":          func(t *testing.T) { t.Run("sub", func(t *testing.T) { Absent(t, KVM, "one") }); Absent(t, PMU, "two") },
	"a list not to write": func(t *testing.T) { t.Setenv(listVariable, "/dev/null/x"); Absent(t, KVM, "why") },
}

// TestOutcomes: what becomes of a test that lacks something, and what is listed.
func TestOutcomes(t *testing.T) {
	if name := os.Getenv(playVariable); name != "" {
		plays[name](t)
		return
	}
	for _, tt := range []struct {
		play, ci string
		want     string // the outcome, and a part of what is said
		says     string
		list     string
	}{
		{"no such tool", "true", "FAIL", "no-such-tool is not installed: run `make deps`", ""},
		{"no such tool", "1", "FAIL", "no-such-tool is not installed", ""},
		{"no such tool", "false", "SKIP", "no-such-tool is not installed: run `make deps`", ""},
		{"no such tool", "", "SKIP", "no-such-tool is not installed", ""},
		{"a tool", "true", "PASS", "", ""},
		{"a thing", "true", "SKIP", "no hardware KVM: there is no /dev/kvm", "hardware KVM: TestOutcomes: there is no /dev/kvm\n"},
		{"a thing", "", "SKIP", "no hardware KVM", "hardware KVM: TestOutcomes: there is no /dev/kvm\n"},
		{"a thing of no list", "", "FAIL", `may not be skipped for lack of "patience"`, ""},
		{"two things", "true", "SKIP", "no PMU: two", "hardware KVM: TestOutcomes/sub: one\nPMU: TestOutcomes: two\n"},
		{"a list not to write", "", "FAIL", listVariable, ""},
	} {
		t.Run(tt.play+"/CI="+tt.ci, func(t *testing.T) {
			list := filepath.Join(t.TempDir(), "skipped")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOutcomes$", "-test.v")
			cmd.Env = append(os.Environ(), playVariable+"="+tt.play, "CI="+tt.ci, listVariable+"="+list)
			out, err := cmd.CombinedOutput()
			if (err != nil) != (tt.want == "FAIL") || !strings.Contains(string(out), "--- "+tt.want+": TestOutcomes ") || !strings.Contains(string(out), tt.says) {
				t.Errorf("want %s and %q, got %v and\n%s", tt.want, tt.says, err, out)
			}
			if got, _ := os.ReadFile(list); string(got) != tt.list {
				t.Errorf("listed are %q, want %q", got, tt.list)
			}
		})
	}
}
