package wire

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct {
		name  string
		words string
		want  Command
		err   string
	}{
		{"nothing", "", Command{}, ""},
		{"verify", "verify", Command{Verify: true}, ""},
		{"measure", "measure", Command{Measure: true}, ""},
		{"trace", "trace", Command{Trace: true}, ""},
		{"events", "events", Command{Events: true}, ""},
		{"breakpoints", "breakpoints", Command{Breakpoints: true}, ""},
		{"rain", "rain", Command{Rain: true}, ""},
		{"sample", "sample -samples=10", Command{Sample: true, Samples: 10}, ""},
		{"value as a word of its own", "sample -seed 3", Command{Sample: true, Seed: 3}, ""},
		{"two dashes", "--seed=3", Command{Seed: 3}, ""},
		{"all variants", "-variants=A -variants=all", Command{}, ""},
		{"any order", "-seed=7 measure -variants=A/B verify", Command{Verify: true, Measure: true, Variants: []string{"A", "B"}, Seed: 7}, ""},
		{"axes", "trace -variants=sp=frame,flags=moved/B", Command{Trace: true, Variants: []string{"sp=frame,flags=moved", "B"}}, ""},
		{"a group", "verify -group=signals", Command{Verify: true, Group: "signals"}, ""},
		{"an operation", "measure -operation=null-call", Command{Measure: true, Operation: OpNullCall}, ""},
		{"no samples", "sample -samples=0", Command{}, "want at least 1"},
		{"samples that are no number", "sample -samples=x", Command{}, "-samples"},
		{"unknown word", "verify quick", Command{}, `"quick" is none of verify, measure, sample, trace, events, breakpoints and readings`},
		{"unknown flag", "-fast", Command{}, "-fast"},
		{"bad seed", "-seed=x", Command{}, "seed"},
	} {
		got, err := ParseCommand(strings.Fields(tt.words))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got error %v, want %q in it", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v and %v, want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestCommandWords(t *testing.T) {
	c := Command{Sample: true, Variants: []string{"a", "b"}, Group: "signals", Operation: OpNullCall, Seed: 3, Samples: 50}
	if got, want := c.Words(), []string{"sample", "-variants=a/b", "-group=signals", "-operation=null-call", "-seed=3", "-samples=50"}; !slices.Equal(got, want) {
		t.Errorf("words are %q, want %q", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := Command{
			Verify: rapid.Bool().Draw(t, "verify"), Measure: rapid.Bool().Draw(t, "measure"),
			Sample: rapid.Bool().Draw(t, "sample"), Trace: rapid.Bool().Draw(t, "trace"),
			Seed: rapid.Uint64().Draw(t, "seed"), Samples: anyCount.Draw(t, "samples"),
		}
		if rapid.Bool().Draw(t, "call") {
			c.Call = &Call{Number: rapid.Uint64().Draw(t, "number")}
			for range rapid.IntRange(0, MaxArguments).Draw(t, "arguments") {
				a := Argument{Buffer: rapid.Bool().Draw(t, "buffer")}
				if !a.Buffer {
					a.Value = rapid.Uint64().Draw(t, "value")
				}
				c.Call.Args = append(c.Call.Args, a)
			}
		}
		name := anyName.Filter(func(s string) bool { return s != allVariants && !strings.Contains(s, betweenNames) })
		if names := rapid.SliceOf(name).Draw(t, "variants"); len(names) > 0 {
			c.Variants = names
		}
		if got, err := ParseCommand(c.Words()); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%q is read as %+v and %v", c.Words(), got, err)
		}
	})
}

// FuzzParseCommand: no words break the parser, and a command that it reads prints the same words.
func FuzzParseCommand(f *testing.F) {
	f.Add("sample -seed 3 -samples=10 -variants=a/b")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCommand(strings.Fields(text))
		if err != nil {
			return
		}
		if again, err := ParseCommand(c.Words()); err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q is read as %+v, printed as %q, which is read as %+v and %v", text, c, c.Words(), again, err)
		}
	})
}
