// Package axistest adds an axis to those of package stubs from outside, as the
// file of a new axis does. It is a separate package because a registered axis is
// visible to all tests of the process.
package axistest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
	"github.com/google/go-cmp/cmp"
)

var fence = stubs.Register(stubs.Axis{
	Name: "fence", Rank: 1000,
	Doc: "whether the entry waits for what runs ahead with the user's GS",
	Values: []stubs.Choice{
		{Value: "fence=none", Since: "Linux 3.19", Doc: "it does not"},
		{
			Value: "fence=lfence", Since: "no release", Doc: "by LFENCE",
			Puts: stubs.Puts{stubs.BeforeStack: func(stubs.Axes) Block { return Block{LFENCE()} }},
		},
	},
	Excludes: []stubs.Exclusion{{
		What: "fence=lfence with build=mov",
		Why:  "the test wants one",
		Is:   func(v stubs.Axes) bool { return v.Is("fence=lfence") && v.Is(stubs.BuildMov) },
	}},
})

// TestAxis: a registered axis shows up in names, in what is excluded, in the listing at
// its moment and nowhere else, and in the prover.
func TestAxis(t *testing.T) {
	plain, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		t.Fatal(err)
	}
	fenced, err := stubs.ParseVariant("linux-4.1+fence=lfence")
	if err != nil {
		t.Fatal(err)
	}
	if fenced.Name != "linux-4.1+fence=lfence" || !strings.HasSuffix(fenced.Axes.String(), ",fence=lfence") {
		t.Errorf("its name is %q, its axes are %v", fenced.Name, fenced.Axes)
	}
	if strings.Contains(plain.Axes.String(), fence.Name) {
		t.Errorf("the axes of linux-4.1 are %v", plain.Axes)
	}
	if _, err := stubs.ParseVariant("linux-3.19+fence=lfence"); err == nil || !strings.Contains(err.Error(), "the test wants one") {
		t.Errorf("fence=lfence with build=mov: error is %v", err)
	}

	want := entry(t, plain)
	at := 2 // behind SWAPGS and the store of RSP
	want = append(want[:at:at], append([]string{"LFENCE"}, want[at:]...)...)
	if diff := cmp.Diff(want, entry(t, fenced)); diff != "" {
		t.Errorf("the entry (-want +got):\n%s", diff)
	}
	proof, err := prove.Prove(fenced)
	if err != nil {
		t.Fatal(err)
	}
	if proof.Outcome() != prove.Proved {
		t.Errorf("it is %v", proof.Outcome())
	}
}

// entry lists the instructions and labels of a variant's entry, without those
// that contain its address.
func entry(t *testing.T, n stubs.Variant) []string {
	t.Helper()
	image, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		t.Fatal(err)
	}
	l, ok := image.Object.Listing(n.FuncName(stubs.Entry))
	if !ok {
		t.Fatal("no entry")
	}
	name := func(symbol string) string {
		function, _, _ := stubs.CutFuncName(symbol)
		return function
	}
	var list []string
	for _, r := range l.Rows {
		if r.Label != "" {
			list = append(list, name(r.Label)+":")
			continue
		}
		in := r.Ins.Renamed(name)
		if operands := in.Operands(); len(operands) > 0 {
			if _, ok := operands[0].(Place); ok {
				list = append(list, in.Mnemonic())
				continue
			}
		}
		list = append(list, in.Short())
	}
	return list
}

// TestUnsound: an unsound declaration panics, and says why.
func TestUnsound(t *testing.T) {
	value := []stubs.Choice{{Value: "odd=x", Since: "no release", Doc: "a value"}}
	for _, tt := range []struct {
		name string
		axis stubs.Axis
		want string
	}{
		{"rank taken", stubs.Axis{Name: "odd", Rank: fence.Rank, Doc: "odd", Values: value}, "axis fence has this name or rank"},
		{"name taken", stubs.Axis{Name: "fence", Rank: 1001, Doc: "odd", Values: value}, "axis fence has this name or rank"},
		{"no text", stubs.Axis{Name: "odd", Rank: 1001, Values: value}, "want a name, a text and values"},
		{"no values", stubs.Axis{Name: "odd", Rank: 1001, Doc: "odd"}, "want a name, a text and values"},
		{"another axis's value", stubs.Axis{Name: "even", Rank: 1001, Doc: "odd", Values: value}, "want even=NAME"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panics with %q, want %q", got, tt.want)
				}
			}()
			stubs.Register(tt.axis)
		})
	}
}
