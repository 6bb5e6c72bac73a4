package layout

// SigAction is what a signal does, as rt_sigaction passes it (Linux
// include/linux/signal_types.h, struct sigaction with SA_RESTORER).
type SigAction[T any] struct{ Handler, Flags, Restorer, Mask T }

// NumSignals is the number of signals, 1 to 64.
const NumSignals = 64

// MinRTSignal is the first of the real-time signals, each of which is queued as often
// as it is sent.
const MinRTSignal = 32

// MaxSigPending is the number of signals that can be pending with a SigQueue each,
// POSIX timers included (RLIMIT_SIGPENDING).
const MaxSigPending = 4096

// SigPending holds the signals that wait for a thread or for the process (Linux
// include/linux/signal_types.h, struct sigpending). A signal of the mask that has
// no SigQueue was sent by kill or tkill.
type SigPending[T any] struct {
	Mask       T // bit n-1 is signal n
	Head, Tail T // SigQueues in the order that they were sent; Tail counts only if Head is not 0
}

// SigQueue is a signal that waits with its siginfo.
type SigQueue[T any] struct {
	Next T
	// Release is the function that is called, with the SigQueue in RDI and IF 0, when
	// the SigQueue is taken off its list or was not put there. ESI is 1 if the current
	// thread has taken the signal and has the siginfo, 0 if the signal is dropped.
	Release T
	Info    KernelSigInfo[T]
}

// KernelSigInfo is the part of a siginfo_t that the kernel keeps: its first 48 bytes.
// The others are 0 (Linux include/linux/signal_types.h, kernel_siginfo).
type KernelSigInfo[T any] struct {
	SignoErrno T // 32 bits each
	Code       T // 32 bits and padding
	Fields     [4]T
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

// RTSigFrame is the stack frame that a signal handler starts on: 440 bytes, RSP at the
// restorer's address (Linux arch/x86/include/asm/sigframe.h, struct
// rt_sigframe). The FXSAVE image lies above it.
type RTSigFrame[T any] struct {
	Restorer T
	UC       UContext[T]
	Info     SigInfo[T]
}
