package align

import "testing"

func TestSequences(t *testing.T) {
	for _, row := range []struct{ left, right, want string }{
		{"", "", ""},
		{"abc", "abc", "=a=b=c"},
		{"abc", "", "<a<b<c"},
		{"", "ab", ">a>b"},
		{"abc", "axc", "=a<b>x=c"},
		{"abcd", "bd", "<a=b<c=d"},
		{"ab", "ba", "<a=b>a"},
	} {
		got := ""
		say := func(mark string, c byte) { got += mark + string(c) }
		Sequences(len(row.left), len(row.right), func(i, j int) bool { return row.left[i] == row.right[j] },
			func(i, _ int) { say("=", row.left[i]) },
			func(i int) { say("<", row.left[i]) },
			func(j int) { say(">", row.right[j]) })
		if got != row.want {
			t.Errorf("%q and %q: %q, want %q", row.left, row.right, got, row.want)
		}
	}
}
