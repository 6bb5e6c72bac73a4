package replay

import (
	"math"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/measure/stats"
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

// TestLadder: a rung has what its instructions more take, in the placements that have
// ladders.
func TestLadder(t *testing.T) {
	r := simulate(t, 1, 0, 1, 0, 0)
	for i, c := range r.job.Cells {
		if c.Op != opLadder {
			continue
		}
		for n, p := range r.placements {
			if p.Ticks[i][r.ladderStream()] += float64(r.rungs[i].More) / 60 * 42; n%ladderEvery != 0 {
				p.Ticks[i][r.ladderStream()] = 0 // as the child leaves it
			}
		}
	}
	res, err := r.result(CPU{})
	if err != nil || len(res.Ladder) != len(Forms)*len(ladders)*len(more) {
		t.Fatalf("%d rungs, %v", len(res.Ladder), err)
	}
	for _, rung := range res.Ladder {
		if n := len(rung.Differences); n != 200/ladderEvery || n != len(rung.Process) || math.Abs(stats.Mean(rung.Differences)-float64(rung.More)) > 1e-9 {
			t.Errorf("%d %ss more, %s: %d differences of %g", rung.More, rung.Kind, rung.Form, n, stats.Mean(rung.Differences))
		}
	}
}
