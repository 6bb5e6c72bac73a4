package asm

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestKinds checks that the compiler rejects an operand of a wrong kind in every line
// of testdata/kinds that says so, and in no other line.
func TestKinds(t *testing.T) {
	const file = "testdata/kinds/kinds.go"
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{}
	marked := regexp.MustCompile(`// ERROR "(.*)"$`)
	for i, line := range strings.Split(string(source), "\n") {
		if m := marked.FindStringSubmatch(line); m != nil {
			want[i+1] = m[1]
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-e", "./testdata/kinds").CombinedOutput()
	if err == nil {
		t.Fatalf("%s compiles", file)
	}
	said := regexp.MustCompile(`(?m)^testdata/kinds/kinds\.go:(\d+):\d+: (.*)$`)
	for _, m := range said.FindAllStringSubmatch(string(out), -1) {
		line, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(m[2], "asm.", "")
		if w, ok := want[line]; !ok || !strings.Contains(text, w) {
			t.Errorf("%s:%d: the compiler says %q; want %q", file, line, text, w)
		}
		delete(want, line)
	}
	for line, w := range want {
		t.Errorf("%s:%d compiles; want %q", file, line, w)
	}
	if t.Failed() {
		t.Logf("go build:\n%s", out)
	}
}
