package stubs

// Promises are what a value makes the prover demand of every path, beside what
// it demands of all variants.
type Promises uint16

// The promises. Package prove tells at which instruction each is looked at.
const (
	// PromiseLanding is that the entry begins with ENDBR64.
	PromiseLanding Promises = 1 << iota
	// PromiseCleared is that no register holds a value of the user's choice when
	// the handler is called, but for its arguments.
	PromiseCleared
	// PromiseBuffers is that VERW overwrites the CPU's buffers behind the last
	// load of what is not the user's.
	PromiseBuffers
	// PromiseNoIndirect is that no indirect branch is predicted.
	PromiseNoIndirect
	// PromiseIBRS is that the kernel runs with SPEC_CTRL.IBRS set, from before
	// the first indirect branch or return on, and ring 3 with its own value.
	PromiseIBRS
	// PromiseIsolated is that ring 3 runs on the user's page table, and the kernel
	// on its own.
	PromiseIsolated
	// PromisePCID is that the translations of both page tables are kept, but for
	// those that have become invalid.
	PromisePCID
	// PromiseTrampoline is that nothing but the trampoline stack is read once the
	// user's RSP is looked for.
	PromiseTrampoline
	// PromiseCanary is that the CPU's canary is the running thread's.
	PromiseCanary
	// PromiseReturnStack is that no RET of a thread that goes on is predicted to
	// go where a CALL of another thread's said.
	PromiseReturnStack
)

// Has reports whether all of q are among p.
func (p Promises) Has(q Promises) bool { return p&q == q }
