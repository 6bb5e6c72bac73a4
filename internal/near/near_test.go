package near

import "testing"

func TestHint(t *testing.T) {
	presets := []string{"bare", "linux-3.19", "linux-4.2", "linux-6.12", "freebsd"}
	for _, tt := range []struct {
		word, want string
	}{
		{"linux-6.2", "did you mean linux-6.12? "}, // linux-4.2 is as near, and begins less alike
		{"freeBSD", "did you mean freebsd? "},
		{"FREEBSD", ""},
		{"freebds", "did you mean freebsd? "},
		{"linux", ""},
		{"", ""},
		{"moon", ""},
	} {
		if got := Hint(tt.word, presets); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := Of("x", []string{}); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
