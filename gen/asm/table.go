package asm

import (
	"github.com/twitchyliquid64/golang-asm/obj"
	"github.com/twitchyliquid64/golang-asm/obj/x86"
)

// kind is a set of operand kinds.
type kind uint8

const (
	kReg   kind = 1 << iota // general register
	kMem                    // memory
	kImm                    // immediate
	kCL                     // RCX, whose low byte is a shift count
	kSeg                    // segment register
	kSys                    // control or debug register
	kLabel                  // name of a label or function
)

// form says which operands a mnemonic takes. It also decides in which operand of
// an obj.Prog each of them goes; a wrong one silently gives another instruction.
type form uint8

const (
	opNone   form = iota
	opString      // none; may have REP
	opScan        // none; may have REPE
	opRMW         // dst = dst op src
	opTest        // flags of src op dst
	opCmp         // flags of the first operand less the second
	opMov         // dst = src
	opMovSys      // the same, control and debug registers too
	opMovSeg      // the same, segment registers too
	opLoad        // register = src
	opAddr        // register = address of src
	opMul         // register = register op src
	opXchg        // the operands change places
	opShift       // dst = dst shifted by an immediate or CL
	opBit         // flags of a bit of dst
	opBitRMW      // a bit of dst changes
	opSrc         // one operand, read
	opSrcMem      // the same, memory only
	opSrcReg      // the same, register only
	opDst         // one operand, written
	opDstRMW      // one operand, changed
	opDstMem      // one operand, written, memory only
	opDstReg      // one operand, written, register only
	opPush        // one operand, read
	opInt         // an interrupt's vector
	opRetN        // how many bytes are dropped
	opJcc         // the target of a conditional branch
	opJump        // the target of JMP and CALL
)

// shape is what the assembler must know about a form.
type shape struct {
	args  []kind
	dst   bool // the single operand is obj.Prog.To
	write bool // the last operand is written
}

var shapes = [...]shape{
	opNone:   {},
	opString: {},
	opScan:   {},
	opRMW:    {args: []kind{kReg | kMem | kImm, kReg | kMem}, write: true},
	opTest:   {args: []kind{kReg | kMem | kImm, kReg | kMem}},
	opCmp:    {args: []kind{kReg | kMem, kReg | kMem | kImm}},
	opMov:    {args: []kind{kReg | kMem | kImm, kReg | kMem}, write: true},
	opMovSys: {args: []kind{kReg | kMem | kImm | kSys, kReg | kMem | kSys}, write: true},
	opMovSeg: {args: []kind{kReg | kMem | kImm | kSeg, kReg | kMem | kSeg}, write: true},
	opLoad:   {args: []kind{kReg | kMem, kReg}, write: true},
	opAddr:   {args: []kind{kMem, kReg}, write: true},
	opMul:    {args: []kind{kReg | kMem | kImm, kReg}, write: true},
	opXchg:   {args: []kind{kReg | kMem, kReg | kMem}, write: true},
	opShift:  {args: []kind{kImm | kCL, kReg | kMem}, write: true},
	opBit:    {args: []kind{kReg | kImm, kReg | kMem}},
	opBitRMW: {args: []kind{kReg | kImm, kReg | kMem}, write: true},
	opSrc:    {args: []kind{kReg | kMem}},
	opSrcMem: {args: []kind{kMem}},
	opSrcReg: {args: []kind{kReg}},
	opDst:    {args: []kind{kReg | kMem}, dst: true, write: true},
	opDstRMW: {args: []kind{kReg | kMem}, dst: true, write: true},
	opDstMem: {args: []kind{kMem}, dst: true, write: true},
	opDstReg: {args: []kind{kReg}, dst: true, write: true},
	opPush:   {args: []kind{kReg | kMem | kImm}},
	opInt:    {args: []kind{kImm}},
	opRetN:   {args: []kind{kImm}},
	opJcc:    {args: []kind{kLabel}, dst: true},
	opJump:   {args: []kind{kLabel | kReg | kMem}, dst: true},
}

// row is one mnemonic: how it reaches the library, or its bytes where the
// library has no such instruction.
type row struct {
	as    obj.As
	form  form
	width int    // of the operation, in bytes; 0: none, or it does not matter
	from  int    // width of the source, if it differs
	only  int    // the Bits that it exists in; 0: both, but width 8 is 64-bit code
	cpl0  bool   // it faults at any other privilege level, whatever its operands
	bytes []byte // the whole instruction, but for RETN's 16-bit immediate
	al    byte   // opcode of the form that takes an immediate and AL
	neg   byte   // second byte of the form for RAX; others are added to it
}

// branches reports whether the operand is where execution continues.
func (r row) branches() bool { return r.form == opJcc || r.form == opJump }

// in reports whether the instruction exists in code of that many bits; 16-bit
// code has what 32-bit code has.
func (r row) in(bits int) bool {
	bits = max(bits, 32)
	if r.only == 0 {
		return bits == 64 || r.width < 8
	}
	return r.only == bits
}

// table holds every mnemonic. Each row is tested against the bytes of GNU as
// (testdata/encodings.tsv).
var table = map[string]row{
	"ADDQ":      {as: x86.AADDQ, form: opRMW, width: 8},
	"ADDL":      {as: x86.AADDL, form: opRMW, width: 4},
	"ADDB":      {as: x86.AADDB, form: opRMW, width: 1, al: 0x04},
	"SUBQ":      {as: x86.ASUBQ, form: opRMW, width: 8},
	"SUBL":      {as: x86.ASUBL, form: opRMW, width: 4},
	"ANDQ":      {as: x86.AANDQ, form: opRMW, width: 8},
	"ANDL":      {as: x86.AANDL, form: opRMW, width: 4},
	"ANDW":      {as: x86.AANDW, form: opRMW, width: 2},
	"ANDB":      {as: x86.AANDB, form: opRMW, width: 1, al: 0x24},
	"ORQ":       {as: x86.AORQ, form: opRMW, width: 8},
	"ORL":       {as: x86.AORL, form: opRMW, width: 4},
	"ORB":       {as: x86.AORB, form: opRMW, width: 1, al: 0x0c},
	"XORQ":      {as: x86.AXORQ, form: opRMW, width: 8},
	"XORL":      {as: x86.AXORL, form: opRMW, width: 4},
	"ADCQ":      {as: x86.AADCQ, form: opRMW, width: 8},
	"SBBQ":      {as: x86.ASBBQ, form: opRMW, width: 8},
	"SBBL":      {as: x86.ASBBL, form: opRMW, width: 4},
	"CMPQ":      {as: x86.ACMPQ, form: opCmp, width: 8},
	"CMPL":      {as: x86.ACMPL, form: opCmp, width: 4},
	"CMPW":      {as: x86.ACMPW, form: opCmp, width: 2},
	"CMPB":      {as: x86.ACMPB, form: opCmp, width: 1, al: 0x3c},
	"TESTQ":     {as: x86.ATESTQ, form: opTest, width: 8},
	"TESTL":     {as: x86.ATESTL, form: opTest, width: 4},
	"TESTB":     {as: x86.ATESTB, form: opTest, width: 1, al: 0xa8},
	"MOVQ":      {as: x86.AMOVQ, form: opMovSys, width: 8},
	"MOVL":      {as: x86.AMOVL, form: opMovSys, width: 4},
	"MOVW":      {as: x86.AMOVW, form: opMovSeg, width: 2},
	"MOVB":      {as: x86.AMOVB, form: opMov, width: 1},
	"MOVZBL":    {as: x86.AMOVBLZX, form: opLoad, width: 4, from: 1},
	"MOVZWL":    {as: x86.AMOVWLZX, form: opLoad, width: 4, from: 2},
	"MOVSBQ":    {as: x86.AMOVBQSX, form: opLoad, width: 8, from: 1},
	"MOVSLQ":    {as: x86.AMOVLQSX, form: opLoad, width: 8, from: 4},
	"LEAQ":      {as: x86.ALEAQ, form: opAddr, width: 8},
	"LEAL":      {as: x86.ALEAL, form: opAddr, width: 4},
	"XCHGQ":     {as: x86.AXCHGQ, form: opXchg, width: 8},
	"IMULQ":     {as: x86.AIMULQ, form: opMul, width: 8},
	"IMULL":     {as: x86.AIMULL, form: opMul, width: 4},
	"MULQ":      {as: x86.AMULQ, form: opSrc, width: 8},
	"DIVQ":      {as: x86.ADIVQ, form: opSrc, width: 8},
	"DIVL":      {as: x86.ADIVL, form: opSrc, width: 4},
	"IDIVQ":     {as: x86.AIDIVQ, form: opSrc, width: 8},
	"NEGQ":      {as: x86.ANEGQ, form: opDstRMW, width: 8},
	"NEGL":      {as: x86.ANEGL, form: opDstRMW, width: 4, neg: 0xd8},
	"NOTQ":      {as: x86.ANOTQ, form: opDstRMW, width: 8},
	"NOTL":      {as: x86.ANOTL, form: opDstRMW, width: 4, neg: 0xd0},
	"INCQ":      {as: x86.AINCQ, form: opDstRMW, width: 8},
	"INCL":      {as: x86.AINCL, form: opDstRMW, width: 4},
	"DECQ":      {as: x86.ADECQ, form: opDstRMW, width: 8},
	"DECL":      {as: x86.ADECL, form: opDstRMW, width: 4},
	"SHLQ":      {as: x86.ASHLQ, form: opShift, width: 8},
	"SHLL":      {as: x86.ASHLL, form: opShift, width: 4},
	"SHRQ":      {as: x86.ASHRQ, form: opShift, width: 8},
	"RORL":      {as: x86.ARORL, form: opShift, width: 4},
	"SHRL":      {as: x86.ASHRL, form: opShift, width: 4},
	"SARQ":      {as: x86.ASARQ, form: opShift, width: 8},
	"SARL":      {as: x86.ASARL, form: opShift, width: 4},
	"ROLQ":      {as: x86.AROLQ, form: opShift, width: 8},
	"BTQ":       {as: x86.ABTQ, form: opBit, width: 8},
	"BTL":       {as: x86.ABTL, form: opBit, width: 4},
	"BTSQ":      {as: x86.ABTSQ, form: opBitRMW, width: 8},
	"BTRQ":      {as: x86.ABTRQ, form: opBitRMW, width: 8},
	"BTRL":      {as: x86.ABTRL, form: opBitRMW, width: 4},
	"BSFQ":      {as: x86.ABSFQ, form: opLoad, width: 8},
	"CQO":       {as: x86.ACQO, width: 8},
	"PUSHQ":     {as: x86.APUSHQ, form: opPush, width: 8},
	"POPQ":      {as: x86.APOPQ, form: opDst, width: 8},
	"PUSHL":     {as: x86.APUSHL, form: opPush, width: 4, only: 32},
	"POPL":      {as: x86.APOPL, form: opDst, width: 4, only: 32},
	"PUSHFQ":    {as: x86.APUSHFQ, width: 8},
	"POPFQ":     {as: x86.APOPFQ, width: 8},
	"JO":        {as: x86.AJOS, form: opJcc},
	"JNO":       {as: x86.AJOC, form: opJcc},
	"JB":        {as: x86.AJCS, form: opJcc},
	"JAE":       {as: x86.AJCC, form: opJcc},
	"JE":        {as: x86.AJEQ, form: opJcc},
	"JNE":       {as: x86.AJNE, form: opJcc},
	"JBE":       {as: x86.AJLS, form: opJcc},
	"JA":        {as: x86.AJHI, form: opJcc},
	"JS":        {as: x86.AJMI, form: opJcc},
	"JNS":       {as: x86.AJPL, form: opJcc},
	"JP":        {as: x86.AJPS, form: opJcc},
	"JNP":       {as: x86.AJPC, form: opJcc},
	"JL":        {as: x86.AJLT, form: opJcc},
	"JGE":       {as: x86.AJGE, form: opJcc},
	"JLE":       {as: x86.AJLE, form: opJcc},
	"JG":        {as: x86.AJGT, form: opJcc},
	"SETB":      {as: x86.ASETCS, form: opDst, width: 1},
	"CMOVQB":    {as: x86.ACMOVQCS, form: opLoad, width: 8},
	"CMOVQAE":   {as: x86.ACMOVQCC, form: opLoad, width: 8},
	"SETE":      {as: x86.ASETEQ, form: opDst, width: 1},
	"CMOVQE":    {as: x86.ACMOVQEQ, form: opLoad, width: 8},
	"SETNE":     {as: x86.ASETNE, form: opDst, width: 1},
	"CMOVQNE":   {as: x86.ACMOVQNE, form: opLoad, width: 8},
	"CMOVQA":    {as: x86.ACMOVQHI, form: opLoad, width: 8},
	"CMOVQL":    {as: x86.ACMOVQLT, form: opLoad, width: 8},
	"CMOVLL":    {as: x86.ACMOVLLT, form: opLoad, width: 4},
	"CMOVQG":    {as: x86.ACMOVQGT, form: opLoad, width: 8},
	"CMOVLG":    {as: x86.ACMOVLGT, form: opLoad, width: 4},
	"JMP":       {as: obj.AJMP, form: opJump},
	"CALL":      {as: obj.ACALL, form: opJump},
	"RET":       {as: obj.ARET},
	"INT":       {as: x86.AINT, form: opInt},
	"SYSCALL":   {as: x86.ASYSCALL, only: 64},
	"SWAPGS":    {as: x86.ASWAPGS, only: 64, cpl0: true},
	"IRETQ":     {as: x86.AIRETQ, width: 8},
	"HLT":       {as: x86.AHLT, cpl0: true},
	"CLI":       {as: x86.ACLI, cpl0: true},
	"STI":       {as: x86.ASTI, cpl0: true},
	"CLD":       {as: x86.ACLD},
	"STD":       {as: x86.ASTD},
	"CLC":       {as: x86.ACLC},
	"STC":       {as: x86.ASTC},
	"STAC":      {as: x86.ASTAC, cpl0: true},
	"CLAC":      {as: x86.ACLAC, cpl0: true},
	"RDMSR":     {as: x86.ARDMSR, cpl0: true},
	"WRMSR":     {as: x86.AWRMSR, cpl0: true},
	"RDTSC":     {as: x86.ARDTSC},
	"RDPMC":     {as: x86.ARDPMC},
	"CPUID":     {as: x86.ACPUID},
	"LFENCE":    {as: x86.ALFENCE},
	"MFENCE":    {as: x86.AMFENCE},
	"PAUSE":     {as: x86.APAUSE},
	"UD2":       {as: x86.AUD2},
	"FNINIT":    {bytes: []byte{0xdb, 0xe3}},
	"INB":       {as: x86.AINB, cpl0: true},
	"INL":       {as: x86.AINL, width: 4, cpl0: true},
	"OUTB":      {as: x86.AOUTB, cpl0: true},
	"OUTL":      {as: x86.AOUTL, width: 4, cpl0: true},
	"MOVSB":     {as: x86.AMOVSB, form: opString},
	"MOVSL":     {as: x86.AMOVSL, form: opString, width: 4},
	"MOVSQ":     {as: x86.AMOVSQ, form: opString, width: 8},
	"STOSB":     {as: x86.ASTOSB, form: opString},
	"STOSL":     {as: x86.ASTOSL, form: opString, width: 4},
	"STOSQ":     {as: x86.ASTOSQ, form: opString, width: 8},
	"LODSB":     {as: x86.ALODSB, form: opString},
	"OUTSB":     {as: x86.AOUTSB, form: opString, cpl0: true},
	"CMPSB":     {as: x86.ACMPSB, form: opScan},
	"LGDT":      {as: x86.ALGDT, form: opSrcMem, cpl0: true},
	"LIDT":      {as: x86.ALIDT, form: opSrcMem, cpl0: true},
	"LTR":       {as: x86.ALTR, form: opSrc, width: 2, cpl0: true},
	"LLDT":      {as: x86.ALLDT, form: opSrc, width: 2, cpl0: true},
	"SGDT":      {as: x86.ASGDT, form: opDstMem},
	"SIDT":      {as: x86.ASIDT, form: opDstMem},
	"STR":       {as: x86.ASTRL, form: opDstMem, width: 2},
	"INVLPG":    {as: x86.AINVLPG, form: opSrcMem, cpl0: true},
	"VERW":      {as: x86.AVERW, form: opSrc, width: 2},
	"CLFLUSH":   {as: x86.ACLFLUSH, form: opDstMem},
	"FXSAVE64":  {as: x86.AFXSAVE64, form: opDstMem, width: 8},
	"FXRSTOR64": {as: x86.AFXRSTOR64, form: opSrcMem, width: 8},
	"RDRANDQ":   {as: x86.ARDRANDQ, form: opDstReg, width: 8},
	"RDGSBASEQ": {as: x86.ARDGSBASEQ, form: opDstReg, width: 8},
	"WRGSBASEQ": {as: x86.AWRGSBASEQ, form: opSrcReg, width: 8},
	"RETFL":     {as: x86.ARETFL, width: 4},
	"SYSRETQ":   {bytes: []byte{0x48, 0x0f, 0x07}, width: 8, cpl0: true},
	"SYSRETL":   {bytes: []byte{0x0f, 0x07}, width: 8, cpl0: true}, // there is no SYSRET in 32-bit code
	"RETN":      {form: opRetN, bytes: []byte{0xc2}},
	"INT3":      {bytes: []byte{0xcc}},
	"ENDBR64":   {bytes: []byte{0xf3, 0x0f, 0x1e, 0xfa}},
	"ERETS":     {bytes: []byte{0xf2, 0x0f, 0x01, 0xca}, only: 64, cpl0: true},
	"ERETU":     {bytes: []byte{0xf3, 0x0f, 0x01, 0xca}, only: 64, cpl0: true},
	"LKGS":      {form: opSrcReg, width: 2, only: 64, cpl0: true}, // its bytes are lkgs
	"NOP":       {bytes: []byte{0x90}},
}
