package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Bits of mprotect's protection beside protAll (Linux
// include/uapi/asm-generic/mman-common.h). PROT_SEM means nothing on x86.
const protSem = 0x8

// Advice of madvise (Linux include/uapi/asm-generic/mman-common.h).
const (
	madvDontNeed = 4
	madvFree     = 8
	// madvHints are advice that may be heeded or not, as bits: NORMAL, RANDOM,
	// SEQUENTIAL, WILLNEED, COLD and PAGEOUT; and what comes true without doing
	// anything in a kernel that neither forks nor dumps: DONTFORK, DOFORK,
	// DONTDUMP, DODUMP, WIPEONFORK and KEEPONFORK.
	madvHints = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<20 | 1<<21 |
		1<<10 | 1<<11 | 1<<16 | 1<<17 | 1<<18 | 1<<19
)

// mprotect is the system calls that change areas where they are.
func mprotect() Program {
	self := area(R12)
	// eachPart runs items for each piece of an area from RBX up to RBP: R12 is
	// the area, RDI and RSI the piece. R13 becomes -ENOMEM if there are holes.
	eachPart := func(hole Block, items ...Item) Block {
		return Block{
			XORL(R13, R13),
			LOOP(
				CMPQ(RBX, RBP),
				BREAK(AE),
				CMPQ(self.Start, RBX),
				IF(A,
					MOVQ(-ENOMEM, R13),
					hole,
					MOVQ(self.Start, RBX),
					CMPQ(RBX, RBP),
					BREAK(AE),
				),
				MOVQ(RBX, RDI),
				MOVQ(self.End, RSI),
				CMPQ(RSI, RBP),
				CMOVQA(RBP, RSI),
				Block(items),
				MOVQ(self.End, RBX),
				MOVQ(self.Next, R12),
			),
		}
	}
	return Program{
		Funcs: []Func{
			FUNC("sys_mprotect",
				`sys_mprotect gives the pages of the RSI bytes at RDI the protection RDX. It
works up to the first hole, as Linux does.`,
				TESTL(layout.PageSize-1, RDI),
				JNE("EINVAL"),
				TESTQ(RSI, RSI),
				IF(E, XORL(RAX, RAX), RETURN()),
				pageAlignUp(RSI),
				ADDQ(RDI, RSI),
				JB("ENOMEM"),
				CMPQ(RSI, RDI),
				JBE("ENOMEM"),
				TESTQ(^(protAll|protSem), RDX),
				JNE("EINVAL"),
				roomForAreas(2, "ENOMEM"),
				MOVQ(RDI, RBX),
				MOVQ(RSI, RBP),
				MOVL(RDX, R14),
				ANDL(protAll, R14),
				MOVQ(RBX, R15),
				CALL("isolate_areas"),
				MOVQ(RAX, R12),
				eachPart(Block{BREAK()},
					TESTL(layout.AreaShared, self.Flags),
					IF(NE,
						TESTL(layout.ProtWrite, R14),
						IF(NE, MOVQ(-EACCES, R13), BREAK()),
					),
					MOVQ(R14, self.Prot),
					MOVL(R14, RDX),
					CALL("protect_range"),
				),
				MOVQ(R15, RDI),
				MOVQ(RBP, RSI),
				CALL("merge_areas"),
				MOVQ(R13, RAX),
				RETURN(),
				failAt("EINVAL", EINVAL),
				failAt("ENOMEM", ENOMEM),
			).Saving(RBX, RBP, R12, R13, R14, R15),
			FUNC("sys_madvise",
				`sys_madvise heeds the advice RDX about the RSI bytes at RDI: DONTNEED and FREE
drop the pages at once, hints are accepted, and what would have to be done and
is not (huge pages among it) is EINVAL, as in a kernel built without.`,
				MOVL(RDX, R14),
				CMPL(R14, madvDontNeed),
				JE("valid"),
				CMPL(R14, madvFree),
				JE("valid"),
				CMPL(R14, 31),
				JA("EINVAL"),
				MOVL(madvHints, RAX),
				BTL(R14, RAX),
				JAE("EINVAL"),
				LABEL("valid"),
				TESTL(layout.PageSize-1, RDI),
				JNE("EINVAL"),
				MOVQ(RSI, RAX),
				pageAlignUp(RSI),
				CMPQ(RSI, RAX),
				JB("EINVAL"),
				ADDQ(RDI, RSI),
				JB("EINVAL"),
				MOVQ(RDI, RBX),
				MOVQ(RSI, RBP),
				CALL("find_area"),
				MOVQ(RAX, R12),
				eachPart(nil,
					CMPL(R14, madvDontNeed),
					JE("drop"),
					CMPL(R14, madvFree),
					IF(E,
						CMPQ(self.Source, 0), // only of anonymous memory
						JNE("EINVAL"),
						LABEL("drop"),
						CALL("zap_range"),
					),
				),
				MOVQ(R13, RAX),
				RETURN(),
				failAt("EINVAL", EINVAL),
			).Saving(RBX, RBP, R12, R13, R14),
		},
	}
}
