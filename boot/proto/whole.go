package proto

import (
	"encoding/binary"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// kernelWhole ends the machine if the kernel has not the sum 0, which SumZero gives it: firmware
// loads what a stick has, and a stick that was not written to its end may have anything. The
// sentence is made by code, as the kernel's strings lie near its end. R12 is as in efi_main.
// Clobbers RAX, RCX, RDX, RSI, R14.
func kernelWhole() Block {
	const why = "\r\nentrylab: cannot boot: the image is cut short or damaged\n"
	text := make([]byte, (len(why)+16)&^15) // RSP stays a multiple of 16, and a NUL follows
	copy(text, why)
	say := Block{}
	for at := len(text) - 8; at >= 0; at -= 8 {
		say = append(say, MOVQ(binary.LittleEndian.Uint64(text[at:]), RAX), PUSHQ(RAX))
	}
	return Block{
		LEAQ(Sym("__text_start"), RSI),
		LEAQ(Sym("__kernel_end"), RCX),
		XORL(RDX, RDX),
		DO(
			IMULL(layout.DiskSumFactor, RDX),
			ADDL(RSI.At(0), RDX),
			ADDQ(4, RSI),
			CMPQ(RSI, RCX),
		).WHILE(B),
		TESTL(RDX, RDX),
		IF(NE,
			say,
			MOVQ(RSP, R14),
			CALL("efi_say"),
			LEAQ(RSP.At(len("\r\n")), RSI),
			logAndExit(),
		),
	}
}

// logAndExit writes the text at RSI to the debug console and ends the machine, in 32-bit and
// in 64-bit code. It does not return.
func logAndExit() Block {
	return Block{
		MOVL(layout.DebugconPort, RDX),
		LOOP(
			LODSB(),
			TESTB(RAX, RAX),
			BREAK(E),
			OUTB(),
		),
		MOVL(layout.ExitBoot, RAX),
		MOVL(layout.DebugExitPort, RDX),
		OUTL(),
		LOOP(CLI(), HLT()),
	}
}

// SumZero changes the word of 32 bits at an offset so that the sum of all words becomes 0.
func SumZero(words []byte, at int) {
	word := words[at:][:4]
	binary.LittleEndian.PutUint32(word, 0)
	// The word's part in the sum is the word times a power of the factor, which is odd and so
	// has an inverse.
	inverse := uint32(1)
	for range 5 { // Newton: each round doubles the bits that are right
		inverse *= 2 - layout.DiskSumFactor*inverse
	}
	wanted := -Sum(words)
	for range (len(words)-at)/4 - 1 {
		wanted *= inverse
	}
	binary.LittleEndian.PutUint32(word, wanted)
}
