package vmtests

import (
	"bytes"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// callDepth is a variant that counts the calls in the kernel.
const callDepth = "linux-6.12+returns=calldepth"

// TestReturnThunks: while a variant with a return thunk is selected, the handler's RET goes
// by it, too, and by RET again under the next variant.
func TestReturnThunks(t *testing.T) {
	t.Parallel()
	list := []stubs.Variant{variant(t, "linux-6.12"), variant(t, "linux-6.12+returns=its"), variant(t, "linux-6.12+returns=srso"), variant(t, callDepth)}
	counted, err := count.Variants(list)
	if err != nil {
		t.Fatal(err)
	}
	run := runGuest(t, boot.Config{Variants: list, Args: []string{"measure"}, VM: machine(t, vm.ICount)})
	got := map[string]float64{}
	for _, m := range run.Measures {
		if m.Op == wire.OpNullCall {
			got[m.Variant] = m.Median
		}
	}
	const call = 2 // of count.Phases: entry and exit
	for i, more := range []int{
		0,
		1, // a JMP
		3, // with a CALL and a LEAQ
		3, // with what counts the depth down, and finds it above 0
	} {
		path := counted[i].Counts[call].Instructions - counted[0].Counts[call].Instructions
		if d := got[list[i].Name] - got[list[0].Name]; got[list[i].Name] == 0 || d != float64(path+more) {
			t.Errorf("%s: a null call takes %v instructions more than that of %s; its path has %d more and its handler's return %d", list[i].Name, d, list[0].Name, path, more)
		}
	}
}

// TestCallDepth: while a variant that counts the call depth is selected, each CALL by an
// address is counted where it goes, but for those of functions that return flags, and each
// counted CALL is counted down again; under another variant of the same kernel none is.
func TestCallDepth(t *testing.T) {
	t.Parallel()
	list := []stubs.Variant{variant(t, "linux-6.12"), variant(t, callDepth)}
	var rounds []*trace.Round
	for _, n := range list {
		m, err := boot.Prepare(t.Context(), boot.Config{
			Variants: list, VM: machine(t, vm.ICount),
			Args: wire.Command{Trace: true, Operation: wire.OpSignalRoundTrip, Variants: []string{n.Name}}.Words(),
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := trace.Operation(t.Context(), m, n.Name, wire.OpSignalRoundTrip)
		if err != nil {
			t.Fatal(err)
		}
		rounds = append(rounds, r)
	}
	plain, depth := countCalls(rounds[0]), countCalls(rounds[1])
	if plain.up > 0 || plain.down > 0 || plain.calls == 0 || len(plain.uncounted) != plain.calls {
		t.Errorf("%s: of %d CALLs %d are counted, and %d returns", list[0].Name, plain.calls, plain.up, plain.down)
	}
	const flags = "recalc_sigpending"
	for _, of := range depth.uncounted {
		if of != flags {
			t.Errorf("%s: a CALL of %s is not counted", callDepth, of)
		}
	}
	if depth.calls != plain.calls || depth.up != depth.calls-len(depth.uncounted) || depth.down != depth.up || depth.filled {
		t.Errorf("%s: of %d CALLs %d are counted, and %d returns; the return stack was filled: %v. %s makes %d CALLs", callDepth, depth.calls, depth.up, depth.down, depth.filled, list[0].Name, plain.calls)
	}
	// A count up and, instead of a RET, a JMP and a count down with a test; and at each
	// SYSCALL the count's reset, three instructions where others have two NOPs.
	calls := 0
	for _, w := range rounds[1].Ways {
		if w.Event == "" {
			calls++
		}
	}
	if more, want := len(rounds[1].Steps)-len(rounds[0].Steps), 4*depth.up+calls; more != want {
		t.Errorf("%s: %d instructions more than %s, want %d: 4 for each of %d CALLs, 1 for each of %d system calls", callDepth, more, list[0].Name, want, depth.up, calls)
	}
}

// counted is what is counted of the CALLs of a round.
type counted struct {
	calls, up, down int
	uncounted       []string // the functions that are called so
	filled          bool
}

// countCalls looks for the counts at the CALLs by an address and at the returns of a round.
func countCalls(r *trace.Round) (c counted) {
	const call = 0xe8
	up, down := []byte{0x65, 0x48, 0xc1, 0x3c, 0x25}, []byte{0x65, 0x48, 0xc1, 0x24, 0x25} // SARQ and SHLQ of a per-CPU word
	for i, s := range r.Steps[:len(r.Steps)-1] {
		to := r.Steps[i+1]
		switch {
		case bytes.HasPrefix(s.Code, down):
			c.down++
		case s.Code[0] != call:
		case strings.HasPrefix(s.Func, "call_depth_return_thunk"):
			c.filled = true
		default:
			c.calls++
			if bytes.HasPrefix(to.Code, up) {
				c.up++
			} else {
				c.uncounted = append(c.uncounted, to.Func)
			}
		}
	}
	return c
}
