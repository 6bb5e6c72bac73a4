package vmtests

import (
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// TestReturnThunks: while a variant with a return thunk is selected, the handler's RET goes
// by it, too, and by RET again under the next variant.
func TestReturnThunks(t *testing.T) {
	t.Parallel()
	list := []stubs.Variant{variant(t, "linux-6.12"), variant(t, "linux-6.12+returns=its"), variant(t, "linux-6.12+returns=srso"), variant(t, "linux-6.12+returns=calldepth")}
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
		0, // the kernel's functions do not count the depth
	} {
		path := counted[i].Counts[call].Instructions - counted[0].Counts[call].Instructions
		if d := got[list[i].Name] - got[list[0].Name]; got[list[i].Name] == 0 || d != float64(path+more) {
			t.Errorf("%s: a null call takes %v instructions more than that of %s; its path has %d more and its handler's return %d", list[i].Name, d, list[0].Name, path, more)
		}
	}
}
