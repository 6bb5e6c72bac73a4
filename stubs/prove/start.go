package prove

import (
	"runtime"
	"sync/atomic"

	"github.com/entrylab/entrylab/stubs"
)

// Start begins to prove variants on all CPUs, in their order, each by the function that is
// given: [Prove], [Object] in a program, or what makes the [Obligations]. It returns, for
// each variant, a function that waits for its proof.
func Start[T any](list []stubs.Variant, proof func(stubs.Variant) (T, error)) []func() (T, error) {
	type outcome struct {
		done  chan struct{}
		proof T
		err   error
	}
	outcomes := make([]outcome, len(list))
	waits := make([]func() (T, error), len(list))
	for i := range list {
		o := &outcomes[i]
		o.done = make(chan struct{})
		waits[i] = func() (T, error) {
			<-o.done
			return o.proof, o.err
		}
	}
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		go func() {
			for i := next.Add(1) - 1; i < int64(len(list)); i = next.Add(1) - 1 {
				o := &outcomes[i]
				o.proof, o.err = proof(list[i])
				close(o.done)
			}
		}()
	}
	return waits
}
