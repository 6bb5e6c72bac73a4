package asm

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	testBase = 0xffffffff80100000
	testPhys = 0xffffffff80000000
)

// Structures as package layout has them.
type (
	areaT[T any] struct{ KernelStack, UserSP T }
	iretT[T any] struct{ IP, CS, Flags, SP, SS T }
)

var (
	gsArea = Fields[areaT[Mem]](GS)
	onRSP  = Fields[iretT[Mem]](RSP)
	iret   = Slots[iretT[Slot]]()
	iretSz = SizeOf[iretT[Mem]]()
)

// wrong returns a program of errors. The comment behind a line has exactly what Link must
// report for it; @-2 stands for the place two lines before, @+2 for the one two lines
// after, @NAME for the place of a function.
func wrong() Program {
	code32 := FUNC("code32", "",
		MOVQ(RAX, RBX),              // ERROR "code32: MOVQ RAX, RBX: does not exist in 32-bit code"
		MOVL(R8, RAX),               // ERROR "code32: MOVL R8, RAX: R8 does not exist in 32-bit code"
		MOVL(RAX, R9.At(0)),         // ERROR "code32: MOVL RAX, (R9): R8 to R15 do not exist in 32-bit code"
		MOVL(RAX, RBX.Index(R9, 1)), // ERROR "code32: MOVL RAX, (RBX)(R9*1): R8 to R15 do not exist in 32-bit code"
		MOVB(RSI, RAX),              // ERROR "code32: MOVB RSI, RAX: RSI has no low byte in 32-bit code; use RAX to RBX"
		MOVL(CR8, RAX),              // ERROR "code32: MOVL CR8, RAX: CR8 does not exist in 32-bit code"
		IRETQ(),                     // ERROR "code32: IRETQ: does not exist in 32-bit code"
		CALL("jumps"),               // ERROR "code32: CALL jumps: jumps is 64-bit code; change the mode on the way"
		RET(),
	)
	code32.Bits = 32
	code8 := FUNC("code8", "", RET()) // ERROR "code8: Bits is 8; want 16 or 32, or 64 or 0 for 64-bit code"
	code8.Bits = 8
	code16 := FUNC("code16", "",
		MOVQ(RAX, RBX),                    // ERROR "code16: MOVQ RAX, RBX: does not exist in 16-bit code"
		MOVL(R8, RAX),                     // ERROR "code16: MOVL R8, RAX: R8 does not exist in 16-bit code"
		MOVL(Abs(0x10000), RBX),           // ERROR "code16: MOVL 0x10000, RBX: the address does not fit in 16 bits; put it in a register"
		MOVL(RBX.At(0), RAX).Fault("out"), // ERROR "code16: MOVL (RBX), RAX: Fault: there is no __ex_table in 16-bit code"
		LABEL("out"),
		CALL("code32"), // ERROR "code16: CALL code32: code32 is 32-bit code; change the mode on the way"
		CALL("out"),    // ERROR "code16: CALL out: out is a label of this function; only functions can be called"
		JMP("nowhere"), // ERROR "code16: JMP nowhere: nowhere is not a label of this function, nor a function"
	)
	code16.Bits = 16
	return Program{
		Funcs: []Func{
			FUNC("kinds", "",
				MOVQ(RAX, Reg(0)),          // ERROR "kinds: MOVQ RAX, none: the second operand is none; want a register or memory"
				MOVQ(Reg(200), RAX),        // ERROR "kinds: MOVQ Reg(200), RAX: the first operand is Reg(200); want a register, memory or an immediate"
				ADDQ(RAX.At(0), RBX.At(8)), // ERROR "kinds: ADDQ (RAX), 8(RBX): both operands are in memory; move one to a register first"
				XCHGQ(RAX, CR3),            // ERROR "kinds: XCHGQ RAX, CR3: the second operand is a control or debug register; want a register or memory"
				SHLQ(RBX, RAX),             // ERROR "kinds: SHLQ RBX, RAX: the first operand is a register; want an immediate or RCX"
				MOVQ(CR0, RAX.At(0)),       // ERROR "kinds: MOVQ CR0, (RAX): CR0 is moved only to and from a register"
				MOVQ(5, CR3),               // ERROR "kinds: MOVQ $5, CR3: CR3 is moved only to and from a register"
				MOVQ(CR0, CR3),             // ERROR "kinds: MOVQ CR0, CR3: CR0 is moved only to and from a register"
				MOVL(CR0, RAX),             // ERROR "kinds: MOVL CR0, RAX: CR0 needs MOVQ in 64-bit code"
				MOVQ(DS, RAX),              // ERROR "kinds: MOVQ DS, RAX: the first operand is a segment register; want a register, memory or an immediate"
				MOVW(RAX, CS),              // ERROR "kinds: MOVW RAX, CS: CS cannot be moved to; use RETFL or IRETQ"
				MOVW(DS, ES),               // ERROR "kinds: MOVW DS, ES: DS is moved only to and from a register or memory"
				MOVW(0x18, DS),             // ERROR "kinds: MOVW $0x18, DS: DS is moved only to and from a register or memory"
				MOVB(RSP, RAX),             // ERROR "kinds: MOVB RSP, RAX: the low byte of RSP cannot be encoded; use another register"
				MOVZBL(RBP, RSP),           // ERROR "kinds: MOVZBL RBP, RSP: the low byte of RBP cannot be encoded; use another register"
				SETE(RSP),                  // ERROR "kinds: SETE RSP: the low byte of RSP cannot be encoded; use another register"
				PUSHL(RAX),                 // ERROR "kinds: PUSHL RAX: does not exist in 64-bit code"
				RET(),
			),
			FUNC("immediates", "",
				ADDQ(0x80000000, RAX),             // ERROR "immediates: ADDQ $0x80000000, RAX: the immediate does not fit in 32 bits, sign-extended; MOVQ it to a register"
				CMPQ(RAX, -0x80000001),            // ERROR "immediates: CMPQ RAX, $0xffffffff7fffffff: the immediate does not fit in 32 bits, sign-extended; MOVQ it to a register"
				MOVQ(0x80000000, RAX.At(0)),       // ERROR "immediates: MOVQ $0x80000000, (RAX): the immediate does not fit in 32 bits, sign-extended; MOVQ it to a register"
				PUSHQ(uint32(math.MaxUint32)),     // ERROR "immediates: PUSHQ $0xffffffff: the immediate does not fit in 32 bits, sign-extended; MOVQ it to a register"
				ADDL(1<<32, RAX),                  // ERROR "immediates: ADDL $0x100000000, RAX: the immediate does not fit in 32 bits"
				ADDL(uint64(math.MaxUint64), RAX), // ERROR "immediates: ADDL $0xffffffffffffffff, RAX: the immediate does not fit in 32 bits"
				ANDW(-32769, RAX),                 // ERROR "immediates: ANDW $0xffffffffffff7fff, RAX: the immediate does not fit in 16 bits"
				MOVB(256, RAX.At(0)),              // ERROR "immediates: MOVB $0x100, (RAX): the immediate does not fit in 8 bits"
				IMULL(1<<33, RAX),                 // ERROR "immediates: IMULL $0x200000000, RAX: the immediate does not fit in 32 bits"
				SHLQ(64, RAX),                     // ERROR "immediates: SHLQ $0x40, RAX: the immediate is 64; want 0 to 63"
				SHRL(-1, RAX),                     // ERROR "immediates: SHRL $-1, RAX: the immediate is -1; want 0 to 31"
				BTRL(32, RAX),                     // ERROR "immediates: BTRL $0x20, RAX: the immediate is 32; want 0 to 31"
				INT(256),                          // ERROR "immediates: INT $0x100: the immediate is 256; want 0 to 255"
				RETN(1<<16),                       // ERROR "immediates: RETN $0x10000: the immediate is 65536; want 0 to 65535"
			),
			FUNC("memory", "",
				MOVQ(Mem{&memory{base: DS}}, RAX),              // ERROR "memory: MOVQ (DS), RAX: base and index must be general registers"
				MOVQ(RAX.Index(CR0, 1), RAX),                   // ERROR "memory: MOVQ (RAX)(CR0*1), RAX: base and index must be general registers"
				MOVQ(RAX.Index(RSP, 8), RAX),                   // ERROR "memory: MOVQ (RAX)(RSP*8), RAX: RSP cannot be an index; make it the base"
				MOVQ(RAX.Index(RBX, 3), RAX),                   // ERROR "memory: MOVQ (RAX)(RBX*3), RAX: the scale is 3; want 1, 2, 4 or 8"
				MOVQ(RAX.Index(RBX, 0), RAX),                   // ERROR "memory: MOVQ (RAX)(RBX*0), RAX: the scale is 0; want 1, 2, 4 or 8"
				MOVQ(Mem{&memory{base: RAX, scale: 8}}, RAX),   // ERROR "memory: MOVQ (RAX), RAX: a scale needs an index"
				MOVQ(RAX.At(1<<31), RAX),                       // ERROR "memory: MOVQ 0x80000000(RAX), RAX: the displacement does not fit in 32 bits, sign-extended; add it to a register"
				MOVQ(Abs(0xfee00000), RAX),                     // ERROR "memory: MOVQ 0xfee00000, RAX: the displacement does not fit in 32 bits, sign-extended; add it to a register"
				MOVQ(CS.At(8), RAX),                            // ERROR "memory: MOVQ CS:8, RAX: segment CS has no base of its own; want FS or GS"
				MOVQ(Mem{&memory{seg: RAX}}, RAX),              // ERROR "memory: MOVQ RAX:0, RAX: segment RAX has no base of its own; want FS or GS"
				MOVQ(Mem{&memory{seg: GS, sym: "table"}}, RAX), // ERROR "memory: MOVQ GS:table, RAX: a symbol in segment GS; put its address in a register"
				LEAQ(gsArea.UserSP, RAX),                       // ERROR "memory: LEAQ areaT.UserSP(GS), RAX: an offset in a segment is not an address; add the segment's base"
				MOVQ(Sym("nothing"), RAX),                      // ERROR "memory: MOVQ nothing, RAX: nothing is not a function or data of the program"
				RET(),
			),
			FUNC("prefixes", "",
				REP(CMPSB()),  // ERROR "prefixes: REP CMPSB: REP needs MOVS, STOS, LODS or OUTS; a comparison takes REPE"
				REP(NOP()),    // ERROR "prefixes: REP NOP: REP needs MOVS, STOS, LODS or OUTS; a comparison takes REPE"
				REPE(MOVSB()), // ERROR "prefixes: REPE MOVSB: REPE needs CMPS"
				RET(),
			),
			FUNC("jumps", "",
				LABEL("here"),
				JMP(CR0),                         // ERROR "jumps: JMP *CR0: the operand is a control or debug register; want a register, memory or the name of a label or function"
				JMP(""),                          // ERROR `jumps: JMP "": the target has no name`
				CALL("here"),                     // ERROR "jumps: CALL here: here is a label of this function; only functions can be called"
				CALL("nowhere"),                  // ERROR "jumps: CALL nowhere: nowhere is not a label of this function, nor a function"
				JE("nowhere"),                    // ERROR "jumps: JE nowhere: nowhere is not a label of this function, nor a function"
				JMP("there"),                     // ERROR "jumps: JMP there: there is a label of labels; labels are local to their function"
				CALL("table"),                    // ERROR `jumps: CALL table: table is not a function; Sym("table") goes through the address there`
				CALL(Sym("kinds")),               // ERROR "jumps: CALL *kinds: goes through an address in memory, but kinds is a function; give its name alone"
				JMP(Sym("kinds")),                // ERROR "jumps: JMP *kinds: goes through an address in memory, but kinds is a function; give its name alone"
				CALL(Sym("kinds").Index(RAX, 8)), // ERROR "jumps: CALL *kinds(RAX*8): goes through an address in memory, but kinds is a function; give its name alone"
				CALL("code32"),                   // ERROR "jumps: CALL code32: code32 is 32-bit code; change the mode on the way"
				Block(slices.Repeat([]Item{JNE("gone")}, 3)), // ERROR "jumps: JNE gone: gone is not a label of this function, nor a function"
				JMP(GS.At(math.MinInt64)),                    // ERROR "jumps: JMP *GS:-0x8000000000000000: the displacement does not fit in 32 bits, sign-extended; add it to a register"
			),
			FUNC("labels", "",
				LABEL("there"),
				LABEL("there"),                        // ERROR "labels: LABEL there: the name is taken at @-1"
				LABEL(""),                             // ERROR "labels: a LABEL has no name"
				MOVQ(RAX, RBX.At(0)).Fault("nowhere"), // ERROR "labels: MOVQ RAX, (RBX): Fault: nowhere is not a label of this function"
				MOVQ(RAX, RBX.At(0)).Fault("here"),    // ERROR "labels: MOVQ RAX, (RBX): Fault: here is not a label of this function"
				RET(),
			),
			FUNC("structure", "", // ERROR "structure: the item after this line is nil; leave it out or use an empty Block"
				BREAK(),     // ERROR "structure: BREAK: not in a LOOP or DO"
				CONTINUE(E), // ERROR "structure: CONTINUE: not in a LOOP or DO"
				LOOP( // ERROR "structure: the item after this line is nil; leave it out or use an empty Block"
					BREAK(E, NE),             // ERROR "structure: BREAK: 2 conditions; want one at most"
					BREAK(CC(16)),            // ERROR "structure: BREAK: no condition CC(16); want one of O to G"
					CONTINUE(always),         // ERROR "structure: CONTINUE: no condition CC(16); want one of O to G"
					IF(CC(99), NOP()),        // ERROR "structure: IF: no condition CC(99); want one of O to G"
					DO(NOP()).WHILE(CC(255)), // ERROR "structure: WHILE: no condition CC(255); want one of O to G"
					nil,
				),
				nil,
			),
			FUNC("inside", "",
				JE("then"), // ERROR "inside: JE then: LABEL then, at @+2, is in the IF at @+1, and this jump comes from outside"
				IF(NE,
					LABEL("then"),
					JMP("els"), // ERROR "inside: JMP els: LABEL els, at @+2, is in the ELSE at @-2, and this jump comes from outside"
				).ELSE(
					LABEL("els"),
					JE("body"),                          // ERROR "inside: JE body: LABEL body, at @+4, is in the LOOP at @+3, and this jump comes from outside"
					MOVQ(RAX, RBX.At(0)).Fault("again"), // ERROR "inside: MOVQ RAX, (RBX): LABEL again, at @+9, is in the DO at @+8, and this jump comes from outside"
				),
				LOOP(
					LABEL("body"),
					JE("body"), // from inside
					IF(E, JMP("body"), JE("out")),
				),
				LABEL("out"),
				DO(
					LABEL("again"),
					GLOBAL("outer"), // ERROR "inside: GLOBAL outer is in the DO at @-2; other functions cannot jump there"
				).WHILE(E),
				JMP("out"),
			),
			FUNC("open", "", NOP()),                       // ERROR "open: the function's end can be reached; end it with RETURN, RET, JMP, IRETQ, SYSRETQ, ERETU, ERETS, RETFL or UD2"
			FUNC("empty", ""),                             // ERROR "empty: the function's end can be reached; end it with RETURN, RET, JMP, IRETQ, SYSRETQ, ERETU, ERETS, RETFL or UD2"
			FUNC("skipped", "", JMP("end"), LABEL("end")), // ERROR "skipped: the function's end can be reached; end it with RETURN, RET, JMP, IRETQ, SYSRETQ, ERETU, ERETS, RETFL or UD2"
			FUNC("conditional", "", IF(E, RET()).ELSE(UD2()), IF(E, RET())),
			FUNC("half", "", IF(E, UD2())), // ERROR "half: the function's end can be reached; end it with RETURN, RET, JMP, IRETQ, SYSRETQ, ERETU, ERETS, RETFL or UD2"
			FUNC("merge", "",
				FRAME(iretSz),
				IF(E, PUSHQ(1).Is(iret.SS)).ELSE(PUSHQ(2).Is(iret.SS)),
				IF(E, PUSHQ(1).Is(iret.SP)),
				PUSHQ(1).Is(iret.Flags), // ERROR "merge: PUSHQ $1: push is iretT.Flags, but RSP's place is not known here; state it with FRAME"
				RET(),
			),
			FUNC("loops", "",
				FRAME(iretSz),
				DO(PUSHQ(1), POPQ(RBX).Is(iret.SS)).WHILE(NE),
				LOOP(
					PUSHQ(1).Is(iret.SS), // ERROR "loops: PUSHQ $1: push is iretT.SS, but RSP's place is not known here; state it with FRAME"
					BREAK(E),
				),
				RET(),
			),
			FUNC("unreached", "",
				FRAME(iretSz),
				JMP("on"),
				PUSHQ(1).Is(iret.SS), // ERROR "unreached: PUSHQ $1: push is iretT.SS, but RSP's place is not known here; state it with FRAME"
				LABEL("on"),
				PUSHQ(1).Is(iret.SS),
				MOVQ(RAX, RBX.At(0)).Fault("caught"),
				POPQ(RAX),
				RET(),
				LABEL("caught"),
				POPQ(RAX).Is(iret.SP), // ERROR "unreached: POPQ RAX: pop is iretT.SP (+24), but RSP is at +32"
				RET(),
			),
			FUNC("changes", "",
				FRAME(iretSz), PUSHQ(1), POPQ(RSP),
				PUSHQ(1).Is(iret.SS), // ERROR "changes: PUSHQ $1: push is iretT.SS, but RSP's place is not known here; state it with FRAME"
				FRAME(iretSz), LEAQ(RSP.At(-16), RSP), ADDQ(-8, RSP),
				PUSHQ(1).Is(iret.SS), // ERROR "changes: PUSHQ $1: push is iretT.SS (+32), but RSP is at +8"
				LEAQ(RAX.At(0), RSP),
				PUSHQ(1).Is(iret.SS), // ERROR "changes: PUSHQ $1: push is iretT.SS, but RSP's place is not known here; state it with FRAME"
				FRAME(iretSz), XCHGQ(RSP, RAX),
				PUSHQ(1).Is(iret.SS), // ERROR "changes: PUSHQ $1: push is iretT.SS, but RSP's place is not known here; state it with FRAME"
				FRAME(iretSz), MOVQ(RBX, RSP),
				PUSHQ(1).Is(iret.SS), // ERROR "changes: PUSHQ $1: push is iretT.SS, but RSP's place is not known here; state it with FRAME"
				FRAME(iretSz), CMPQ(RAX, RSP), TESTQ(RAX, RSP), BTQ(1, RSP), PUSHFQ(), POPFQ(),
				PUSHQ(1).Is(iret.SP), // ERROR "changes: PUSHQ $1: push is iretT.SP (+24), but RSP is at +32"
				RET(),
			),
			FUNC("claims", "",
				PUSHQ(1).Is(iret.SS), // ERROR "claims: PUSHQ $1: push is iretT.SS, but RSP's place is not known here; state it with FRAME"
				FRAME(iretSz),
				PUSHQ(1).Is(iret.SP),        // ERROR "claims: PUSHQ $1: push is iretT.SP (+24), but RSP is at +32"
				PUSHQ(onRSP.SS).Is(iret.SP), // ERROR "claims: PUSHQ iretT.SS(RSP): operand is iretT.SS (+32), but RSP+32 is at +64"
				POPQ(RAX).Is(iret.CS),       // ERROR "claims: POPQ RAX: pop is iretT.CS (+8), but RSP is at +24"
				SUBQ(16, RSP),
				MOVQ(RAX, RSP.At(0)).Is(iret.SP), // ERROR "claims: MOVQ RAX, (RSP): operand is iretT.SP (+24), but (RSP) is at +16"
				MOVQ(RAX, onRSP.SP),              // ERROR "claims: MOVQ RAX, iretT.SP(RSP): operand is iretT.SP (+24), but RSP+24 is at +40"
				MOVQ(RAX, RBX).Is(iret.IP),       // ERROR "claims: MOVQ RAX, RBX: Is(iretT.IP): the instruction touches no slot by RSP"
				PUSHFQ().Is(iret.SS),             // ERROR "claims: PUSHFQ: push is iretT.SS (+32), but RSP is at +8"
				POPFQ().Is(iret.IP),              // ERROR "claims: POPFQ: pop is iretT.IP (+0), but RSP is at +8"
				CALL("kinds"),
				FRAME(0),
				POPQ(onRSP.CS), // ERROR "claims: POPQ iretT.CS(RSP): operand is iretT.CS (+8), but RSP+8 is at +16"
				ADDQ(RAX, RSP),
				POPQ(RAX).Is(iret.SP), // ERROR "claims: POPQ RAX: pop is iretT.SP, but RSP's place is not known here; state it with FRAME"
				RET(),
			),
			FUNC("", "", RET()),                  // ERROR "a function has no name"
			FUNC("kinds", "", RET()),             // ERROR "kinds: the name is taken at @kinds"
			FUNC("__data_start", "", RET()),      // ERROR "__data_start: the name is defined by Link; use another"
			FUNC("member", "", RET()).In("text"), // ERROR "__text_start: the name is defined by Link; use another" "__text_end: the name is defined by Link; use another"
			code32,
			code8, code16,
		},
		Data: []Data{
			DATA("table", PTR("kinds"), PTR("missing")), // ERROR "table: missing is not a function or data of the program"
			DATA("table", uint64(1)),                    // ERROR "table: the name is taken at @-1"
			DATA("content", 5),                          // ERROR "content: content is int; want bytes, a string, a sized integer or a Ptr"
			DATA("content", 1.5, nil, RAX, true),        // ERROR "content: content is float64; want bytes, a string, a sized integer or a Ptr" "content: content is nil; want bytes, a string, a sized integer or a Ptr" "content: content is Reg; want bytes, a string, a sized integer or a Ptr" "content: content is bool; want bytes, a string, a sized integer or a Ptr" "content: the name is taken at @-1"
			DATA("", uint64(1)),                         // ERROR "a data object has no name"
			sized(RODATA("small", uint64(1)), 4),        // ERROR "small: Size is 4, but the content has 8 bytes"
			BSS("aligned", 8, 24),                       // ERROR "aligned: Align is 24; want a power of two, 2 MiB at most"
			BSS("negative", -1, 8),                      // ERROR "negative: Size is -1; want 0 to 2 GiB"
			BSS("huge", 1<<40, 8),                       // ERROR "huge: Size is 1099511627776; want 0 to 2 GiB"
			RODATA("labels", uint8(1)),                  // ERROR "labels: the name is taken at @labels"
		},
	}
}

func sized(d Data, size int) Data { d.Size = size; return d }

var (
	errorComment = regexp.MustCompile(`// ERROR (.*)$`)
	quoted       = regexp.MustCompile("\"[^\"]*\"|`[^`]*`")
	placeMark    = regexp.MustCompile(`@[-+]?\w+`)
)

// TestErrors compares the errors of the program above with the comments there.
func TestErrors(t *testing.T) {
	const name = "gen/asm/errors_test.go"
	src, err := os.ReadFile("errors_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	lines := strings.Split(string(src), "\n")
	for i, line := range lines {
		m := errorComment.FindStringSubmatch(line)
		if m == nil || strings.Contains(line, "regexp") {
			continue
		}
		for _, q := range quoted.FindAllString(m[1], -1) {
			text := placeMark.ReplaceAllStringFunc(q[1:len(q)-1], func(s string) string {
				n, err := strconv.Atoi(s[1:])
				if n += i + 1; err != nil {
					n = 1 + slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "FUNC("+strconv.Quote(s[1:])) })
				}
				return fmt.Sprintf("%s:%d", name, n)
			})
			want = append(want, fmt.Sprintf("%s:%d: %s", name, i+1, text))
		}
	}
	_, err = Link(wrong(), testBase, testPhys)
	got := errorTexts(err)
	for _, text := range got {
		if !slices.Contains(want, text) {
			t.Errorf("not expected: %s", text)
		}
	}
	for _, text := range want {
		if !slices.Contains(got, text) {
			t.Errorf("missing:      %s", text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d errors; want %d", len(got), len(want))
	}
	byLine := func(a, b string) int { return lineOf(a) - lineOf(b) }
	if !slices.IsSortedFunc(got, byLine) {
		t.Errorf("the errors are not in the order of their lines")
	}
}

func lineOf(text string) int {
	n, _ := strconv.Atoi(strings.Split(text, ":")[1])
	return n
}

func errorTexts(err error) []string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		texts = append(texts, e.Error())
	}
	return texts
}
