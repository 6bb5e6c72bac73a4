package prove

import (
	"fmt"
	"strings"
)

// opcode is what an instruction does.
type opcode uint8

// The instructions that the decoder knows. Those from opNoModel on are read,
// so that a report can name them, but have no meaning here.
const (
	opBad opcode = iota
	opADD
	opOR
	opADC
	opSBB
	opAND
	opSUB
	opXOR
	opCMP
	opTEST
	opMOV
	opMOVZX
	opMOVSX
	opLEA
	opXCHG
	opPUSH
	opPOP
	opINC
	opDEC
	opNEG
	opNOT
	opROL
	opROR
	opSHL
	opSHR
	opSAR
	opBT
	opBTS
	opBTR
	opBTC
	opSHLD
	opSHRD
	opBSF
	opBSR
	opTZCNT
	opLZCNT
	opPOPCNT
	opBSWAP
	opRCL
	opRCR
	opMUL
	opIMUL
	opXADD
	opCMPXCHG
	opEXTEND // CBW, CWDE, CDQE
	opSIGN   // CWD, CDQ, CQO
	opCMOV
	opSET
	opJCC
	opJMP
	opCALL
	opRET
	opRETN
	opENTER
	opLEAVE
	opSWAPGS
	opSYSRET
	opIRET
	opERETU
	opERETS
	opCLI
	opSTI
	opCLD
	opSTD
	opCLAC
	opSTAC
	opCLC
	opSTC
	opPUSHF
	opPOPF
	opNOP
	opPAUSE
	opENDBR
	opLFENCE
	opMFENCE
	opSFENCE
	opVERW
	opRDMSR
	opWRMSR
	opMOVCR
	opUD2
	opINT3
	opPREFETCH
	opRDTSC
	opRDTSCP
	opRDPID
	opRDPMC
	opRDRAND // and RDSEED
	opXGETBV
	opCPUID
	opMOVSEG
	opRDBASE
	opWRBASE
	opSTMXCSR
	opLDMXCSR
	opMOVXMM // from and to XMM registers
	opXMM    // what computes with them
	opFXSAVE
	opFXRSTOR
	opFNINIT
	opEMMS
	opFLDCW
	opFNSTCW
	opSYSEXIT
	opLOOP
	opJRCXZ
	opSTOS // of a string, as are the four below
	opMOVSTR
	opLODS
	opSCAS
	opCMPS

	// Operations of terms that are not an instruction by themselves.
	opMULHI  // the upper half of MUL
	opIMULHI // and of IMUL
	opPF     // the parity flag

	opNoModel
	opDIV = iota - 1
	opIDIV
	opSYSCALL
	opHLT
	opLOOPE
	opLOOPNE
	numOps
)

var opNames = [numOps]string{
	opADD: "ADD", opOR: "OR", opADC: "ADC", opSBB: "SBB", opAND: "AND", opSUB: "SUB", opXOR: "XOR", opCMP: "CMP", opTEST: "TEST",
	opMOV: "MOV", opMOVZX: "MOVZ", opMOVSX: "MOVS", opLEA: "LEA", opXCHG: "XCHG", opPUSH: "PUSH", opPOP: "POP",
	opINC: "INC", opDEC: "DEC", opNEG: "NEG", opNOT: "NOT", opROL: "ROL", opROR: "ROR", opRCL: "RCL", opRCR: "RCR",
	opSHL: "SHL", opSHR: "SHR", opSAR: "SAR", opBT: "BT", opBTS: "BTS", opBTR: "BTR", opBTC: "BTC",
	opCMOV: "CMOV", opSET: "SET", opJCC: "J", opJMP: "JMP", opCALL: "CALL", opRET: "RET", opRETN: "RETN", opENTER: "ENTER", opLEAVE: "LEAVE",
	opSWAPGS: "SWAPGS", opSYSRET: "SYSRET", opIRET: "IRET", opERETU: "ERETU", opERETS: "ERETS", opCLI: "CLI", opSTI: "STI", opCLD: "CLD", opSTD: "STD",
	opCLAC: "CLAC", opSTAC: "STAC", opCLC: "CLC", opSTC: "STC", opPUSHF: "PUSHF", opPOPF: "POPF", opNOP: "NOP", opPAUSE: "PAUSE",
	opENDBR: "ENDBR64", opLFENCE: "LFENCE", opMFENCE: "MFENCE", opSFENCE: "SFENCE", opVERW: "VERW", opUD2: "UD2", opINT3: "INT3",
	opMUL: "MUL", opIMUL: "IMUL", opDIV: "DIV", opIDIV: "IDIV", opSYSCALL: "SYSCALL", opHLT: "HLT",
	opRDMSR: "RDMSR", opWRMSR: "WRMSR", opRDTSC: "RDTSC", opCPUID: "CPUID", opMOVCR: "MOV",
	opSHLD: "SHLD", opSHRD: "SHRD", opBSF: "BSF", opBSR: "BSR", opTZCNT: "TZCNT", opLZCNT: "LZCNT", opPOPCNT: "POPCNT", opBSWAP: "BSWAP",
	opXADD: "XADD", opCMPXCHG: "CMPXCHG", opEXTEND: "CBW", opSIGN: "CWD",
	opPREFETCH: "PREFETCH", opRDTSCP: "RDTSCP", opRDPID: "RDPID", opRDPMC: "RDPMC", opRDRAND: "RDRAND", opXGETBV: "XGETBV", opMOVSEG: "MOVW",
	opRDBASE: "RD", opWRBASE: "WR", opSTMXCSR: "STMXCSR", opLDMXCSR: "LDMXCSR", opMOVXMM: "MOVXMM", opXMM: "SSE",
	opFXSAVE: "FXSAVE", opFXRSTOR: "FXRSTOR", opFNINIT: "FNINIT", opEMMS: "EMMS", opFLDCW: "FLDCW", opFNSTCW: "FNSTCW", opSYSEXIT: "SYSEXIT",
	opLOOP: "LOOP", opLOOPE: "LOOPE", opLOOPNE: "LOOPNE", opJRCXZ: "JRCXZ",
	opSTOS: "STOS", opMOVSTR: "MOVS", opLODS: "LODS", opSCAS: "SCAS", opCMPS: "CMPS",
	opMULHI: "MUL's upper half", opIMULHI: "IMUL's upper half", opPF: "PF",
}

// sized are the opcodes whose name ends in the operand's width.
var sized = func() (is [numOps]bool) {
	for op := opADD; op <= opCMPXCHG; op++ {
		is[op] = true
	}
	for _, op := range []opcode{opCMOV, opSYSRET, opIRET, opPUSHF, opPOPF, opDIV, opIDIV, opMOVCR, opSTOS, opMOVSTR, opLODS, opSCAS, opCMPS, opRDRAND} {
		is[op] = true
	}
	return is
}()

// reg is a general register by its number in an encoding.
type reg uint8

// The general registers.
const (
	rAX reg = iota
	rCX
	rDX
	rBX
	rSP
	rBP
	rSI
	rDI
	r8
	r9
	r10
	r11
	r12
	r13
	r14
	r15
	numRegs
	noReg
)

var regNames = [...]string{
	"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15", "none", "none",
}

// String returns the register's name.
func (r reg) String() string { return regNames[r] }

// The segment registers by their numbers in an encoding.
const (
	segES = iota
	segCS
	segSS
	segDS
	segRegFS
	segRegGS
)

var segNames = [...]string{"ES", "CS", "SS", "DS", "FS", "GS"}

// The conditions that CF and that ZF is set.
const (
	ccB = 2
	ccE = 4
)

var ccNames = [16]string{"O", "NO", "B", "AE", "E", "NE", "BE", "A", "S", "NS", "P", "NP", "L", "GE", "LE", "G"}

// operandKind tells where an operand is.
type operandKind uint8

const (
	noOperand operandKind = iota
	inReg
	inMem
	isImm
	isControlReg
	isSegment // reg is its number: ES, CS, SS, DS, FS, GS
	isBase    // of the segment reg
	inXMM
)

// segment is a segment override that counts in 64-bit mode.
type segment uint8

const (
	segNone segment = iota
	segFS
	segGS
)

// operand is a register, a place in memory, or a constant. The operand of a direct
// branch is the target's address.
type operand struct {
	kind        operandKind
	reg         reg
	high        bool // the second byte of the register: AH to BH
	seg         segment
	rip         bool // imm is the address already
	base, index reg
	scale       uint8
	imm         int64 // constant, displacement, or address
}

// inst is a decoded instruction.
type inst struct {
	op       opcode
	cc       uint8
	width    uint8 // of the operation, in bytes
	from     uint8 // of the source, if it is another
	len      uint8
	lock     bool
	xor      bool    // an opXMM that is an exclusive OR
	aligned  bool    // its operand in memory must lie at a multiple of 16
	rep      uint8   // 0, or the prefix that repeats a string instruction: F3, F2
	third    operand // of SHLD, SHRD and IMUL by a constant
	dst, src operand // src is the only operand of those that write none
	enc      encoding
}

// encoding tells at which byte of an instruction its parts begin. 0 stands for
// nowhere, as byte 0 is an opcode or a prefix (but see opReg).
type encoding struct {
	rex, op, modrm, sib uint8
	disp, dispLen       uint8
	imm, immLen         uint8
	rel                 bool // imm is relative to the instruction's end
	opReg               bool // the low three bits of the opcode, at op, are a register
	modrmReg            bool // ModRM.reg is a register
}

// String prints the instruction as a listing does.
func (in *inst) String() string {
	var b strings.Builder
	if in.lock {
		b.WriteString("LOCK ")
	}
	switch {
	case in.rep == 0xf2:
		b.WriteString("REPNE ")
	case in.rep != 0 && in.op >= opSCAS:
		b.WriteString("REPE ")
	case in.rep != 0:
		b.WriteString("REP ")
	}
	switch in.op {
	case opEXTEND, opSIGN:
		return map[opcode]map[uint8]string{opEXTEND: {2: "CBW", 4: "CWDE", 8: "CDQE"}, opSIGN: {2: "CWD", 4: "CDQ", 8: "CQO"}}[in.op][in.width]
	case opRDBASE, opWRBASE:
		return fmt.Sprintf("%s%sBASE%s %v", opNames[in.op], segNames[in.third.reg], suffix(in.width), in.operand(in.src))
	case opSTOS, opMOVSTR, opLODS, opSCAS, opCMPS:
		b.WriteString(opNames[in.op] + suffix(in.width))
		return b.String()
	}
	b.WriteString(opNames[in.op])
	if in.op == opMOVZX || in.op == opMOVSX {
		b.WriteString(suffix(in.from))
	}
	if sized[in.op] {
		b.WriteString(suffix(in.width))
	}
	if (in.op == opFXSAVE || in.op == opFXRSTOR) && in.width == 8 {
		b.WriteString("64")
	}
	if in.op == opJCC || in.op == opSET || in.op == opCMOV {
		b.WriteString(ccNames[in.cc])
	}
	first, second := in.src, in.dst
	if in.op == opCMP { // Intel's order
		first, second = in.dst, in.src
	}
	sep := " "
	operands := []operand{first, second}
	if in.third.kind != noOperand {
		operands = []operand{in.third, first, second}
	}
	for _, o := range operands {
		if o.kind != noOperand {
			b.WriteString(sep)
			if o.kind != isImm && (in.op == opJMP || in.op == opCALL) {
				b.WriteByte('*')
			}
			b.WriteString(in.operand(o))
			sep = ", "
		}
	}
	return b.String()
}

func suffix(width uint8) string { return map[uint8]string{1: "B", 2: "W", 4: "L", 8: "Q"}[width] }

func (in *inst) operand(o operand) string {
	switch o.kind {
	case inReg:
		if o.high {
			return [...]string{"AH", "CH", "DH", "BH"}[o.reg]
		}
		return o.reg.String()
	case isSegment:
		return segNames[o.reg]
	case inXMM:
		return fmt.Sprintf("X%d", o.reg)
	case isControlReg:
		return fmt.Sprintf("CR%d", o.reg)
	case isImm:
		if in.enc.rel {
			return fmt.Sprintf("%#x", uint64(o.imm))
		}
		if o.imm < 10 && o.imm >= -1024 {
			return fmt.Sprintf("$%d", o.imm)
		}
		return fmt.Sprintf("$%#x", uint64(o.imm))
	}
	return o.mem()
}

// mem prints an operand in memory.
func (o operand) mem() string {
	var b strings.Builder
	switch o.seg {
	case segGS:
		b.WriteString("GS:")
	case segFS:
		b.WriteString("FS:")
	}
	switch {
	case o.rip:
		fmt.Fprintf(&b, "%#x", uint64(o.imm))
	case o.imm != 0 || o.base == noReg && o.index == noReg:
		if o.imm >= -4096 && o.imm <= 4096 {
			fmt.Fprintf(&b, "%d", o.imm)
		} else {
			fmt.Fprintf(&b, "%#x", o.imm)
		}
	}
	if o.base != noReg {
		fmt.Fprintf(&b, "(%v)", o.base)
	}
	if o.index != noReg {
		fmt.Fprintf(&b, "(%v*%d)", o.index, o.scale)
	}
	return b.String()
}
