package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// accessOK leaves for label unless the n bytes at the user address addr lie
// below TaskSizeMax. Clobbers RAX.
func accessOK[N Operand](addr Reg, n N, label string) Block {
	return Block{
		taskSize(RAX),
		SUBQ(n, RAX),
		JB(label),
		CMPQ(addr, RAX),
		JA(label),
	}
}

// userAccess brackets instructions that touch user memory: with SMAP they may
// do so only with AC set. They end by falling through; a label for faults
// inside comes after with userAccessEnd.
func userAccess(items ...Item) Block {
	return Block{
		CMPB(Sym(cpuSmap), 0),
		IF(NE, STAC()),
		Block(items),
		userAccessEnd(),
	}
}

func userAccessEnd() Block {
	return Block{
		CMPB(Sym(cpuSmap), 0),
		IF(NE, CLAC()),
	}
}

// efault emits the place where the faulting instructions of a function continue: it returns
// -EFAULT.
func efault() Block {
	return Block{
		LABEL("fault"),
		userAccessEnd(),
		LABEL("bad_range"),
		fail(EFAULT),
	}
}

// copyBytes copies RDX bytes from RSI to RDI; one of the two is a user address.
func copyBytes() Block {
	return userAccess(
		MOVQ(RDX, RCX),
		SHRQ(3, RCX),
		REP(MOVSQ()).Fault("fault"),
		MOVL(RDX, RCX),
		ANDL(7, RCX),
		REP(MOVSB()).Fault("fault"),
	)
}

// getUser and put make functions that access one number.
func getUser(name, doc string, size int, load Ins) Func {
	return FUNC(name, doc,
		accessOK(RDI, size, "bad_range"),
		userAccess(load.Fault("fault")),
		XORL(RDX, RDX),
		RETURN(),
		LABEL("fault"),
		userAccessEnd(),
		LABEL("bad_range"),
		XORL(RAX, RAX),
		MOVQ(-EFAULT, RDX),
		RETURN(),
	)
}

func putUser(name, doc string, size int, store Ins) Func {
	return FUNC(name, doc,
		accessOK(RDI, size, "bad_range"),
		userAccess(store.Fault("fault")),
		XORL(RAX, RAX),
		RETURN(),
		efault(),
	)
}

// uaccess returns the only code that touches user memory.
func uaccess() Program {
	return Program{
		Funcs: Funcs(
			copyFromUser, copyToUser, clearUser, strncpyFromUser, getUserLong, getUserInt, putUserLong,
			putUserInt, putUserShort,
		),
	}
}

func copyFromUser() Func {
	return FUNC("copy_from_user", "copy_from_user copies RDX bytes from the user's RSI to RDI. Returns 0 or -EFAULT.",
		accessOK(RSI, RDX, "bad_range"),
		copyBytes(),
		XORL(RAX, RAX),
		RETURN(),
		efault(),
	).Takes(RDI, RSI, RDX).Returns(RAX).Keeps(R9)
}

func copyToUser() Func {
	return FUNC("copy_to_user", "copy_to_user copies RDX bytes from RSI to the user's RDI. Returns 0 or -EFAULT.",
		accessOK(RDI, RDX, "bad_range"),
		copyBytes(),
		XORL(RAX, RAX),
		RETURN(),
		efault(),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func clearUser() Func {
	return FUNC("clear_user", "clear_user writes RSI zeros to the user's RDI. Returns 0 or -EFAULT.",
		accessOK(RDI, RSI, "bad_range"),
		XORL(RAX, RAX),
		userAccess(
			MOVQ(RSI, RCX),
			SHRQ(3, RCX),
			REP(STOSQ()).Fault("fault"),
			MOVL(RSI, RCX),
			ANDL(7, RCX),
			REP(STOSB()).Fault("fault"),
		),
		RETURN(),
		efault(),
	).Takes(RDI, RSI).Returns(RAX)
}

func strncpyFromUser() Func {
	return FUNC("strncpy_from_user",
		`strncpy_from_user copies the user's NUL-terminated string at RSI to RDI, at most RDX
bytes with the NUL. Returns its length without the NUL, -EFAULT, or
-ENAMETOOLONG if it does not end within them.`,
		taskSize(R8),
		SUBQ(RSI, R8), // the bytes that can be read
		JBE("bad_range"),
		XORL(RCX, RCX),
		userAccess(
			LOOP(
				CMPQ(RCX, RDX),
				JE("too_long"),
				CMPQ(RCX, R8),
				JE("fault"),
				MOVZBL(RSI.Index(RCX, 1), RAX).Fault("fault"),
				MOVB(RAX, RDI.Index(RCX, 1)),
				TESTL(RAX, RAX),
				BREAK(E),
				INCQ(RCX),
			),
		),
		MOVQ(RCX, RAX),
		RETURN(),
		LABEL("too_long"),
		userAccessEnd(),
		fail(ENAMETOOLONG),
		efault(),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func getUserLong() Func {
	return getUser("get_user_long", "get_user_long returns the 64 bits at the user's RDI; RDX is 0 or -EFAULT.",
		8, MOVQ(RDI.At(0), RAX)).Takes(RDI).Returns(RAX, RDX)
}

func getUserInt() Func {
	return getUser("get_user_int", "get_user_int returns the 32 bits at the user's RDI, zero-extended; RDX is 0 or -EFAULT.",
		4, MOVL(RDI.At(0), RAX)).Takes(RDI).Returns(RAX, RDX)
}

func putUserLong() Func {
	return putUser("put_user_long", "put_user_long stores RSI at the user's RDI. Returns 0 or -EFAULT.",
		8, MOVQ(RSI, RDI.At(0))).Takes(RDI, RSI).Returns(RAX)
}

func putUserInt() Func {
	return putUser("put_user_int", "put_user_int stores ESI at the user's RDI. Returns 0 or -EFAULT.",
		4, MOVL(RSI, RDI.At(0))).Takes(RDI, RSI).Returns(RAX)
}

func putUserShort() Func {
	return putUser("put_user_short", "put_user_short stores the low 16 bits of RSI at the user's RDI. Returns 0 or -EFAULT.",
		2, MOVW(RSI, RDI.At(0))).Takes(RDI, RSI).Returns(RAX)
}
