package replay

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

// TestPlacements: words of the CPU and of the thread that a path looks at are in order
// where another placement had something else.
func TestPlacements(t *testing.T) {
	r, err := Prepare(Config{
		Variants: named(t, "linux-3.19", axes[len(axes)-1]), Budget: 400 * time.Millisecond, Processes: 1, Seed: 1, tamper: trim,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sampleAll(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestEntryPlace: every placement has the entries at the places that their variants say,
// and the controls' where the base's is.
func TestEntryPlace(t *testing.T) {
	list := named(t, "linux-4.1@48", "linux-3.19@0", "linux-6.12@17", "linux-4.1+align=64+pad=32")
	offsets := []int{48, 0, 17, 32}
	r, err := Prepare(Config{Variants: list, Budget: time.Millisecond, Processes: 1, Seed: 1, tamper: trim})
	if err != nil {
		t.Fatal(err)
	}
	a, err := newArena(len(r.job.Streams)+len(r.job.Rungs)+4, r.job.Probe)
	if err != nil {
		t.Fatal(err)
	}
	rng, seen := rand.New(rand.NewPCG(1, 1)), map[uint64]bool{}
	for range 20 {
		p, err := a.place(rng, &r.job)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range r.job.Streams {
			want := offsets[0]
			if i < len(list) {
				want = offsets[i]
			}
			entry := p.stubs[i] + uint64(s.Defs[stubs.Entry])
			if int(entry%64) != want {
				t.Errorf("%s begins at %#x, want +%d of a line", s.Name, entry, want)
			}
			seen[entry] = true
		}
	}
	if len(seen) < 20 {
		t.Errorf("the entries had %d addresses in 20 placements", len(seen))
	}
}

// TestThreadsAnew: a thread that lies where others' stacks were has nothing of theirs, such as
// a word that says how far its stack was erased.
func TestThreadsAnew(t *testing.T) {
	r, err := Prepare(Config{Variants: named(t, "linux-6.12", "linux-3.19"), Budget: time.Millisecond, Processes: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := newArena(len(r.job.Streams)+len(r.job.Rungs)+4, r.job.Probe)
	if err != nil {
		t.Fatal(err)
	}
	s := &sampler{job: &r.job, arena: a}
	if s.at, err = a.place(rand.New(rand.NewPCG(1, 1)), s.job); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.job.Cells {
		for i := range a.data {
			a.data[i] = 0x9f
		}
		s.call(&c, 0)
		self := a.get(s.at.perCPU + uint64(perCPU.Current.Off))
		for _, word := range []asm.Slot{thread.Flags, thread.LowestStack, thread.FX[0], thread.UnwindMask} {
			if got := a.get(self + uint64(word.Off)); got != 0 {
				t.Errorf("%s: %s is %#x", c.Op, word.Name, got)
			}
		}
	}
}
