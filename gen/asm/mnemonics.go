package asm

// The mnemonics, with the field's names: AT&T's width suffixes, source operand
// first except for CMP, Intel's condition codes. An operand is a Reg, a Mem,
// an integer of any type, or for a branch the name of a label or function.

// ADDQ adds src to dst.
func ADDQ(src, dst any) Ins { return ins("ADDQ", src, dst) }

// ADDL adds src to dst.
func ADDL(src, dst any) Ins { return ins("ADDL", src, dst) }

// ADDB adds src to dst.
func ADDB(src, dst any) Ins { return ins("ADDB", src, dst) }

// SUBQ subtracts src from dst.
func SUBQ(src, dst any) Ins { return ins("SUBQ", src, dst) }

// SUBL subtracts src from dst.
func SUBL(src, dst any) Ins { return ins("SUBL", src, dst) }

// ANDQ masks dst with src.
func ANDQ(src, dst any) Ins { return ins("ANDQ", src, dst) }

// ANDL masks dst with src.
func ANDL(src, dst any) Ins { return ins("ANDL", src, dst) }

// ANDW masks dst with src.
func ANDW(src, dst any) Ins { return ins("ANDW", src, dst) }

// ANDB masks dst with src.
func ANDB(src, dst any) Ins { return ins("ANDB", src, dst) }

// ORQ sets the bits of src in dst.
func ORQ(src, dst any) Ins { return ins("ORQ", src, dst) }

// ORL sets the bits of src in dst.
func ORL(src, dst any) Ins { return ins("ORL", src, dst) }

// ORB sets the bits of src in dst.
func ORB(src, dst any) Ins { return ins("ORB", src, dst) }

// XORQ flips the bits of src in dst.
func XORQ(src, dst any) Ins { return ins("XORQ", src, dst) }

// XORL flips the bits of src in dst.
func XORL(src, dst any) Ins { return ins("XORL", src, dst) }

// ADCQ adds src and CF to dst.
func ADCQ(src, dst any) Ins { return ins("ADCQ", src, dst) }

// SBBQ subtracts src and CF from dst.
func SBBQ(src, dst any) Ins { return ins("SBBQ", src, dst) }

// SBBL subtracts src and CF from dst.
func SBBL(src, dst any) Ins { return ins("SBBL", src, dst) }

// CMPQ compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPQ(a, b any) Ins { return ins("CMPQ", a, b) }

// CMPL compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPL(a, b any) Ins { return ins("CMPL", a, b) }

// CMPW compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPW(a, b any) Ins { return ins("CMPW", a, b) }

// CMPB compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPB(a, b any) Ins { return ins("CMPB", a, b) }

// TESTQ sets the flags of src AND dst.
func TESTQ(src, dst any) Ins { return ins("TESTQ", src, dst) }

// TESTL sets the flags of src AND dst.
func TESTL(src, dst any) Ins { return ins("TESTL", src, dst) }

// TESTB sets the flags of src AND dst.
func TESTB(src, dst any) Ins { return ins("TESTB", src, dst) }

// MOVQ moves src to dst; either may be a general, control or debug register, src a 64-bit immediate if dst is a register.
func MOVQ(src, dst any) Ins { return ins("MOVQ", src, dst) }

// MOVL moves 32 bits; a register dst is zero-extended to 64.
func MOVL(src, dst any) Ins { return ins("MOVL", src, dst) }

// MOVW moves 16 bits; either may be a segment register, from which the whole
// dst is cleared but for the selector.
func MOVW(src, dst any) Ins { return ins("MOVW", src, dst) }

// MOVB moves 8 bits.
func MOVB(src, dst any) Ins { return ins("MOVB", src, dst) }

// MOVZBL moves a byte, zero-extended.
func MOVZBL(src, dst any) Ins { return ins("MOVZBL", src, dst) }

// MOVZWL moves 16 bits, zero-extended.
func MOVZWL(src, dst any) Ins { return ins("MOVZWL", src, dst) }

// MOVSBQ moves a byte, sign-extended.
func MOVSBQ(src, dst any) Ins { return ins("MOVSBQ", src, dst) }

// MOVSLQ moves 32 bits, sign-extended.
func MOVSLQ(src, dst any) Ins { return ins("MOVSLQ", src, dst) }

// LEAQ puts the address of src in dst.
func LEAQ(src, dst any) Ins { return ins("LEAQ", src, dst) }

// LEAL puts the low 32 bits of the address of src in dst.
func LEAL(src, dst any) Ins { return ins("LEAL", src, dst) }

// XCHGQ exchanges a and b; with memory it is locked.
func XCHGQ(src, dst any) Ins { return ins("XCHGQ", src, dst) }

// IMULQ multiplies dst by src, signed.
func IMULQ(src, dst any) Ins { return ins("IMULQ", src, dst) }

// IMULL multiplies dst by src, signed.
func IMULL(src, dst any) Ins { return ins("IMULL", src, dst) }

// MULQ multiplies RAX by src into RDX:RAX, unsigned.
func MULQ(src any) Ins { return ins("MULQ", src) }

// DIVQ divides RDX:RAX by src, unsigned: quotient in RAX, rest in RDX.
func DIVQ(src any) Ins { return ins("DIVQ", src) }

// DIVL divides RDX:RAX by src, unsigned: quotient in RAX, rest in RDX.
func DIVL(src any) Ins { return ins("DIVL", src) }

// IDIVQ divides RDX:RAX by src, signed: quotient in RAX, rest in RDX.
func IDIVQ(src any) Ins { return ins("IDIVQ", src) }

// NEGQ negates dst.
func NEGQ(dst any) Ins { return ins("NEGQ", dst) }

// NEGL negates dst.
func NEGL(dst any) Ins { return ins("NEGL", dst) }

// NOTQ flips every bit of dst.
func NOTQ(dst any) Ins { return ins("NOTQ", dst) }

// NOTL flips every bit of dst.
func NOTL(dst any) Ins { return ins("NOTL", dst) }

// INCQ adds 1 to dst, CF is kept.
func INCQ(dst any) Ins { return ins("INCQ", dst) }

// INCL adds 1 to dst, CF is kept.
func INCL(dst any) Ins { return ins("INCL", dst) }

// DECQ subtracts 1 from dst, CF is kept.
func DECQ(dst any) Ins { return ins("DECQ", dst) }

// DECL subtracts 1 from dst, CF is kept.
func DECL(dst any) Ins { return ins("DECL", dst) }

// SHLQ shifts dst left by an immediate or by CL.
func SHLQ(src, dst any) Ins { return ins("SHLQ", src, dst) }

// SHLL shifts dst left by an immediate or by CL.
func SHLL(src, dst any) Ins { return ins("SHLL", src, dst) }

// SHRQ shifts dst right, zeros come in.
func SHRQ(src, dst any) Ins { return ins("SHRQ", src, dst) }

// SHRL shifts dst right, zeros come in.
func SHRL(src, dst any) Ins { return ins("SHRL", src, dst) }

// SARQ shifts dst right, the sign comes in.
func SARQ(src, dst any) Ins { return ins("SARQ", src, dst) }

// SARL shifts dst right, the sign comes in.
func SARL(src, dst any) Ins { return ins("SARL", src, dst) }

// ROLQ rotates dst left.
func ROLQ(src, dst any) Ins { return ins("ROLQ", src, dst) }

// BTQ copies bit src of dst to CF.
func BTQ(src, dst any) Ins { return ins("BTQ", src, dst) }

// BTL copies bit src of dst to CF.
func BTL(src, dst any) Ins { return ins("BTL", src, dst) }

// BTSQ copies bit src of dst to CF and sets it.
func BTSQ(src, dst any) Ins { return ins("BTSQ", src, dst) }

// BTRQ copies bit src of dst to CF and clears it.
func BTRQ(src, dst any) Ins { return ins("BTRQ", src, dst) }

// BTRL copies bit src of dst to CF and clears it.
func BTRL(src, dst any) Ins { return ins("BTRL", src, dst) }

// BSFQ puts the number of the lowest set bit of src in dst; ZF if there is none.
func BSFQ(src, dst any) Ins { return ins("BSFQ", src, dst) }

// CQO sign-extends RAX into RDX:RAX.
func CQO() Ins { return ins("CQO") }

// PUSHQ pushes a register, memory, or a sign-extended immediate.
func PUSHQ(src any) Ins { return ins("PUSHQ", src) }

// POPQ pops into a register or memory.
func POPQ(dst any) Ins { return ins("POPQ", dst) }

// PUSHL pushes 32 bits; 32-bit code only.
func PUSHL(src any) Ins { return ins("PUSHL", src) }

// POPL pops 32 bits; 32-bit code only.
func POPL(dst any) Ins { return ins("POPL", dst) }

// PUSHFQ pushes RFLAGS.
func PUSHFQ() Ins { return ins("PUSHFQ") }

// POPFQ pops RFLAGS.
func POPFQ() Ins { return ins("POPFQ") }

// JB jumps to a label or function if below (unsigned), CF=1.
func JB(target any) Ins { return ins("JB", target) }

// JAE jumps to a label or function if above or equal (unsigned), CF=0.
func JAE(target any) Ins { return ins("JAE", target) }

// JE jumps to a label or function if equal, ZF=1.
func JE(target any) Ins { return ins("JE", target) }

// JNE jumps to a label or function if not equal, ZF=0.
func JNE(target any) Ins { return ins("JNE", target) }

// JBE jumps to a label or function if below or equal (unsigned).
func JBE(target any) Ins { return ins("JBE", target) }

// JA jumps to a label or function if above (unsigned).
func JA(target any) Ins { return ins("JA", target) }

// JS jumps to a label or function if negative, SF=1.
func JS(target any) Ins { return ins("JS", target) }

// JNS jumps to a label or function if not negative, SF=0.
func JNS(target any) Ins { return ins("JNS", target) }

// JG jumps to a label or function if greater (signed).
func JG(target any) Ins { return ins("JG", target) }

// SETB sets dst to 1 or 0: if below (unsigned), CF=1.
func SETB(dst any) Ins { return ins("SETB", dst) }

// CMOVQB moves 64 bits if below (unsigned), CF=1.
func CMOVQB(src, dst any) Ins { return ins("CMOVQB", src, dst) }

// CMOVQAE moves 64 bits if above or equal (unsigned), CF=0.
func CMOVQAE(src, dst any) Ins { return ins("CMOVQAE", src, dst) }

// SETE sets dst to 1 or 0: if equal, ZF=1.
func SETE(dst any) Ins { return ins("SETE", dst) }

// CMOVQE moves 64 bits if equal, ZF=1.
func CMOVQE(src, dst any) Ins { return ins("CMOVQE", src, dst) }

// SETNE sets dst to 1 or 0: if not equal, ZF=0.
func SETNE(dst any) Ins { return ins("SETNE", dst) }

// CMOVQNE moves 64 bits if not equal, ZF=0.
func CMOVQNE(src, dst any) Ins { return ins("CMOVQNE", src, dst) }

// CMOVQA moves 64 bits if above (unsigned).
func CMOVQA(src, dst any) Ins { return ins("CMOVQA", src, dst) }

// CMOVQL moves 64 bits if less (signed).
func CMOVQL(src, dst any) Ins { return ins("CMOVQL", src, dst) }

// CMOVLL moves 32 bits if less (signed).
func CMOVLL(src, dst any) Ins { return ins("CMOVLL", src, dst) }

// CMOVQG moves 64 bits if greater (signed).
func CMOVQG(src, dst any) Ins { return ins("CMOVQG", src, dst) }

// CMOVLG moves 32 bits if greater (signed).
func CMOVLG(src, dst any) Ins { return ins("CMOVLG", src, dst) }

// JMP jumps to a label, a function, or to the address in a register or in memory.
func JMP(target any) Ins { return ins("JMP", target) }

// CALL calls a function, or the address in a register or in memory.
func CALL(target any) Ins { return ins("CALL", target) }

// RET returns; see RETURN for functions with saved registers.
func RET() Ins { return ins("RET") }

// RETN returns and drops n more bytes of the stack: AT&T's ret $n.
func RETN(n any) Ins { return ins("RETN", n) }

// INT raises a software interrupt.
func INT(src any) Ins { return ins("INT", src) }

// SYSCALL enters the kernel (SDM volume 2, SYSCALL).
func SYSCALL() Ins { return ins("SYSCALL") }

// SWAPGS exchanges the GS base with MSR_KERNEL_GS_BASE.
func SWAPGS() Ins { return ins("SWAPGS") }

// IRETQ pops RIP, CS, RFLAGS, RSP and SS.
func IRETQ() Ins { return ins("IRETQ") }

// HLT stops until an interrupt.
func HLT() Ins { return ins("HLT") }

// CLI clears RFLAGS.IF.
func CLI() Ins { return ins("CLI") }

// STI sets RFLAGS.IF; interrupts come after the next instruction.
func STI() Ins { return ins("STI") }

// CLD clears RFLAGS.DF.
func CLD() Ins { return ins("CLD") }

// STD sets RFLAGS.DF.
func STD() Ins { return ins("STD") }

// CLC clears CF.
func CLC() Ins { return ins("CLC") }

// STC sets CF.
func STC() Ins { return ins("STC") }

// STAC sets RFLAGS.AC: the kernel may touch user memory (SMAP).
func STAC() Ins { return ins("STAC") }

// CLAC clears RFLAGS.AC.
func CLAC() Ins { return ins("CLAC") }

// RDMSR reads MSR ECX into EDX:EAX.
func RDMSR() Ins { return ins("RDMSR") }

// WRMSR writes EDX:EAX to MSR ECX.
func WRMSR() Ins { return ins("WRMSR") }

// RDTSC reads the time-stamp counter into EDX:EAX.
func RDTSC() Ins { return ins("RDTSC") }

// RDPMC reads performance counter ECX into EDX:EAX.
func RDPMC() Ins { return ins("RDPMC") }

// CPUID reads leaf EAX, subleaf ECX into EAX, EBX, ECX, EDX.
func CPUID() Ins { return ins("CPUID") }

// LFENCE waits until all earlier instructions are done.
func LFENCE() Ins { return ins("LFENCE") }

// MFENCE orders all loads and stores.
func MFENCE() Ins { return ins("MFENCE") }

// PAUSE tells the CPU that this is a spin loop.
func PAUSE() Ins { return ins("PAUSE") }

// UD2 raises #UD.
func UD2() Ins { return ins("UD2") }

// FNINIT resets the x87 unit.
func FNINIT() Ins { return ins("FNINIT") }

// INB reads a byte from port DX into AL.
func INB() Ins { return ins("INB") }

// INL reads 32 bits from port DX into EAX.
func INL() Ins { return ins("INL") }

// OUTB writes AL to port DX.
func OUTB() Ins { return ins("OUTB") }

// OUTL writes EAX to port DX.
func OUTL() Ins { return ins("OUTL") }

// MOVSB copies a byte from (RSI) to (RDI) and moves both on.
func MOVSB() Ins { return ins("MOVSB") }

// MOVSL copies 4 bytes from (RSI) to (RDI) and moves both on.
func MOVSL() Ins { return ins("MOVSL") }

// MOVSQ copies 8 bytes from (RSI) to (RDI) and moves both on.
func MOVSQ() Ins { return ins("MOVSQ") }

// STOSB stores AL at (RDI) and moves on.
func STOSB() Ins { return ins("STOSB") }

// STOSL stores EAX at (RDI) and moves on.
func STOSL() Ins { return ins("STOSL") }

// STOSQ stores RAX at (RDI) and moves on.
func STOSQ() Ins { return ins("STOSQ") }

// OUTSB writes the byte at (RSI) to port DX and moves on.
func OUTSB() Ins { return ins("OUTSB") }

// LODSB loads AL from (RSI) and moves on.
func LODSB() Ins { return ins("LODSB") }

// CMPSB compares (RSI) with (RDI) and moves both on.
func CMPSB() Ins { return ins("CMPSB") }

// LGDT loads GDTR from memory (10 bytes; 6 in 32-bit code).
func LGDT(src any) Ins { return ins("LGDT", src) }

// LIDT loads IDTR from memory (10 bytes; 6 in 32-bit code).
func LIDT(src any) Ins { return ins("LIDT", src) }

// LTR loads the task register.
func LTR(src any) Ins { return ins("LTR", src) }

// INVLPG drops the TLB entry of an address.
func INVLPG(src any) Ins { return ins("INVLPG", src) }

// VERW verifies a segment for writing; flushes CPU buffers where the MDS microcode is loaded.
func VERW(src any) Ins { return ins("VERW", src) }

// CLFLUSH flushes the cache line of an address.
func CLFLUSH(dst any) Ins { return ins("CLFLUSH", dst) }

// FXSAVE64 stores x87, MMX, SSE state in 512 bytes.
func FXSAVE64(dst any) Ins { return ins("FXSAVE64", dst) }

// FXRSTOR64 loads x87, MMX, SSE state from 512 bytes.
func FXRSTOR64(src any) Ins { return ins("FXRSTOR64", src) }

// RDRANDQ puts a random number in dst; CF is 0 if there is none yet.
func RDRANDQ(dst any) Ins { return ins("RDRANDQ", dst) }

// RETFL pops EIP and CS.
func RETFL() Ins { return ins("RETFL") }

// SYSRETQ returns to 64-bit ring 3: RIP from RCX, RFLAGS from R11 (SDM volume 2, SYSRET).
func SYSRETQ() Ins { return ins("SYSRETQ") }

// SYSRETL returns to 32-bit ring 3: EIP from ECX, RFLAGS from R11 (SDM volume 2, SYSRET).
func SYSRETL() Ins { return ins("SYSRETL") }

// INT3 raises #BP by the one-byte form.
func INT3() Ins { return ins("INT3") }

// ENDBR64 marks a target of indirect branches.
func ENDBR64() Ins { return ins("ENDBR64") }

// NOP does nothing.
func NOP() Ins { return ins("NOP") }
