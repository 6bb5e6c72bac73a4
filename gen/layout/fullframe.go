package layout

// FullFrameCall is a system call whose handler needs full pt_regs, or the flags slot of
// them. For a variant that does not build them at every call, the call table holds a
// wrapper that completes them. The kernel, the variants, the prover and the contract of .S
// files take these calls from FullFrameCalls alone.
type FullFrameCall struct {
	// Name without prefix: sys_Name is the handler, stub_Name the wrapper.
	Name string
	Nr   int
	Kind FullFrameKind
}

// FullFrameKind says what the handler does with the frame, and so what a wrapper
// must do around it.
type FullFrameKind uint8

const (
	// ForkLike reads the frame, may change the sp and flags slots, and returns
	// as an ordinary handler does.
	ForkLike FullFrameKind = iota
	// EditsFlags reads and changes the flags slot, needs no other, and returns
	// as an ordinary handler does.
	EditsFlags
	// ReplacesFrame may change every slot; the call ends by the slow exit.
	ReplacesFrame
	// EditsSlot changes the one slot that RDI numbers, as ptrace may.
	EditsSlot
	// NeverReturns is a handler that returns to ring 3 without the stub's exit.
	NeverReturns
)

// Edits returns the slots that a handler of the kind may change, except the one
// that EditsSlot gets from its caller.
func (k FullFrameKind) Edits() Slots {
	switch k {
	case ForkLike:
		return 1<<SlotSP | 1<<SlotFlags
	case EditsFlags:
		return 1 << SlotFlags
	case ReplacesFrame:
		return SlotsAll
	}
	return 0
}

// Needs returns the slots that a handler of the kind needs.
func (k FullFrameKind) Needs() Slots {
	if k == EditsFlags {
		return 1 << SlotFlags
	}
	return SlotsAll
}

// Stub returns the name of the call's wrapper, Handler the name of its handler.
func (c FullFrameCall) Stub() string    { return "stub_" + c.Name }
func (c FullFrameCall) Handler() string { return "sys_" + c.Name }

// FullFrameCalls are all such calls, in the order of VariantDesc.Wrappers.
var FullFrameCalls = [numFullFrameCalls]FullFrameCall{
	{"clone", 56, ForkLike},
	{"fork", 57, ForkLike},
	{"vfork", 58, ForkLike},
	{"iopl", 172, EditsFlags},
	{"rt_sigreturn", 15, ReplacesFrame},
	{"execve", 59, ReplacesFrame},
	{"execveat", 322, ReplacesFrame},
	{"full_frame", SysFullFrame, ForkLike},
	{"set_frame", SysSetFrame, EditsSlot},
	{"poison", SysPoison, NeverReturns},
}

const numFullFrameCalls = 10
