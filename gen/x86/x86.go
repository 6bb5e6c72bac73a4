// Package x86 holds facts of the architecture, under the names of the manuals
// and of Linux: control-register and flag bits, MSRs, vectors, selectors,
// descriptors. The generator, the stubs and the guest take every such number from
// here.
package x86

// Control-register bits (SDM volume 3, 2.5).
const (
	CR0_PE = 1 << 0
	CR0_MP = 1 << 1
	CR0_EM = 1 << 2
	CR0_TS = 1 << 3
	CR0_ET = 1 << 4
	CR0_NE = 1 << 5
	CR0_WP = 1 << 16
	CR0_AM = 1 << 18
	CR0_PG = 1 << 31

	// X86_CR3_PCID_NOFLUSH_BIT keeps the translations of the PCID that is loaded,
	// if CR4.PCIDE is set (SDM volume 2, MOV to control registers).
	X86_CR3_PCID_NOFLUSH_BIT = 63

	CR4_DE         = 1 << 3
	CR4_PAE        = 1 << 5
	CR4_MCE        = 1 << 6
	CR4_PGE        = 1 << 7
	CR4_PCE        = 1 << 8
	CR4_OSFXSR     = 1 << 9
	CR4_OSXMMEXCPT = 1 << 10
	CR4_LA57       = 1 << 12
	CR4_FSGSBASE   = 1 << 16
	CR4_PCIDE      = 1 << 17
	CR4_SMEP       = 1 << 20
	CR4_SMAP       = 1 << 21
	CR4_CET        = 1 << 23
	CR4_FRED       = 1 << 32 // Intel, Flexible Return and Event Delivery (FRED), "Enumeration and Enabling"
)

// RFLAGS bits (SDM volume 1, 3.4.3).
const (
	X86_EFLAGS_CF    = 1 << 0
	X86_EFLAGS_FIXED = 1 << 1
	X86_EFLAGS_PF    = 1 << 2
	X86_EFLAGS_AF    = 1 << 4
	X86_EFLAGS_ZF    = 1 << 6
	X86_EFLAGS_SF    = 1 << 7
	X86_EFLAGS_TF    = 1 << 8
	X86_EFLAGS_IF    = 1 << 9
	X86_EFLAGS_DF    = 1 << 10
	X86_EFLAGS_OF    = 1 << 11
	X86_EFLAGS_IOPL  = 3 << 12
	X86_EFLAGS_NT    = 1 << 14
	X86_EFLAGS_RF    = 1 << 16
	X86_EFLAGS_AC    = 1 << 18
	X86_EFLAGS_ID    = 1 << 21

	// UserFlags are the bits that a signal frame may set in RFLAGS (Linux
	// arch/x86/kernel/signal.c, FIX_EFLAGS).
	UserFlags = X86_EFLAGS_AC | X86_EFLAGS_OF | X86_EFLAGS_DF | X86_EFLAGS_TF | X86_EFLAGS_SF | X86_EFLAGS_ZF |
		X86_EFLAGS_AF | X86_EFLAGS_PF | X86_EFLAGS_CF | X86_EFLAGS_RF
	// TracedFlags are those that a tracer may set (Linux 3.19 arch/x86/kernel/ptrace.c,
	// FLAG_MASK).
	TracedFlags = UserFlags | X86_EFLAGS_NT
)

// MSRs (SDM volume 4).
const (
	MSR_APIC_BASE       = 0x1b
	MSR_IA32_SPEC_CTRL  = 0x48
	MSR_IA32_PRED_CMD   = 0x49
	MSR_IA32_MCG_CAP    = 0x179
	MSR_IA32_MCG_STATUS = 0x17a
	MSR_IA32_MC0_STATUS = 0x401
	MSR_EFER            = 0xc0000080
	MSR_STAR            = 0xc0000081
	MSR_LSTAR           = 0xc0000082
	MSR_CSTAR           = 0xc0000083
	MSR_SYSCALL_MASK    = 0xc0000084
	MSR_FS_BASE         = 0xc0000100
	MSR_GS_BASE         = 0xc0000101
	MSR_KERNEL_GS_BASE  = 0xc0000102

	EFER_SCE = 1 << 0
	EFER_LME = 1 << 8
	EFER_LMA = 1 << 10
	EFER_NX  = 1 << 11
)

// MSRs of user shadow stacks (SDM volume 1, chapter 17): what is on in ring 3, and ring 3's
// SSP while another ring runs.
const (
	MSR_IA32_U_CET   = 0x6a0
	MSR_IA32_PL3_SSP = 0x6a7

	CET_SHSTK_EN = 1 << 0
)

// Registers of the local APIC, relative to its page (SDM volume 3, table 11-1), and
// bits of MSR_APIC_BASE (11.4.4 and 11.12.1).
const (
	APIC_ID      = 0x20
	APIC_TASKPRI = 0x80
	APIC_EOI     = 0xb0
	APIC_SPIV    = 0xf0
	APIC_ICR     = 0x300
	APIC_ICR2    = 0x310 // its upper half
	APIC_LVTT    = 0x320
	APIC_LVTPC   = 0x340
	APIC_LVT0    = 0x350
	APIC_LVT1    = 0x360
	APIC_LVTERR  = 0x370
	APIC_TMICT   = 0x380
	APIC_TMCCT   = 0x390
	APIC_TDCR    = 0x3e0

	// APIC_BASE_MSR is the first of the MSRs that are the registers in x2APIC mode, one for
	// 16 bytes of the page (11.12.1.2).
	APIC_BASE_MSR = 0x800

	MSR_APIC_BASE_X2     = 1 << 10
	MSR_APIC_BASE_ENABLE = 1 << 11
)

// FRED: events without an IDT, and the returns from them (Intel, Flexible Return and
// Event Delivery, revision 8; Linux 6.18: arch/x86/include/asm/fred.h).
const (
	MSR_IA32_FRED_RSP0    = 0x1cc // RSP of an event in ring 3
	MSR_IA32_FRED_RSP1    = 0x1cd // of an event at stack level 1
	MSR_IA32_FRED_RSP2    = 0x1ce
	MSR_IA32_FRED_RSP3    = 0x1cf
	MSR_IA32_FRED_STKLVLS = 0x1d0 // two bits for each vector: its stack level in ring 0
	MSR_IA32_FRED_CONFIG  = 0x1d4

	// FRED_CONFIG's address is that of the entry from ring 3. That from ring 0 is
	// FREDKernelEntry bytes further.
	FREDEntryAlign  = 4096
	FREDKernelEntry = 256
	// FREDRedZone in FRED_CONFIG are the bytes that an event in ring 0 leaves free
	// below RSP, at the same stack level.
	FREDRedZone = 1 << 6
	// FREDStackAlign is the alignment of the frame, and of the RSP in the MSRs.
	FREDStackAlign = 64

	// Parts of the ss word of the frame. Bits 15 to 0 are the selector, and bits 18 to
	// 16 what the return does besides: bit 18 is set by an NMI, and lets the next one in.
	FREDSSSoftware    = 1 << 17 // SYSCALL, SYSENTER or INT n, which a single-step trap follows
	FREDSSNMI         = 1 << 18
	FREDSSVector      = 32      // the bit at which the vector begins, 8 bits
	FREDSSType        = 48      // the same of the type, 4 bits
	FREDSSLong        = 1 << 57 // the event came in 64-bit code
	FREDSSLength      = 60      // the length of the instruction that made the event, 4 bits
	FREDSyscall       = 1       // the vector of SYSCALL, of type FREDTypeOther
	FREDSyscallLength = 2
	// FREDSyscallSS is the ss word of SYSCALL in 64-bit code.
	FREDSyscallSS = USER_DS | FREDSSSoftware | FREDSyscall<<FREDSSVector | FREDTypeOther<<FREDSSType | FREDSSLong | FREDSyscallLength<<FREDSSLength

	// Types of events.
	FREDTypeInterrupt   = 0 // by a device
	FREDTypeNMI         = 2
	FREDTypeException   = 3
	FREDTypeSoftware    = 4 // INT n
	FREDTypePrivileged  = 5 // INT1
	FREDTypeSoftwareExc = 6 // INT3 and INTO
	FREDTypeOther       = 7 // SYSCALL and SYSENTER
)

// CPUID leaf 7, subleaf 1, EAX bits (Intel, Flexible Return and Event Delivery,
// "Enumeration and Enabling").
const (
	CPUID_7_1_EAX_FRED = 17
	CPUID_7_1_EAX_LKGS = 18
)

// Selectors: Linux's GDT (arch/x86/include/asm/segment.h, 3.19).
const (
	KERNEL32_CS = 0x08
	KERNEL_CS   = 0x10
	KERNEL_DS   = 0x18
	USER32_CS   = 0x23
	USER_DS     = 0x2b
	USER_CS     = 0x33
	TSS_SEL     = 0x40
)

// Vectors.
const (
	X86_TRAP_DE  = 0
	X86_TRAP_DB  = 1
	X86_TRAP_NMI = 2
	X86_TRAP_BP  = 3
	X86_TRAP_OF  = 4
	X86_TRAP_BR  = 5
	X86_TRAP_UD  = 6
	X86_TRAP_NM  = 7
	X86_TRAP_DF  = 8
	X86_TRAP_TS  = 10
	X86_TRAP_NP  = 11
	X86_TRAP_SS  = 12
	X86_TRAP_GP  = 13
	X86_TRAP_PF  = 14
	X86_TRAP_MF  = 16
	X86_TRAP_AC  = 17
	X86_TRAP_MC  = 18
	X86_TRAP_XF  = 19
	X86_TRAP_CP  = 21

	LOCAL_TIMER_VECTOR   = 0xec
	SPURIOUS_APIC_VECTOR = 0xff
)

// Page-fault error code bits (SDM volume 3, 4.7).
const (
	X86_PF_PROT  = 1 << 0
	X86_PF_WRITE = 1 << 1
	X86_PF_USER  = 1 << 2
	X86_PF_INSTR = 1 << 4
)

// Page-table entry bits (SDM volume 3, 4.5).
const (
	PAGE_PRESENT  = 1 << 0
	PAGE_RW       = 1 << 1
	PAGE_USER     = 1 << 2
	PAGE_PWT      = 1 << 3
	PAGE_PCD      = 1 << 4
	PAGE_ACCESSED = 1 << 5
	PAGE_DIRTY    = 1 << 6
	PAGE_PSE      = 1 << 7
	PAGE_GLOBAL   = 1 << 8
	PAGE_NX       = 1 << 63
	// PAGE_ADDR are the address bits of an entry.
	PAGE_ADDR = 0x000f_ffff_ffff_f000
)

// CPUID_0_EBX_INTEL is the start of Intel's vendor name, "Genu" of "GenuineIntel"
// (SDM volume 2, CPUID leaf 0 EBX).
const CPUID_0_EBX_INTEL = 0x756e6547

// CPUID leaf 1 ECX bits (SDM volume 2, CPUID).
const (
	CPUID_1_EDX_MCE    = 7
	CPUID_1_ECX_PCID   = 17
	CPUID_1_ECX_RDRAND = 30
	// CPUID_1_ECX_HYPERVISOR is clear on every CPU, and set by a hypervisor.
	CPUID_1_ECX_HYPERVISOR = 31
)

// Machine checks (SDM volume 3, 16.3).
const (
	MCG_CAP_COUNT   = 0xff   // the number of banks
	MCG_STATUS_RIPV = 1 << 0 // the interrupted code can continue
	MCBankMSRs      = 4      // MSRs of a bank; IA32_MC0_STATUS is the second of the first bank
)

// DR7 bits (SDM volume 3, 18.2.4). The breakpoint in DR0 is on code unless RW0 and
// LEN0 say otherwise.
const (
	DR7_L0     = 1 << 0  // it is on
	DR7_G0     = 1 << 1  // the same, whatever task runs
	DR7_G0_G3  = 0xaa    // the same for DR0 to DR3
	DR7_RW0    = 3 << 16 // it is on data that is read or written
	DR7_LEN0_2 = 1 << 18 // of 2 bytes
	DR7_LEN0_8 = 2 << 18 // of 8 bytes
)

// DR6 bits (SDM volume 3, 18.2.3).
const (
	DR6_B0_B3 = 0xf     // a breakpoint of DR0 to DR3
	DR6_BS    = 1 << 14 // a single step
)

// Bits of MSR_IA32_SPEC_CTRL (SDM volume 4, 48H; APM volume 2, 3.2.9).
const (
	SPEC_CTRL_IBRS      = 1 << 0  // indirect branches and returns are not steered by a less privileged mode
	SPEC_CTRL_BHI_DIS_S = 1 << 10 // indirect branches of rings 0 to 2 are not steered by the history of ring 3
)

// RSB_CLEAR_LOOPS is the most addresses that a CPU's return stack has (Linux's name).
const RSB_CLEAR_LOOPS = 32

// PRED_CMD_IBPB in MSR_IA32_PRED_CMD has the CPU forget where indirect branches go (SDM
// volume 4, 49H; APM volume 2, 3.2.9).
const PRED_CMD_IBPB = 1 << 0

// CPUID leaf 7 EDX and leaf 0x80000008 EBX bits that announce SPEC_CTRL.IBRS, and
// PRED_CMD.IBPB: Intel has one bit for both (SDM volume 2, CPUID; APM volume 3, E.4.7).
const (
	CPUID_7_EDX_SPEC_CTRL   = 26
	CPUID_80000008_EBX_IBPB = 12
	CPUID_80000008_EBX_IBRS = 14
)

// CPUID_7_2_EDX_BHI_CTRL is the bit of CPUID leaf 7, subleaf 2, EDX that announces
// SPEC_CTRL.BHI_DIS_S (SDM volume 2, CPUID).
const CPUID_7_2_EDX_BHI_CTRL = 4

// CPUID leaf 7 EBX bits.
const (
	CPUID_7_EBX_FSGSBASE = 0
	CPUID_7_EBX_SMEP     = 7
	CPUID_7_EBX_SMAP     = 20
)

// CPUID_7_ECX_CET_SS is the bit of CPUID leaf 7 ECX that announces shadow stacks.
const CPUID_7_ECX_CET_SS = 7

// TrapName is the mnemonic of each exception vector.
var TrapName = [32]string{
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9", "#TS", "#NP", "#SS", "#GP", "#PF", "#15",
	"#MF", "#AC", "#MC", "#XF", "#VE", "#CP", "#22", "#23", "#24", "#25", "#26", "#27", "#HV", "#VC", "#SX", "#31",
}

// The GDT's flat segments (SDM volume 3, 3.4.5), accessed bit set so that
// loading them writes nothing.
const (
	SegKernel32Code = 0x00cf_9b00_0000_ffff
	SegKernelCode   = 0x00af_9b00_0000_ffff
	SegKernelData   = 0x00cf_9300_0000_ffff
	SegUser32Code   = 0x00cf_fb00_0000_ffff
	SegUserData     = 0x00cf_f300_0000_ffff
	SegUserCode     = 0x00af_fb00_0000_ffff
)

// The 64-bit TSS (SDM volume 3, 7.7); its fields are layout.TSS.
const (
	TSSSize = 104
	// SegTSS are the type, present and limit bits of its descriptor.
	SegTSS = 0x0000_8900_0000_0000 | (TSSSize - 1)
)

// Interrupt gates (SDM volume 3, 6.14.1): the second byte of the flags word.
const (
	GateInterrupt = 0x8e // present, DPL 0, interrupts off
	GateUser      = 0xee // the same for INT n in ring 3
	GateSize      = 16
)

// Performance counters. Intel's fixed ones (SDM volume 3, "Architectural
// Performance Monitoring Version 2"; 21.2.2): counter 0
// counts retired instructions, 1 the core's unhalted cycles, and RDPMC takes
// FixedCounter plus the number. AMD's extended ones (APM volume 2, 13.2.1):
// MSRs in pairs of control and count, and RDPMC takes the number. Intel's counters of any
// event have their controls from MSR_P6_EVNTSEL0 on (SDM volume 3, 21.2.1.1), in AMD's form
// but that an event's number has 8 bits.
const (
	MSR_P6_EVNTSEL0              = 0x186
	MSR_CORE_PERF_FIXED_CTR_CTRL = 0x38d
	MSR_CORE_PERF_GLOBAL_CTRL    = 0x38f
	MSR_F15H_PERF_CTL            = 0xc0010200
	MSR_AMD64_PERF_GLOBAL_CTL    = 0xc0000301

	FixedCounter = 1 << 30
	// FixedBothRings enables a fixed counter in rings 0 and 3: a nibble for each.
	FixedBothRings = 3

	// PerfEventBothRings enables a counter of an event, in rings 0 and 3; the event's
	// number is the low byte (and on AMD bits 32 to 35), its unit mask the next.
	PerfEventBothRings   = 1<<22 | 1<<17 | 1<<16
	PerfEventCycles      = 0x76 // CPU clocks not halted
	PerfEventInstruction = 0xc0 // retired instructions

	// CPUID_80000001_ECX_PERFCTR_CORE is the bit of the extended counters,
	// CPUID_80000022_EAX_PERFMON_V2 the bit of their common control.
	CPUID_80000001_ECX_PERFCTR_CORE = 23
	CPUID_80000022_EAX_PERFMON_V2   = 0
)

// CPUID leaf 80000001H EDX bits.
const (
	CPUID_80000001_EDX_NX = 20
	CPUID_80000001_EDX_LM = 29
)
