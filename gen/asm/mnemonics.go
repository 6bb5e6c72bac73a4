package asm

// The mnemonics, with the field's names: AT&T's width suffixes, source operand first
// except for CMP, Intel's condition codes. The constraints of kinds.go say what an
// operand may be; the assembler checks which registers it may be.
//
// They are not inlined: with what they do to their operands copied into each listing,
// the program was two megabytes larger, and no faster.

// ADDQ adds src to dst.
//
//go:noinline
func ADDQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ADDQ", src, dst) }

// ADDL adds src to dst.
//
//go:noinline
func ADDL[S Operand, D RegMem](src S, dst D) Ins { return ins("ADDL", src, dst) }

// ADDB adds src to dst.
//
//go:noinline
func ADDB[S Operand, D RegMem](src S, dst D) Ins { return ins("ADDB", src, dst) }

// SUBQ subtracts src from dst.
//
//go:noinline
func SUBQ[S Operand, D RegMem](src S, dst D) Ins { return ins("SUBQ", src, dst) }

// SUBL subtracts src from dst.
//
//go:noinline
func SUBL[S Operand, D RegMem](src S, dst D) Ins { return ins("SUBL", src, dst) }

// ANDQ masks dst with src.
//
//go:noinline
func ANDQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDQ", src, dst) }

// ANDL masks dst with src.
//
//go:noinline
func ANDL[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDL", src, dst) }

// ANDW masks dst with src.
//
//go:noinline
func ANDW[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDW", src, dst) }

// ANDB masks dst with src.
//
//go:noinline
func ANDB[S Operand, D RegMem](src S, dst D) Ins { return ins("ANDB", src, dst) }

// ORQ sets the bits of src in dst.
//
//go:noinline
func ORQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ORQ", src, dst) }

// ORL sets the bits of src in dst.
//
//go:noinline
func ORL[S Operand, D RegMem](src S, dst D) Ins { return ins("ORL", src, dst) }

// ORB sets the bits of src in dst.
//
//go:noinline
func ORB[S Operand, D RegMem](src S, dst D) Ins { return ins("ORB", src, dst) }

// XORQ flips the bits of src in dst.
//
//go:noinline
func XORQ[S Operand, D RegMem](src S, dst D) Ins { return ins("XORQ", src, dst) }

// XORL flips the bits of src in dst.
//
//go:noinline
func XORL[S Operand, D RegMem](src S, dst D) Ins { return ins("XORL", src, dst) }

// ADCQ adds src and CF to dst.
//
//go:noinline
func ADCQ[S Operand, D RegMem](src S, dst D) Ins { return ins("ADCQ", src, dst) }

// SBBQ subtracts src and CF from dst.
//
//go:noinline
func SBBQ[S Operand, D RegMem](src S, dst D) Ins { return ins("SBBQ", src, dst) }

// SBBL subtracts src and CF from dst.
//
//go:noinline
func SBBL[S Operand, D RegMem](src S, dst D) Ins { return ins("SBBL", src, dst) }

// CMPQ compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
//
//go:noinline
func CMPQ[A RegMem, B Operand](a A, b B) Ins { return ins("CMPQ", a, b) }

// CMPL compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
//
//go:noinline
func CMPL[A RegMem, B Operand](a A, b B) Ins { return ins("CMPL", a, b) }

// CMPW compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
//
//go:noinline
func CMPW[A RegMem, B Operand](a A, b B) Ins { return ins("CMPW", a, b) }

// CMPB compares a with b: the flags of a-b, so that CMPQ(RAX, 5), JB jumps if RAX is below 5.
//
//go:noinline
func CMPB[A RegMem, B Operand](a A, b B) Ins { return ins("CMPB", a, b) }

// TESTQ sets the flags of src AND dst.
//
//go:noinline
func TESTQ[S Operand, D RegMem](src S, dst D) Ins { return ins("TESTQ", src, dst) }

// TESTL sets the flags of src AND dst.
//
//go:noinline
func TESTL[S Operand, D RegMem](src S, dst D) Ins { return ins("TESTL", src, dst) }

// TESTB sets the flags of src AND dst.
//
//go:noinline
func TESTB[S Operand, D RegMem](src S, dst D) Ins { return ins("TESTB", src, dst) }

// MOVQ moves src to dst; either may be a general, control or debug register, src a 64-bit immediate if dst is a register.
//
//go:noinline
func MOVQ[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVQ", src, dst) }

// MOVL moves 32 bits; a register dst is zero-extended to 64.
//
//go:noinline
func MOVL[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVL", src, dst) }

// MOVW moves 16 bits; either operand may be a segment register, and a move from one
// clears the rest of dst.
//
//go:noinline
func MOVW[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVW", src, dst) }

// MOVB moves 8 bits.
//
//go:noinline
func MOVB[S Operand, D RegMem](src S, dst D) Ins { return ins("MOVB", src, dst) }

// MOVZBL moves a byte, zero-extended.
//
//go:noinline
func MOVZBL[S RegMem](src S, dst Reg) Ins { return ins("MOVZBL", src, dst) }

// MOVZWL moves 16 bits, zero-extended.
//
//go:noinline
func MOVZWL[S RegMem](src S, dst Reg) Ins { return ins("MOVZWL", src, dst) }

// MOVSBQ moves a byte, sign-extended.
//
//go:noinline
func MOVSBQ[S RegMem](src S, dst Reg) Ins { return ins("MOVSBQ", src, dst) }

// MOVSLQ moves 32 bits, sign-extended.
//
//go:noinline
func MOVSLQ[S RegMem](src S, dst Reg) Ins { return ins("MOVSLQ", src, dst) }

// LEAQ puts the address of src in dst.
//
//go:noinline
func LEAQ(src Mem, dst Reg) Ins { return ins("LEAQ", src, dst) }

// LEAL puts the low 32 bits of the address of src in dst.
//
//go:noinline
func LEAL(src Mem, dst Reg) Ins { return ins("LEAL", src, dst) }

// XCHGQ exchanges a and b; with memory it is locked.
//
//go:noinline
func XCHGQ[A, B RegMem](a A, b B) Ins { return ins("XCHGQ", a, b) }

// IMULQ multiplies dst by src, signed.
//
//go:noinline
func IMULQ[S Operand](src S, dst Reg) Ins { return ins("IMULQ", src, dst) }

// IMULL multiplies dst by src, signed.
//
//go:noinline
func IMULL[S Operand](src S, dst Reg) Ins { return ins("IMULL", src, dst) }

// MULQ multiplies RAX by src into RDX:RAX, unsigned.
//
//go:noinline
func MULQ[S RegMem](src S) Ins { return ins("MULQ", src) }

// DIVQ divides RDX:RAX by src, unsigned: quotient in RAX, rest in RDX.
//
//go:noinline
func DIVQ[S RegMem](src S) Ins { return ins("DIVQ", src) }

// DIVL divides RDX:RAX by src, unsigned: quotient in RAX, rest in RDX.
//
//go:noinline
func DIVL[S RegMem](src S) Ins { return ins("DIVL", src) }

// IDIVQ divides RDX:RAX by src, signed: quotient in RAX, rest in RDX.
//
//go:noinline
func IDIVQ[S RegMem](src S) Ins { return ins("IDIVQ", src) }

// NEGQ negates dst.
//
//go:noinline
func NEGQ[D RegMem](dst D) Ins { return ins("NEGQ", dst) }

// NEGL negates dst.
//
//go:noinline
func NEGL[D RegMem](dst D) Ins { return ins("NEGL", dst) }

// NOTQ flips every bit of dst.
//
//go:noinline
func NOTQ[D RegMem](dst D) Ins { return ins("NOTQ", dst) }

// NOTL flips every bit of dst.
//
//go:noinline
func NOTL[D RegMem](dst D) Ins { return ins("NOTL", dst) }

// INCQ adds 1 to dst, CF is kept.
//
//go:noinline
func INCQ[D RegMem](dst D) Ins { return ins("INCQ", dst) }

// INCL adds 1 to dst, CF is kept.
//
//go:noinline
func INCL[D RegMem](dst D) Ins { return ins("INCL", dst) }

// DECQ subtracts 1 from dst, CF is kept.
//
//go:noinline
func DECQ[D RegMem](dst D) Ins { return ins("DECQ", dst) }

// DECL subtracts 1 from dst, CF is kept.
//
//go:noinline
func DECL[D RegMem](dst D) Ins { return ins("DECL", dst) }

// SHLQ shifts dst left by an immediate or by CL.
//
//go:noinline
func SHLQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHLQ", src, dst) }

// SHLL shifts dst left by an immediate or by CL.
//
//go:noinline
func SHLL[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHLL", src, dst) }

// SHRQ shifts dst right, zeros come in.
//
//go:noinline
func SHRQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHRQ", src, dst) }

// RORL rotates dst right.
//
//go:noinline
func RORL(src, dst any) Ins { return ins("RORL", src, dst) }

// SHRL shifts dst right, zeros come in.
//
//go:noinline
func SHRL[S RegImm, D RegMem](src S, dst D) Ins { return ins("SHRL", src, dst) }

// SARQ shifts dst right, the sign comes in.
//
//go:noinline
func SARQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("SARQ", src, dst) }

// SARL shifts dst right, the sign comes in.
//
//go:noinline
func SARL[S RegImm, D RegMem](src S, dst D) Ins { return ins("SARL", src, dst) }

// ROLQ rotates dst left.
//
//go:noinline
func ROLQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("ROLQ", src, dst) }

// BTQ copies bit src of dst to CF.
//
//go:noinline
func BTQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTQ", src, dst) }

// BTL copies bit src of dst to CF.
//
//go:noinline
func BTL[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTL", src, dst) }

// BTSQ copies bit src of dst to CF and sets it.
//
//go:noinline
func BTSQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTSQ", src, dst) }

// BTRQ copies bit src of dst to CF and clears it.
//
//go:noinline
func BTRQ[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTRQ", src, dst) }

// BTRL copies bit src of dst to CF and clears it.
//
//go:noinline
func BTRL[S RegImm, D RegMem](src S, dst D) Ins { return ins("BTRL", src, dst) }

// BSFQ puts the number of the lowest set bit of src in dst; ZF if there is none.
//
//go:noinline
func BSFQ[S RegMem](src S, dst Reg) Ins { return ins("BSFQ", src, dst) }

// CQO sign-extends RAX into RDX:RAX.
//
//go:noinline
func CQO() Ins { return ins("CQO") }

// PUSHQ pushes a register, memory, or a sign-extended immediate.
//
//go:noinline
func PUSHQ[S Operand](src S) Ins { return ins("PUSHQ", src) }

// POPQ pops into a register or memory.
//
//go:noinline
func POPQ[D RegMem](dst D) Ins { return ins("POPQ", dst) }

// PUSHL pushes 32 bits; 32-bit code only.
//
//go:noinline
func PUSHL[S Operand](src S) Ins { return ins("PUSHL", src) }

// POPL pops 32 bits; 32-bit code only.
//
//go:noinline
func POPL[D RegMem](dst D) Ins { return ins("POPL", dst) }

// PUSHFQ pushes RFLAGS.
//
//go:noinline
func PUSHFQ() Ins { return ins("PUSHFQ") }

// POPFQ pops RFLAGS.
//
//go:noinline
func POPFQ() Ins { return ins("POPFQ") }

// JB jumps to a label or function if below (unsigned), CF=1.
//
//go:noinline
func JB[T Label](target T) Ins { return ins("JB", target) }

// JAE jumps to a label or function if above or equal (unsigned), CF=0.
//
//go:noinline
func JAE[T Label](target T) Ins { return ins("JAE", target) }

// JE jumps to a label or function if equal, ZF=1.
//
//go:noinline
func JE[T Label](target T) Ins { return ins("JE", target) }

// JNE jumps to a label or function if not equal, ZF=0.
//
//go:noinline
func JNE[T Label](target T) Ins { return ins("JNE", target) }

// JBE jumps to a label or function if below or equal (unsigned).
//
//go:noinline
func JBE[T Label](target T) Ins { return ins("JBE", target) }

// JA jumps to a label or function if above (unsigned).
//
//go:noinline
func JA[T Label](target T) Ins { return ins("JA", target) }

// JS jumps to a label or function if negative, SF=1.
//
//go:noinline
func JS[T Label](target T) Ins { return ins("JS", target) }

// JNS jumps to a label or function if not negative, SF=0.
//
//go:noinline
func JNS[T Label](target T) Ins { return ins("JNS", target) }

// JG jumps to a label or function if greater (signed).
//
//go:noinline
func JG[T Label](target T) Ins { return ins("JG", target) }

// SETB sets dst to 1 or 0: if below (unsigned), CF=1.
//
//go:noinline
func SETB[D RegMem](dst D) Ins { return ins("SETB", dst) }

// CMOVQB moves 64 bits if below (unsigned), CF=1.
//
//go:noinline
func CMOVQB[S RegMem](src S, dst Reg) Ins { return ins("CMOVQB", src, dst) }

// CMOVQAE moves 64 bits if above or equal (unsigned), CF=0.
//
//go:noinline
func CMOVQAE[S RegMem](src S, dst Reg) Ins { return ins("CMOVQAE", src, dst) }

// SETE sets dst to 1 or 0: if equal, ZF=1.
//
//go:noinline
func SETE[D RegMem](dst D) Ins { return ins("SETE", dst) }

// CMOVQE moves 64 bits if equal, ZF=1.
//
//go:noinline
func CMOVQE[S RegMem](src S, dst Reg) Ins { return ins("CMOVQE", src, dst) }

// SETNE sets dst to 1 or 0: if not equal, ZF=0.
//
//go:noinline
func SETNE[D RegMem](dst D) Ins { return ins("SETNE", dst) }

// CMOVQNE moves 64 bits if not equal, ZF=0.
//
//go:noinline
func CMOVQNE[S RegMem](src S, dst Reg) Ins { return ins("CMOVQNE", src, dst) }

// CMOVQA moves 64 bits if above (unsigned).
//
//go:noinline
func CMOVQA[S RegMem](src S, dst Reg) Ins { return ins("CMOVQA", src, dst) }

// CMOVQL moves 64 bits if less (signed).
//
//go:noinline
func CMOVQL[S RegMem](src S, dst Reg) Ins { return ins("CMOVQL", src, dst) }

// CMOVLL moves 32 bits if less (signed).
//
//go:noinline
func CMOVLL[S RegMem](src S, dst Reg) Ins { return ins("CMOVLL", src, dst) }

// CMOVQG moves 64 bits if greater (signed).
//
//go:noinline
func CMOVQG[S RegMem](src S, dst Reg) Ins { return ins("CMOVQG", src, dst) }

// CMOVLG moves 32 bits if greater (signed).
//
//go:noinline
func CMOVLG[S RegMem](src S, dst Reg) Ins { return ins("CMOVLG", src, dst) }

// JMP jumps to a label, a function, or to the address in a register or in memory.
//
//go:noinline
func JMP[T Target](target T) Ins { return ins("JMP", target) }

// CALL calls a function, a GLOBAL label, or the address in a register or in memory.
//
//go:noinline
func CALL[T Target](target T) Ins { return ins("CALL", target) }

// RET returns; see RETURN for functions with saved registers.
//
//go:noinline
func RET() Ins { return ins("RET") }

// RETN returns and drops n more bytes of the stack: AT&T's ret $n.
//
//go:noinline
func RETN[N Imm](n N) Ins { return ins("RETN", n) }

// INT raises a software interrupt.
//
//go:noinline
func INT[N Imm](vector N) Ins { return ins("INT", vector) }

// SYSCALL enters the kernel (SDM volume 2, SYSCALL).
//
//go:noinline
func SYSCALL() Ins { return ins("SYSCALL") }

// SWAPGS exchanges the GS base with MSR_KERNEL_GS_BASE.
//
//go:noinline
func SWAPGS() Ins { return ins("SWAPGS") }

// IRETQ pops RIP, CS, RFLAGS, RSP and SS.
//
//go:noinline
func IRETQ() Ins { return ins("IRETQ") }

// HLT stops until an interrupt.
//
//go:noinline
func HLT() Ins { return ins("HLT") }

// CLI clears RFLAGS.IF.
//
//go:noinline
func CLI() Ins { return ins("CLI") }

// STI sets RFLAGS.IF; interrupts come after the next instruction.
//
//go:noinline
func STI() Ins { return ins("STI") }

// CLD clears RFLAGS.DF.
//
//go:noinline
func CLD() Ins { return ins("CLD") }

// STD sets RFLAGS.DF.
//
//go:noinline
func STD() Ins { return ins("STD") }

// CLC clears CF.
//
//go:noinline
func CLC() Ins { return ins("CLC") }

// STC sets CF.
//
//go:noinline
func STC() Ins { return ins("STC") }

// STAC sets RFLAGS.AC: the kernel may touch user memory (SMAP).
//
//go:noinline
func STAC() Ins { return ins("STAC") }

// CLAC clears RFLAGS.AC.
//
//go:noinline
func CLAC() Ins { return ins("CLAC") }

// RDMSR reads MSR ECX into EDX:EAX.
//
//go:noinline
func RDMSR() Ins { return ins("RDMSR") }

// WRMSR writes EDX:EAX to MSR ECX.
//
//go:noinline
func WRMSR() Ins { return ins("WRMSR") }

// RDTSC reads the time-stamp counter into EDX:EAX.
//
//go:noinline
func RDTSC() Ins { return ins("RDTSC") }

// RDPMC reads performance counter ECX into EDX:EAX.
//
//go:noinline
func RDPMC() Ins { return ins("RDPMC") }

// CPUID reads leaf EAX, subleaf ECX into EAX, EBX, ECX, EDX.
//
//go:noinline
func CPUID() Ins { return ins("CPUID") }

// LFENCE waits until all earlier instructions are done.
//
//go:noinline
func LFENCE() Ins { return ins("LFENCE") }

// MFENCE orders all loads and stores.
//
//go:noinline
func MFENCE() Ins { return ins("MFENCE") }

// PAUSE tells the CPU that this is a spin loop.
//
//go:noinline
func PAUSE() Ins { return ins("PAUSE") }

// UD2 raises #UD.
//
//go:noinline
func UD2() Ins { return ins("UD2") }

// FNINIT resets the x87 unit.
//
//go:noinline
func FNINIT() Ins { return ins("FNINIT") }

// INB reads a byte from port DX into AL.
//
//go:noinline
func INB() Ins { return ins("INB") }

// INL reads 32 bits from port DX into EAX.
//
//go:noinline
func INL() Ins { return ins("INL") }

// OUTB writes AL to port DX.
//
//go:noinline
func OUTB() Ins { return ins("OUTB") }

// OUTL writes EAX to port DX.
//
//go:noinline
func OUTL() Ins { return ins("OUTL") }

// MOVSB copies a byte from (RSI) to (RDI) and moves both on.
//
//go:noinline
func MOVSB() Ins { return ins("MOVSB") }

// MOVSL copies 4 bytes from (RSI) to (RDI) and moves both on.
//
//go:noinline
func MOVSL() Ins { return ins("MOVSL") }

// MOVSQ copies 8 bytes from (RSI) to (RDI) and moves both on.
//
//go:noinline
func MOVSQ() Ins { return ins("MOVSQ") }

// STOSB stores AL at (RDI) and moves on.
//
//go:noinline
func STOSB() Ins { return ins("STOSB") }

// STOSL stores EAX at (RDI) and moves on.
//
//go:noinline
func STOSL() Ins { return ins("STOSL") }

// STOSQ stores RAX at (RDI) and moves on.
//
//go:noinline
func STOSQ() Ins { return ins("STOSQ") }

// OUTSB writes the byte at (RSI) to port DX and moves on.
//
//go:noinline
func OUTSB() Ins { return ins("OUTSB") }

// LODSB loads AL from (RSI) and moves on.
//
//go:noinline
func LODSB() Ins { return ins("LODSB") }

// CMPSB compares (RSI) with (RDI) and moves both on.
//
//go:noinline
func CMPSB() Ins { return ins("CMPSB") }

// LGDT loads GDTR from memory (10 bytes; 6 in 32-bit code).
//
//go:noinline
func LGDT(src Mem) Ins { return ins("LGDT", src) }

// LIDT loads IDTR from memory (10 bytes; 6 in 32-bit code).
//
//go:noinline
func LIDT(src Mem) Ins { return ins("LIDT", src) }

// SGDT stores GDTR to memory (10 bytes; 6 in 32-bit code).
//
//go:noinline
func SGDT(dst Mem) Ins { return ins("SGDT", dst) }

// SIDT stores IDTR to memory (10 bytes; 6 in 32-bit code).
//
//go:noinline
func SIDT(dst Mem) Ins { return ins("SIDT", dst) }

// STR stores the task register to memory (2 bytes).
//
//go:noinline
func STR(dst Mem) Ins { return ins("STR", dst) }

// LTR loads the task register.
//
//go:noinline
func LTR[S RegMem](src S) Ins { return ins("LTR", src) }

// LLDT loads the local descriptor table register; a null selector makes it empty.
func LLDT[S RegMem](src S) Ins { return ins("LLDT", src) }

// INVLPG drops the TLB entry of an address.
//
//go:noinline
func INVLPG(src Mem) Ins { return ins("INVLPG", src) }

// VERW verifies a segment for writing; flushes CPU buffers where the MDS microcode is loaded.
//
//go:noinline
func VERW[S RegMem](src S) Ins { return ins("VERW", src) }

// CLFLUSH flushes the cache line of an address.
//
//go:noinline
func CLFLUSH(dst Mem) Ins { return ins("CLFLUSH", dst) }

// FXSAVE64 stores x87, MMX, SSE state in 512 bytes.
//
//go:noinline
func FXSAVE64(dst Mem) Ins { return ins("FXSAVE64", dst) }

// FXRSTOR64 loads x87, MMX, SSE state from 512 bytes.
//
//go:noinline
func FXRSTOR64(src Mem) Ins { return ins("FXRSTOR64", src) }

// RDRANDQ puts a random number in dst; CF is 0 if there is none yet.
//
//go:noinline
func RDRANDQ(dst Reg) Ins { return ins("RDRANDQ", dst) }

// RETFL pops EIP and CS.
//
//go:noinline
func RETFL() Ins { return ins("RETFL") }

// SYSRETQ returns to 64-bit ring 3: RIP from RCX, RFLAGS from R11 (SDM volume 2, SYSRET).
//
//go:noinline
func SYSRETQ() Ins { return ins("SYSRETQ") }

// SYSRETL returns to 32-bit ring 3: EIP from ECX, RFLAGS from R11 (SDM volume 2, SYSRET).
//
//go:noinline
func SYSRETL() Ins { return ins("SYSRETL") }

// INT3 raises #BP by the one-byte form.
//
//go:noinline
func INT3() Ins { return ins("INT3") }

// ERETU returns by FRED to ring 3, from the frame that RSP is at (Intel, Flexible Return
// and Event Delivery, ERETU).
func ERETU() Ins { return ins("ERETU") }

// ERETS returns by FRED to ring 0, from the frame that RSP is at (Intel, Flexible Return
// and Event Delivery, ERETS).
func ERETS() Ins { return ins("ERETS") }

// RDGSBASEQ reads the GS base; #UD without CR4.FSGSBASE (SDM volume 2, RDFSBASE/RDGSBASE).
func RDGSBASEQ(dst Reg) Ins { return ins("RDGSBASEQ", dst) }

// WRGSBASEQ sets the GS base; #UD without CR4.FSGSBASE (SDM volume 2, WRFSBASE/WRGSBASE).
func WRGSBASEQ(src Reg) Ins { return ins("WRGSBASEQ", src) }

// LKGS loads GS as MOVW does, but with the base in MSR_KERNEL_GS_BASE: it is ring 3's
// that changes (Intel, Flexible Return and Event Delivery, LKGS).
func LKGS(src Reg) Ins { return ins("LKGS", src) }

// ENDBR64 marks a target of indirect branches.
//
//go:noinline
func ENDBR64() Ins { return ins("ENDBR64") }

// NOP does nothing.
//
//go:noinline
func NOP() Ins { return ins("NOP") }
