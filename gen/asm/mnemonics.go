package asm

// The mnemonics, with the field's names: AT&T's width suffixes, source operand first
// except for CMP, Intel's condition codes. The constraints of kinds.go say what an
// operand may be; the assembler checks which registers it may be.

// ADDQ adds src to dst.
func ADDQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ADDQ", src, dst) }

// ADDL adds src to dst.
func ADDL[S Operand, D RegMem](src S, dst D) Ins { return ins("ADDL", src, dst) }

// ADDB adds src to dst.
func ADDB[S Operand, D RegMem](src S, dst D) Ins { return ins("ADDB", src, dst) }

// SUBQ subtracts src from dst.
func SUBQ[S Operand, D RegMem](src S, dst D) Ins { return ins("SUBQ", src, dst) }

// SUBL subtracts src from dst.
func SUBL[S Operand, D RegMem](src S, dst D) Ins { return ins("SUBL", src, dst) }

// ANDQ masks dst with src.
func ANDQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDQ", src, dst) }

// ANDL masks dst with src.
func ANDL[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDL", src, dst) }

// ANDW masks dst with src.
func ANDW[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDW", src, dst) }

// ANDB masks dst with src.
func ANDB[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDB", src, dst) }

// ORQ sets the bits of src in dst.
func ORQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ORQ", src, dst) }

// ORL sets the bits of src in dst.
func ORL[S Operand, D RegMem](src S, dst D) Ins { return ins("ORL", src, dst) }

// ORB sets the bits of src in dst.
func ORB[S Operand, D RegMem](src S, dst D) Ins { return ins("ORB", src, dst) }

// XORQ flips the bits of src in dst.
func XORQ[S Operand, D RegMem](src S, dst D) Ins { return ins("XORQ", src, dst) }

// XORL flips the bits of src in dst.
func XORL[S Operand, D RegMem](src S, dst D) Ins { return ins("XORL", src, dst) }

// ADCQ adds src and CF to dst.
func ADCQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ADCQ", src, dst) }

// SBBQ subtracts src and CF from dst.
func SBBQ[S Operand, D RegMem](src S, dst D) Ins { return ins("SBBQ", src, dst) }

// SBBL subtracts src and CF from dst.
func SBBL[S Operand, D RegMem](src S, dst D) Ins { return ins("SBBL", src, dst) }

// CMPQ compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPQ[A RegMem, B Operand](a A, b B) Ins { return ins("CMPQ", a, b) }

// CMPL compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPL[A RegMem, B Operand](a A, b B) Ins { return ins("CMPL", a, b) }

// CMPW compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPW[A RegMem, B Operand](a A, b B) Ins { return ins("CMPW", a, b) }

// CMPB compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
func CMPB[A RegMem, B Operand](a A, b B) Ins { return ins("CMPB", a, b) }

// TESTQ sets the flags of src AND dst.
func TESTQ[S Operand, D RegMem](src S, dst D) Ins { return ins("TESTQ", src, dst) }

// TESTL sets the flags of src AND dst.
func TESTL[S Operand, D RegMem](src S, dst D) Ins { return ins("TESTL", src, dst) }

// TESTB sets the flags of src AND dst.
func TESTB[S Operand, D RegMem](src S, dst D) Ins { return ins("TESTB", src, dst) }

// MOVQ moves src to dst; either may be a general, control or debug register, src a 64-bit immediate if dst is a register.
func MOVQ[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVQ", src, dst) }

// MOVL moves 32 bits; a register dst is zero-extended to 64.
func MOVL[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVL", src, dst) }

// MOVW moves 16 bits; either operand may be a segment register, and a move from one
// clears the rest of dst.
func MOVW[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVW", src, dst) }

// MOVB moves 8 bits.
func MOVB[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVB", src, dst) }

// MOVZBL moves a byte, zero-extended.
func MOVZBL[S RegMem](src S, dst Reg) Ins { return ins("MOVZBL", src, dst) }

// MOVZWL moves 16 bits, zero-extended.
func MOVZWL[S RegMem](src S, dst Reg) Ins { return ins("MOVZWL", src, dst) }

// MOVSBQ moves a byte, sign-extended.
func MOVSBQ[S RegMem](src S, dst Reg) Ins { return ins("MOVSBQ", src, dst) }

// MOVSLQ moves 32 bits, sign-extended.
func MOVSLQ[S RegMem](src S, dst Reg) Ins { return ins("MOVSLQ", src, dst) }

// LEAQ puts the address of src in dst.
func LEAQ(src Mem, dst Reg) Ins { return ins("LEAQ", src, dst) }

// LEAL puts the low 32 bits of the address of src in dst.
func LEAL(src Mem, dst Reg) Ins { return ins("LEAL", src, dst) }

// XCHGQ exchanges a and b; with memory it is locked.
func XCHGQ[A, B RegMem](a A, b B) Ins { return ins("XCHGQ", a, b) }

// IMULQ multiplies dst by src, signed.
func IMULQ[S Operand](src S, dst Reg) Ins { return ins("IMULQ", src, dst) }

// IMULL multiplies dst by src, signed.
func IMULL[S Operand](src S, dst Reg) Ins { return ins("IMULL", src, dst) }

// MULQ multiplies RAX by src into RDX:RAX, unsigned.
func MULQ[S RegMem](src S) Ins { return ins("MULQ", src) }

// DIVQ divides RDX:RAX by src, unsigned: quotient in RAX, rest in RDX.
func DIVQ[S RegMem](src S) Ins { return ins("DIVQ", src) }

// DIVL divides RDX:RAX by src, unsigned: quotient in RAX, rest in RDX.
func DIVL[S RegMem](src S) Ins { return ins("DIVL", src) }

// IDIVQ divides RDX:RAX by src, signed: quotient in RAX, rest in RDX.
func IDIVQ[S RegMem](src S) Ins { return ins("IDIVQ", src) }

// NEGQ negates dst.
func NEGQ[D RegMem](dst D) Ins { return ins("NEGQ", dst) }

// NEGL negates dst.
func NEGL[D RegMem](dst D) Ins { return ins("NEGL", dst) }

// NOTQ flips every bit of dst.
func NOTQ[D RegMem](dst D) Ins { return ins("NOTQ", dst) }

// NOTL flips every bit of dst.
func NOTL[D RegMem](dst D) Ins { return ins("NOTL", dst) }

// INCQ adds 1 to dst, CF is kept.
func INCQ[D RegMem](dst D) Ins { return ins("INCQ", dst) }

// INCL adds 1 to dst, CF is kept.
func INCL[D RegMem](dst D) Ins { return ins("INCL", dst) }

// DECQ subtracts 1 from dst, CF is kept.
func DECQ[D RegMem](dst D) Ins { return ins("DECQ", dst) }

// DECL subtracts 1 from dst, CF is kept.
func DECL[D RegMem](dst D) Ins { return ins("DECL", dst) }

// SHLQ shifts dst left by an immediate or by CL.
func SHLQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHLQ", src, dst) }

// SHLL shifts dst left by an immediate or by CL.
func SHLL[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHLL", src, dst) }

// SHRQ shifts dst right, zeros come in.
func SHRQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHRQ", src, dst) }

// RORL rotates dst right.
func RORL(src, dst any) Ins { return ins("RORL", src, dst) }

// SHRL shifts dst right, zeros come in.
func SHRL[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHRL", src, dst) }

// SARQ shifts dst right, the sign comes in.
func SARQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("SARQ", src, dst) }

// SARL shifts dst right, the sign comes in.
func SARL[S RegImm, D RegMem](src S, dst D) Ins { return ins("SARL", src, dst) }

// ROLQ rotates dst left.
func ROLQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("ROLQ", src, dst) }

// BTQ copies bit src of dst to CF.
func BTQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTQ", src, dst) }

// BTL copies bit src of dst to CF.
func BTL[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTL", src, dst) }

// BTSQ copies bit src of dst to CF and sets it.
func BTSQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTSQ", src, dst) }

// BTRQ copies bit src of dst to CF and clears it.
func BTRQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTRQ", src, dst) }

// BTRL copies bit src of dst to CF and clears it.
func BTRL[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTRL", src, dst) }

// BSFQ puts the number of the lowest set bit of src in dst; ZF if there is none.
func BSFQ[S RegMem](src S, dst Reg) Ins { return ins("BSFQ", src, dst) }

// CQO sign-extends RAX into RDX:RAX.
func CQO() Ins { return ins("CQO") }

// PUSHQ pushes a register, memory, or a sign-extended immediate.
func PUSHQ[S Operand](src S) Ins { return ins("PUSHQ", src) }

// POPQ pops into a register or memory.
func POPQ[D RegMem](dst D) Ins { return ins("POPQ", dst) }

// PUSHL pushes 32 bits; 32-bit code only.
func PUSHL[S Operand](src S) Ins { return ins("PUSHL", src) }

// POPL pops 32 bits; 32-bit code only.
func POPL[D RegMem](dst D) Ins { return ins("POPL", dst) }

// PUSHFQ pushes RFLAGS.
func PUSHFQ() Ins { return ins("PUSHFQ") }

// POPFQ pops RFLAGS.
func POPFQ() Ins { return ins("POPFQ") }

// JB jumps to a label or function if below (unsigned), CF=1.
func JB[T Label](target T) Ins { return ins("JB", target) }

// JAE jumps to a label or function if above or equal (unsigned), CF=0.
func JAE[T Label](target T) Ins { return ins("JAE", target) }

// JE jumps to a label or function if equal, ZF=1.
func JE[T Label](target T) Ins { return ins("JE", target) }

// JNE jumps to a label or function if not equal, ZF=0.
func JNE[T Label](target T) Ins { return ins("JNE", target) }

// JBE jumps to a label or function if below or equal (unsigned).
func JBE[T Label](target T) Ins { return ins("JBE", target) }

// JA jumps to a label or function if above (unsigned).
func JA[T Label](target T) Ins { return ins("JA", target) }

// JS jumps to a label or function if negative, SF=1.
func JS[T Label](target T) Ins { return ins("JS", target) }

// JNS jumps to a label or function if not negative, SF=0.
func JNS[T Label](target T) Ins { return ins("JNS", target) }

// JG jumps to a label or function if greater (signed).
func JG[T Label](target T) Ins { return ins("JG", target) }

// SETB sets dst to 1 or 0: if below (unsigned), CF=1.
func SETB[D RegMem](dst D) Ins { return ins("SETB", dst) }

// CMOVQB moves 64 bits if below (unsigned), CF=1.
func CMOVQB[S RegMem](src S, dst Reg) Ins { return ins("CMOVQB", src, dst) }

// CMOVQAE moves 64 bits if above or equal (unsigned), CF=0.
func CMOVQAE[S RegMem](src S, dst Reg) Ins { return ins("CMOVQAE", src, dst) }

// SETE sets dst to 1 or 0: if equal, ZF=1.
func SETE[D RegMem](dst D) Ins { return ins("SETE", dst) }

// CMOVQE moves 64 bits if equal, ZF=1.
func CMOVQE[S RegMem](src S, dst Reg) Ins { return ins("CMOVQE", src, dst) }

// SETNE sets dst to 1 or 0: if not equal, ZF=0.
func SETNE[D RegMem](dst D) Ins { return ins("SETNE", dst) }

// CMOVQNE moves 64 bits if not equal, ZF=0.
func CMOVQNE[S RegMem](src S, dst Reg) Ins { return ins("CMOVQNE", src, dst) }

// CMOVQA moves 64 bits if above (unsigned).
func CMOVQA[S RegMem](src S, dst Reg) Ins { return ins("CMOVQA", src, dst) }

// CMOVQL moves 64 bits if less (signed).
func CMOVQL[S RegMem](src S, dst Reg) Ins { return ins("CMOVQL", src, dst) }

// CMOVLL moves 32 bits if less (signed).
func CMOVLL[S RegMem](src S, dst Reg) Ins { return ins("CMOVLL", src, dst) }

// CMOVQG moves 64 bits if greater (signed).
func CMOVQG[S RegMem](src S, dst Reg) Ins { return ins("CMOVQG", src, dst) }

// CMOVLG moves 32 bits if greater (signed).
func CMOVLG[S RegMem](src S, dst Reg) Ins { return ins("CMOVLG", src, dst) }

// JMP jumps to a label, a function, or to the address in a register or in memory.
func JMP[T Target](target T) Ins { return ins("JMP", target) }

// CALL calls a function, a GLOBAL label, or the address in a register or in memory.
func CALL[T Target](target T) Ins { return ins("CALL", target) }

// RET returns; see RETURN for functions with saved registers.
func RET() Ins { return ins("RET") }

// RETN returns and drops n more bytes of the stack: AT&T's ret $n.
func RETN[N Imm](n N) Ins { return ins("RETN", n) }

// INT raises a software interrupt.
func INT[N Imm](vector N) Ins { return ins("INT", vector) }

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
func LGDT(src Mem) Ins { return ins("LGDT", src) }

// LIDT loads IDTR from memory (10 bytes; 6 in 32-bit code).
func LIDT(src Mem) Ins { return ins("LIDT", src) }

// LTR loads the task register.
func LTR[S RegMem](src S) Ins { return ins("LTR", src) }

// INVLPG drops the TLB entry of an address.
func INVLPG(src Mem) Ins { return ins("INVLPG", src) }

// VERW verifies a segment for writing; flushes CPU buffers where the MDS microcode is loaded.
func VERW[S RegMem](src S) Ins { return ins("VERW", src) }

// CLFLUSH flushes the cache line of an address.
func CLFLUSH(dst Mem) Ins { return ins("CLFLUSH", dst) }

// FXSAVE64 stores x87, MMX, SSE state in 512 bytes.
func FXSAVE64(dst Mem) Ins { return ins("FXSAVE64", dst) }

// FXRSTOR64 loads x87, MMX, SSE state from 512 bytes.
func FXRSTOR64(src Mem) Ins { return ins("FXRSTOR64", src) }

// RDRANDQ puts a random number in dst; CF is 0 if there is none yet.
func RDRANDQ(dst Reg) Ins { return ins("RDRANDQ", dst) }

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
