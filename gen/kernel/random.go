package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
)

// Flags of getrandom (Linux include/uapi/linux/random.h).
const grndAll = 1 | 2 | 4 // NONBLOCK, RANDOM, INSECURE

const randomChunk = 256 // bytes made at a time

// randoms returns the part that makes random numbers: the CPU's if it has RDRAND, else
// those of a xorshift generator that starts from the time-stamp counter. The latter are
// good for hash seeds and shuffling and must not be used for keys.
func randoms() Program {
	return Program{
		Funcs: Funcs(
			randomInit, randomLong, sysGetrandom, randomRead,
		),
		Data: []Data{
			cpuRdrand, randomState, randomBuffer,
		},
	}
}

var cpuRdrand = BSS("cpu_rdrand", 8, 8)

var randomState = BSS("random_state", 8, 8)

var randomBuffer = BSS("random_buffer", randomChunk, 64)

func randomInit() Func {
	return FUNC("random_init", "random_init looks for RDRAND and starts the generator that is used without it.",
		MOVL(1, RAX),
		XORL(RCX, RCX),
		CPUID(),
		SHRL(x86.CPUID_1_ECX_RDRAND, RCX),
		ANDL(1, RCX),
		MOVQ(RCX, Sym(cpuRdrand)),
		RDTSC(),
		SHLQ(32, RDX),
		ORQ(RDX, RAX),
		ORQ(1, RAX), // 0 would stay 0
		MOVQ(RAX, Sym(randomState)),
		seedKStack(0),
		seedKStack(1),
		RETURN(),
	).Saving(RBX).Takes()
}

// leastRandom has the bit set in each half by which all four generators of kstack=prng have
// a number that they can begin with.
const leastRandom = 1<<39 | 1<<7

// seedKStack seeds two of the generators. Clobbers RAX, RCX and RDX.
func seedKStack(i int) Block {
	return Block{
		CALL(randomLong),
		MOVQ(uint64(leastRandom), RCX),
		ORQ(RCX, RAX),
		MOVQ(RAX, gs.KStackRandom[i]),
	}
}

func randomLong() Func {
	return FUNC("random_long", "random_long returns 64 random bits. Clobbers RCX, RDX.",
		CMPQ(Sym(cpuRdrand), 0),
		IF(NE,
			MOVL(10, RCX), // tries (SDM volume 1, 7.3.17.1)
			DO(
				RDRANDQ(RAX),
				IF(B, RETURN()),
				DECL(RCX),
			).WHILE(NE),
		),
		// xorshift64* (Vigna, "An experimental exploration of Marsaglia's
		// xorshift generators, scrambled", 2016)
		MOVQ(Sym(randomState), RAX),
		MOVQ(RAX, RCX),
		SHRQ(12, RCX),
		XORQ(RCX, RAX),
		MOVQ(RAX, RCX),
		SHLQ(25, RCX),
		XORQ(RCX, RAX),
		MOVQ(RAX, RCX),
		SHRQ(27, RCX),
		XORQ(RCX, RAX),
		MOVQ(RAX, Sym(randomState)),
		MOVQ(uint64(0x2545f4914f6cdd1d), RCX),
		IMULQ(RCX, RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI)
}

func sysGetrandom() Func {
	return FUNC("sys_getrandom", "sys_getrandom(buf, len, flags).",
		TESTL(^grndAll, RDX),
		IF(NE, fail(EINVAL)),
		MOVL(maxRW, RDX),
		CMPQ(RSI, RDX),
		CMOVQB(RSI, RDX),
		MOVQ(RDI, RSI),
		JMP(randomRead),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func randomRead() Func {
	buf, left, n, done := RBX, R12, R13, R14
	return FUNC("random_read", "random_read is the Read of /dev/random and /dev/urandom: RDX bytes to the user's RSI.",
		MOVQ(RSI, buf),
		MOVQ(RDX, left),  // left
		XORL(done, done), // done
		LOOP(
			MOVL(randomChunk, n),
			CMPQ(left, n),
			CMOVQB(left, n),
			TESTQ(n, n),
			BREAK(E),
			LEAQ(Sym(randomBuffer), RDI),
			LEAQ(RDI.Index(n, 1), RSI),
			DO(
				CALL(randomLong),
				STOSQ(),
				CMPQ(RDI, RSI),
			).WHILE(B),
			MOVQ(buf, RDI),
			LEAQ(Sym(randomBuffer), RSI),
			MOVQ(n, RDX),
			CALL(copyOut),
			TESTQ(RAX, RAX),
			IF(S,
				TESTQ(done, done),
				BREAK(NE),
				RETURN(),
			),
			ADDQ(RAX, buf),
			ADDQ(RAX, done),
			SUBQ(RAX, left),
			CMPQ(RAX, n),
			BREAK(NE),
		),
		MOVQ(done, RAX),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes(RSI, RDX).Returns(RAX)
}
