package wire

import (
	"strings"
	"testing"
)

func TestParseArgument(t *testing.T) {
	for _, row := range []struct {
		text string
		want Argument
		err  string
	}{
		{"1", Argument{Value: 1}, ""},
		{"-1", Argument{Value: 1<<64 - 1}, ""},
		{"0x10", Argument{Value: 16}, ""},
		{"0xffffffffffffffff", Argument{Value: 1<<64 - 1}, ""},
		{"BUF", Argument{Buffer: true}, ""},
		{"", Argument{}, "want a number of 64 bits, or BUF"},
		{"buf", Argument{}, `argument "buf"`},
		{"0x10000000000000000", Argument{}, "want a number of 64 bits"},
	} {
		got, err := ParseArgument(row.text)
		if row.err == "" && (err != nil || got != row.want) {
			t.Errorf("%q: %+v and %v, want %+v", row.text, got, err, row.want)
		}
		if row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)) {
			t.Errorf("%q: error is %v, want %q in it", row.text, err, row.err)
		}
	}
}

func TestParseCallBad(t *testing.T) {
	for _, row := range []struct{ text, err string }{
		{"", "want one of 64 bits"},
		{"x", "want one of 64 bits"},
		{"1/2/3/4/5/6/7/8", "at most 6"},
		{"1/x", "want a number of 64 bits"},
	} {
		if c, err := parseCall(row.text); err == nil || !strings.Contains(err.Error(), row.err) {
			t.Errorf("%q: %v and error %v, want %q in it", row.text, c, err, row.err)
		}
	}
}
