package chart

import "testing"

func TestMinus(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"-1.0 ±0.1", "−1.0 ±0.1"},
		{"-1.0 to -0.5 [-2, +3]", "−1.0 to −0.5 [−2, +3]"},
		{"linux-3.19, full-frame, -ENOSYS", "linux-3.19, full-frame, -ENOSYS"},
	} {
		if got := Minus(tt.text); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
