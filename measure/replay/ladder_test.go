package replay

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// TestRungs: a rung has as many instructions more as it says, and all that
// follows them lies where it does without.
func TestRungs(t *testing.T) {
	code := func(l ladder, n int) (chunk, map[string]int) {
		c, err := chunkOf(l.rung(n))
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, loop := range []string{loopN, loopSR, loopD} {
			for at, end := c.Defs[loop], c.Defs[labelIn(loop, loopBack)]; at < end; {
				inst, err := x86asm.Decode(c.Code[at:], 64)
				if err != nil {
					t.Fatal(err)
				}
				if at += inst.Len; inst.Op != x86asm.INT {
					count[loop]++
				}
			}
		}
		return c, count
	}
	for _, l := range ladders {
		none, before := code(l, 0)
		for _, n := range more {
			rung, count := code(l, n)
			for loop := range before {
				if count[loop] != before[loop]+n || before[loop] == 0 {
					t.Errorf("%d %ss in %s: %d instructions where %d are without", n, l.kind, loop, count[loop], before[loop])
				}
			}
			for name, at := range none.Defs {
				if rung.Defs[name] != at {
					t.Errorf("%d %ss: %s is at %#x, without them at %#x", n, l.kind, name, rung.Defs[name], at)
				}
			}
		}
	}
}

// TestReadAs: a difference is one of steps if, and only if, the ladders say so.
func TestReadAs(t *testing.T) {
	const wide = 2.5 // of noise: no interval is narrow enough
	for _, tt := range []struct {
		name       string
		difference float64
		noise      float64
		rungs      [4]float64 // what 1, 2, 3 and 6 instructions more read as
		want       string
	}{
		{"one step for all", 1, 0.1, [4]float64{1, 1, 1, 1}, "1, 2, 3 or 6 instructions more"},
		{"one step for some", 1, 0.1, [4]float64{1, 1, 1, 2}, "1, 2 or 3 instructions more"},
		{"the second step", 2, 0.1, [4]float64{1, 1, 2, 2}, "3 or 6 instructions more"},
		{"up and down", 1, 0.1, [4]float64{1, 0.2, 0.2, 1.1}, "1 or 6 instructions more"},
		{"down again", 0, 0.1, [4]float64{1, 0, 0, 1}, "2 or 3 instructions more"},
		{"none of them is seen", 0, 0.1, [4]float64{0, 0, 0, 0}, "1, 2, 3 or 6 instructions more"},
		{"each is seen", 1, 0.1, [4]float64{1, 2, 3, 6}, ""},
		{"each is half a cycle", 1, 0.1, [4]float64{0.5, 1, 1.5, 3}, ""},
		{"beside the step", 2, 0.1, [4]float64{1, 1, 1, 1}, ""},
		{"below the step", 0.5, 0.1, [4]float64{1, 1, 1, 1}, ""},
		{"the other way", -1, 0.1, [4]float64{1, 1, 1, 1}, ""},
		{"one alone is not seen", 0, 0.1, [4]float64{0, 1, 2, 4}, ""},
		{"noise hides what is no step", 1, wide, [4]float64{1, 2, 3, 6}, ""},
		{"noise hides the step", 1, wide, [4]float64{1, 1, 1, 1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := simulate(t, tt.difference, 0, 1, tt.noise, 0)
			for i, c := range r.job.Cells {
				if c.Op != opLadder {
					continue
				}
				reads := 0.0
				if rung := r.rungs[i]; rung.Kind == ladders[0].kind {
					reads = tt.rungs[slices.Index(more, rung.More)]
				}
				for n, p := range r.placements {
					if p.Ticks[i][r.ladderStream()] += reads / 60 * 42; n%ladderEvery != 0 {
						p.Ticks[i][r.ladderStream()] = 0 // as the child leaves it
					}
				}
			}
			res, err := r.analyse(CPU{})
			if err != nil && tt.noise != wide {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(res.Headline()[1].ReadAs, func(r ReadAs) bool { return r.Kind != ladders[0].kind })
			if Words(got) != tt.want {
				t.Errorf("%+v reads as %q, want %q; the ladder is %+v", *res.Headline()[1].Difference, Words(got), tt.want, res.Ladder[:4])
			}
			for _, c := range res.Cells {
				for _, f := range c.Figures {
					if (c.Op != OpNull || c.Form == formN) && f.ReadAs != nil {
						t.Errorf("%s %s of %s reads as %v, and there is no ladder or no fence", c.Op, c.Form, f.Variant, f.ReadAs)
					}
				}
			}
		})
	}
}

// TestNoLadder: too few placements have ladders: then nothing is said of steps.
func TestNoLadder(t *testing.T) {
	r := simulate(t, 1, 0, 1, 0.1, 0)
	for i, c := range r.job.Cells {
		for n, p := range r.placements {
			if c.Op == opLadder && n >= 7 {
				p.Ticks[i][r.ladderStream()] = 0
			}
		}
	}
	res, err := r.analyse(CPU{})
	if err != nil || len(res.Ladder) > 0 || res.Headline()[1].ReadAs != nil {
		t.Errorf("%v, ladder %v, reads as %v", err, res.Ladder, res.Headline()[1].ReadAs)
	}
}

func TestSteps(t *testing.T) {
	for _, tt := range []struct {
		want        string
		differences []float64
	}{
		{"2 at -1, 1 at 0, 3 at +1, 1 at +11, 2 between", []float64{1.2, 0.9, 1, -0.8, -1, 0.1, 11, 0.5, 1.6}},
		{"1 at 0", []float64{-0.1}},
		{"1 between", []float64{2.5}},
		{"-10 to +20, half of them +0 to +10", []float64{-10, 0, 10, 20, 5}},
		{"", nil},
	} {
		if got := Steps(tt.differences); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.differences, got, tt.want)
		}
	}
	if strings.Contains(Steps([]float64{-0.1}), "-0") {
		t.Error("zero has a sign")
	}
}
