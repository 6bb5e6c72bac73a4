package layout

// SigAction is what a signal does, as rt_sigaction passes it (Linux
// include/linux/signal_types.h, struct sigaction with SA_RESTORER).
type SigAction[T any] struct{ Handler, Flags, Restorer, Mask T }

// NumSignals is the number of signals, 1 to 64.
const NumSignals = 64

// Signals is the process's part of signal handling.
type Signals[T any] struct {
	Pending T // mask of signals sent to the process, for any thread that does not block them
	Actions [NumSignals]SigAction[T]
}

// SigStack is stack_t as sigaltstack passes it; the upper half of Flags is
// padding.
type SigStack[T any] struct{ SP, Flags, Size T }

// SigContext is the machine state in a signal frame (Linux
// arch/x86/include/uapi/asm/sigcontext.h, struct sigcontext_64).
type SigContext[T any] struct {
	R8, R9, R10, R11, R12, R13, R14, R15 T
	DI, SI, BP, BX, DX, AX, CX, SP       T
	IP, Flags                            T
	Segments                             T // 16 bits each: CS, GS, FS, SS
	ErrorCode, TrapNo, OldMask, CR2      T
	FPState                              T // address of the FXSAVE image, or 0
	Reserved                             [8]T
}

// UContext is the second argument of a signal handler's context (Linux
// include/uapi/asm-generic/ucontext.h).
type UContext[T any] struct {
	Flags, Link T
	Stack       SigStack[T]
	MC          SigContext[T]
	SigMask     T
}

// SigInfo is siginfo_t: 128 bytes (Linux include/uapi/asm-generic/siginfo.h).
type SigInfo[T any] struct {
	SignoErrno T // 32 bits each
	Code       T // 32 bits and padding
	Addr       T // si_addr, or si_pid and si_uid
	Rest       [13]T
}

// RTSigFrame is what a signal handler starts on: 440 bytes, RSP at the
// restorer's address (Linux arch/x86/include/asm/sigframe.h, struct
// rt_sigframe). The FXSAVE image lies above it.
type RTSigFrame[T any] struct {
	Restorer T
	UC       UContext[T]
	Info     SigInfo[T]
}
