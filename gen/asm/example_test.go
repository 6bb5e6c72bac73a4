package asm_test

import (
	"fmt"

	. "github.com/entrylab/entrylab/gen/asm"
)

// PerCPU and IRETFrame stand for structures of package layout: with Mem for T
// they are operands, with Slot places, with an integer the memory itself.
type (
	PerCPU[T any]    struct{ KernelRSP, UserRSP T }
	IRETFrame[T any] struct{ IP, CS, Flags, SP, SS T }
)

var (
	gs   = Fields[PerCPU[Mem]](GS)
	iret = Slots[IRETFrame[Slot]]()
)

const userCS, userDS = 0x33, 0x2b

// entry is the SYSCALL target of a kernel whose frame IRETQ can pop.
var entry = FUNC("entry_SYSCALL_64",
	"RCX holds the user RIP, R11 the user RFLAGS; RSP is still the user's.",
	SWAPGS().C("GS.base: user -> PerCPU"),
	MOVQ(RSP, gs.UserRSP),
	MOVQ(gs.KernelRSP, RSP),
	FRAME(SizeOf[IRETFrame[Mem]]()),
	PUSHQ(userDS).Is(iret.SS),
	PUSHQ(gs.UserRSP).Is(iret.SP),
	PUSHQ(R11).Is(iret.Flags).C("SYSCALL left RFLAGS here"),
	PUSHQ(userCS).Is(iret.CS),
	PUSHQ(RCX).Is(iret.IP),
	CMPQ(RAX, 400),
	IF(B,
		CALL(Sym("sys_call_table").Index(RAX, 8)),
	).ELSE(
		MOVQ(-38, RAX),
	),
	SWAPGS(),
	IRETQ(),
)

func Example() {
	o, err := Link(Program{
		Funcs: []Func{entry},
		Data:  []Data{BSS("sys_call_table", 400*8, 8)},
	}, 0xffffffff80100000, 0xffffffff80000000)
	if err != nil {
		fmt.Println(err)
		return
	}
	listing, _ := o.Listing("entry_SYSCALL_64")
	fmt.Print(listing)
	// Output:
	// // RCX holds the user RIP, R11 the user RFLAGS; RSP is still the user's.
	// entry_SYSCALL_64:
	//    0  0f01f8                    SWAPGS                             // GS.base: user -> PerCPU
	//    3  654889242508000000        MOVQ    RSP, PerCPU.UserRSP(GS)
	//    c  65488b242500000000        MOVQ    PerCPU.KernelRSP(GS), RSP
	//   15  6a2b                      PUSHQ   $0x2b                      // IRETFrame.SS
	//   17  65ff342508000000          PUSHQ   PerCPU.UserRSP(GS)         // IRETFrame.SP
	//   1f  4153                      PUSHQ   R11                        // IRETFrame.Flags; SYSCALL left RFLAGS here
	//   21  6a33                      PUSHQ   $0x33                      // IRETFrame.CS
	//   23  51                        PUSHQ   RCX                        // IRETFrame.IP
	//   24  483d90010000              CMPQ    RAX, $0x190
	//   2a  7309                      JAE     +0x35
	//   2c  ff14c500101080            CALL    *sys_call_table(RAX*8)
	//   33  eb07                      JMP     +0x3c
	//   35  48c7c0daffffff            MOVQ    $-38, RAX
	//   3c  0f01f8                    SWAPGS
	//   3f  48cf                      IRETQ
}

// A push into the wrong slot is an error that names its line.
func ExampleIns_Is() {
	_, err := Link(Program{Funcs: []Func{FUNC("wrong", "",
		FRAME(SizeOf[IRETFrame[Mem]]()),
		PUSHQ(userDS).Is(iret.SS),
		PUSHQ(R11).Is(iret.Flags),
		IRETQ(),
	)}}, 0xffffffff80100000, 0xffffffff80000000)
	fmt.Println(err)
	// Output:
	// gen/asm/example_test.go:81: wrong: PUSHQ R11: push is IRETFrame.Flags (+16), but RSP is at +24
}
