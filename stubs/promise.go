package stubs

// Promises are what a value makes the prover demand of every path, in addition to
// what it demands of all variants.
type Promises uint32

// The promises. Package prove says at which instruction each is checked.
const (
	// PromiseLanding: the entry begins with ENDBR64.
	PromiseLanding Promises = 1 << iota
	// PromiseCleared: no register except the handler's arguments holds a value that
	// the user chose when the handler is called.
	PromiseCleared
	// PromiseBuffers: VERW overwrites the CPU's buffers after the last load of
	// anything that is not the user's.
	PromiseBuffers
	// PromiseNoIndirect: no indirect branch is predicted.
	PromiseNoIndirect
	// PromiseIBRS: the kernel runs with SPEC_CTRL.IBRS set, from before
	// the first indirect branch or return on, and ring 3 with its own value.
	PromiseIBRS
	// PromiseIsolated: ring 3 runs on the user's page table, and the kernel
	// on its own.
	PromiseIsolated
	// PromisePCID: the translations of both page tables are kept, except those that
	// have become invalid.
	PromisePCID
	// PromiseTrampoline: only the trampoline stack is read from the moment that the
	// exit looks for the user's RSP.
	PromiseTrampoline
	// PromiseCanary: the CPU's canary is the running thread's.
	PromiseCanary
	// PromiseReturnStack: no RET of a thread that continues is predicted by a CALL
	// of another thread.
	PromiseReturnStack
	// PromiseHistory: no indirect branch and no function of the kernel is reached
	// before the loop of bhb has taken its branches, and an LFENCE has followed.
	PromiseHistory
	// PromiseBHIDisS: SPEC_CTRL.BHI_DIS_S is set while the variant is selected.
	PromiseBHIDisS
	// PromiseUntrained: the CPU has forgotten where the RET of the variant's thunk goes,
	// before any RET and any function of the kernel.
	PromiseUntrained
	// PromiseIBPB: the CPU has forgotten all branches, as early as that.
	PromiseIBPB
	// PromiseReturns: no RET is executed but the thunk's.
	PromiseReturns
	// PromiseUpperHalf: no RET and no indirect branch ends in the lower half of a cache
	// line.
	PromiseUpperHalf
	// PromiseCallDepth: each CALL and each RET is counted, and no RET is executed with the
	// count at 0.
	PromiseCallDepth
	// PromiseFRED: ring 3 returns with the CPU's word for the thread's stack up to date, and
	// events of both rings arrive at the variant's entries.
	PromiseFRED
	// PromiseErased: ring 3 returns with nothing of the kernel's on the thread's stack below
	// the frame.
	PromiseErased
	// PromiseShadowStack: the thread that runs has its own shadow stack, and one that has
	// none runs without.
	PromiseShadowStack
)

// Has reports whether all of q are among p.
func (p Promises) Has(q Promises) bool { return p&q == q }
