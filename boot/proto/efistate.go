package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// efiState is the state of the CPU and of its interrupt controllers that the firmware
// finds again.
type efiState[T any] struct {
	FX                     [64]T // as FXSAVE64 stores it, at a multiple of 16
	RSP, RBP, R12, Flags   T
	CS, SS, DS, ES, FS, GS T // selectors
	CR0, CR3, CR4          T
	GDTR, IDTR             [2]T // as SGDT stores it
	TR                     T
	APICBase               T // MSR_APIC_BASE
	PIC                    T // the masks of both controllers
	MSR                    [8]T
	APIC                   [9]T
}

// efiMSRs are the MSRs of efiState that the kernel writes.
var efiMSRs = [8]uint32{
	x86.MSR_EFER, x86.MSR_FS_BASE, x86.MSR_GS_BASE, x86.MSR_KERNEL_GS_BASE,
	x86.MSR_STAR, x86.MSR_LSTAR, x86.MSR_CSTAR, x86.MSR_SYSCALL_MASK,
}

// efiAPIC are the registers of the local APIC in efiState, in the order in which they
// get their values back: writing the initial count starts the timer, and an APIC that is
// off masks its entries (SDM volume 3, 11.4.7.2 and 11.5.4).
var efiAPIC = [9]int{
	x86.APIC_TASKPRI, x86.APIC_LVTPC, x86.APIC_LVT0, x86.APIC_LVT1, x86.APIC_LVTERR,
	x86.APIC_TDCR, x86.APIC_LVTT, x86.APIC_TMICT, x86.APIC_SPIV,
}

// efiSaved is where the state is.
var efiSaved = Fields[efiState[Mem]](Sym("efi_state"))

func efiKeep() Func {
	bs, state := Fields[layout.EFIBootServices[Mem]](RBX), efiSaved
	return FUNC("efi_keep",
		`efi_keep continues from efi_main's frame to the kernel, and leaves the firmware in
memory. It saves the state of the CPU.`,
		MOVB(1, params.MemMapCount),
		XORL(RCX, RCX), // no time-out
		XORL(RDX, RDX),
		XORL(R8, R8),
		XORL(R9, R9),
		CALL(bs.SetWatchdogTimer),
		PUSHFQ(),
		POPQ(state.Flags),
		CLI(),
		MOVQ(RSP, state.RSP),
		MOVQ(RBP, state.RBP),
		MOVQ(R12, state.R12),
		func() (b Block) {
			for _, s := range []struct {
				reg Reg
				to  Mem
			}{{CS, state.CS}, {SS, state.SS}, {DS, state.DS}, {ES, state.ES}, {FS, state.FS}, {GS, state.GS}} {
				b = append(b, MOVW(s.reg, RAX), MOVZWL(RAX, RAX), MOVQ(RAX, s.to))
			}
			for _, s := range []struct {
				reg Reg
				to  Mem
			}{{CR0, state.CR0}, {CR3, state.CR3}, {CR4, state.CR4}} {
				b = append(b, MOVQ(s.reg, RAX), MOVQ(RAX, s.to))
			}
			for i, msr := range efiMSRs {
				b = append(b, efiReadMSR(msr, state.MSR[i]))
			}
			return b
		}(),
		SGDT(state.GDTR[0]),
		SIDT(state.IDTR[0]),
		STR(state.TR),
		FXSAVE64(state.FX[0]),
		MOVL(picMask1, RDX),
		INB(),
		MOVB(RAX, state.PIC),
		MOVL(picMask2, RDX),
		INB(),
		MOVB(RAX, state.PIC.Add(1)),
		efiReadMSR(x86.MSR_APIC_BASE, state.APICBase),
		TESTL(x86.MSR_APIC_BASE_X2, RAX),
		IF(E, // registers in memory
			MOVL(uint32(apicAddress), RDI),
			ANDL(RAX, RDI),
			func() (b Block) {
				for i, reg := range efiAPIC {
					b = append(b, MOVL(RDI.At(reg), RAX), MOVQ(RAX, state.APIC[i]))
				}
				return b
			}(),
		).ELSE(
			func() (b Block) {
				for i, reg := range efiAPIC {
					b = append(b, efiReadMSR(x2apic(reg), state.APIC[i]))
				}
				return b
			}(),
		),
		JMP("leave_long_mode"),
	)
}

func efiReturn() Func {
	given, state := Fields[layout.Answer[Mem]](RSI), efiSaved
	return FUNC("efi_return",
		`efi_return is where the kernel ends if the firmware is still there: see
layout.Answer.`,
		CLI(),
		MOVQ(CR4, RAX),
		MOVL(^uint32(x86.CR4_PCIDE|x86.CR4_PGE), RCX),
		ANDQ(RCX, RAX),
		MOVQ(RAX, CR4),
		MOVQ(state.CR3, RAX),
		MOVQ(RAX, CR3),
		MOVQ(state.CR4, RAX),
		MOVQ(RAX, CR4),
		MOVQ(state.CR0, RAX),
		MOVQ(RAX, CR0),
		MOVQ(state.RSP, RSP),
		LGDT(state.GDTR[0]),
		LIDT(state.IDTR[0]),
		func() (b Block) {
			for _, s := range []struct {
				reg  Reg
				from Mem
			}{{DS, state.DS}, {ES, state.ES}, {FS, state.FS}, {GS, state.GS}} {
				b = append(b, MOVL(s.from, RAX), MOVW(RAX, s.reg))
			}
			for i, msr := range efiMSRs { // the bases after the selectors
				b = append(b, efiWriteMSR(msr, state.MSR[i]))
			}
			return b
		}(),
		MOVZWL(state.TR, RAX),
		TESTL(RAX, RAX),
		IF(NE,
			MOVQ(state.GDTR[0].Add(2), RCX),
			ANDB(^2, RCX.Index(RAX, 1).Add(5)), // the TSS is not busy
			LTR(RAX),
		),
		FXRSTOR64(state.FX[0]),
		MOVL(picMask1, RDX),
		MOVL(state.PIC, RAX),
		OUTB(),
		MOVL(picMask2, RDX),
		MOVL(state.PIC.Add(1), RAX),
		OUTB(),
		MOVL(state.APICBase, RAX),
		TESTL(x86.MSR_APIC_BASE_X2, RAX),
		IF(E,
			MOVL(uint32(apicAddress), RDX),
			ANDL(RAX, RDX),
			func() (b Block) {
				for i, reg := range efiAPIC {
					b = append(b, MOVL(state.APIC[i], RAX), MOVL(RAX, RDX.At(reg)))
				}
				return b
			}(),
		).ELSE(
			efiWriteMSR(x86.MSR_APIC_BASE, state.APICBase),
			func() (b Block) {
				for i, reg := range efiAPIC {
					b = append(b, efiWriteMSR(x2apic(reg), state.APIC[i]))
				}
				return b
			}(),
		),
		func() (b Block) {
			for _, f := range [...]struct{ from, to layout.AnswerFile[Mem] }{{given.Console, answer.Console}, {given.Results, answer.Results}} {
				b = append(b, MOVQ(f.from.Len, RAX), MOVQ(RAX, f.to.Len), MOVQ(f.from.Lost, RAX), MOVQ(RAX, f.to.Lost))
			}
			return b
		}(),
		MOVQ(RDI, Sym("efi_end")),
		MOVQ(state.RBP, RBP),
		MOVQ(state.R12, R12),
		LEAQ(Sym("efi_answer"), RAX),
		PUSHQ(state.SS),
		PUSHQ(state.RSP),
		PUSHQ(state.Flags),
		PUSHQ(state.CS),
		PUSHQ(RAX),
		IRETQ(),
	)
}

const (
	picMask1, picMask2 = 0x21, 0xa1
	apicAddress        = 0xffff_f000 // in MSR_APIC_BASE; no PC has it above 4 GiB
)

// x2apic returns the MSR of a register of the local APIC.
func x2apic(reg int) uint32 { return x86.APIC_BASE_MSR + uint32(reg)>>4 }

// efiReadMSR stores an MSR. Its lower half is left in RAX. Clobbers RCX, RDX.
func efiReadMSR(msr uint32, to Mem) Block {
	return Block{MOVL(msr, RCX), RDMSR(), MOVL(RAX, to), MOVL(RDX, to.Add(4))}
}

// efiWriteMSR writes an MSR. Clobbers RAX, RCX, RDX.
func efiWriteMSR(msr uint32, from Mem) Block {
	return Block{MOVL(msr, RCX), MOVL(from, RAX), MOVL(from.Add(4), RDX), WRMSR()}
}
