package stubs

// The files of FreeBSD that were read.
const (
	readBSD  = "coder03/freebsd10.4 3d3f8b116d56, sys/amd64/amd64/exception.S"
	readBSDC = "coder03/freebsd10.4 3d3f8b116d56, sys/amd64/amd64/trap.c and sys/kern/subr_syscall.c"
)

// factsOfBSD are the facts of the preset freebsd.
var factsOfBSD = []Fact{
	{
		Preset: "freebsd", Func: "entry_SYSCALL_64", To: "syscall_return",
		Source: readBSD, Where: "IDTVEC(fast_syscall) to the CALL; tf_rcx, which has argument 4, is r10 here, tf_rax is orig_ax. The stores to r11 and cx are ours",
		Acts: `swapgs RSPScratch=RSP RSP=TopOfStack subq:0xc0,RSP flags=R11 r11=R11 ip=RCX cx=RCX R11=RSPScratch sp=R11
			movw:FS,4(RSP) movw:GS,6(RSP) movw:ES,12(RSP) movw:DS,14(RSP) R11=Current andl:-2,PCBFlags sti ss=0x2b cs=0x33 TrapWords.Err(RSP)=2
			di=RDI si=RSI dx=RDX r10=R10 r8=R8 r9=R9 orig_ax=RAX bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 movl:1,TrapWords.Flags(RSP) cld
			RDI=Current Frame=RSP movl:flags,RSI andl:0x100,RSI call:amd64_syscall`,
	},
	{
		Preset: "freebsd", Func: "entry_SYSCALL_64", From: "syscall_return",
		Source: readBSD, Where: "IDTVEC(fast_syscall) behind the CALL; R8 to R10 are ours. curpcb is a word of its own there",
		Acts: `RAX=Current cli testl:1,PCBFlags jne:full_iret RAX=Current testl:7,Flags jne:ast_scheduled RDI=di RSI=si RDX=dx
			R8=r8 R9=r9 R10=r10 RAX=ax R11=flags RCX=ip RSP=sp swapgs sysretq sti RDI=RSP call:ast jmp:syscall_return jmp:doreti`,
	},
	{
		Preset: "freebsd", Func: amd64Syscall,
		Source: readBSDC, Where: "amd64_syscall, cpu_fetch_syscall_args, syscallenter, syscallret; set_pcb_flags, inlined. What TF asks for is ours",
		Acts: `pushq:RBX pushq:RBP pushq:R12 RBX=RDI movl:RSI,R12 RBP=Frame ax=-38 testl:0x100,Flags jne:trace_enter RAX=orig_ax cmpq:RAX,0x3ff ja:set_retval
			RDI=di RSI=si RDX=dx RCX=r10 R8=r8 R9=r9 call:sys_call_table(RAX*8) ax=RAX testl:R12,R12 jne:single_step
			testl:0x100,Flags jne:trace_leave RAX=ip shrq:0x2f,RAX jne:set_full_iret popq:R12 popq:RBP popq:RBX ret
			orl:1,PCBFlags jmp:syscallret leaq:24(RBP),RDI call:syscall_trace_enter orl:1,PCBFlags jmp:fetch_args leaq:24(RBP),RDI
			call:syscall_trace_leave orl:1,PCBFlags popq:R12 popq:RBP popq:RBX ret`,
	},
	{
		Preset: "freebsd", Func: doretiName,
		Source: readBSD, Where: "doreti_ast, doreti_exit without the segment registers, ld_regs, doreti_iret; the order of a frame that ring 3 has",
		Acts: `cli RAX=Current testl:7,Flags je:doreti_exit sti RDI=RSP call:ast jmp:doreti RDI=di RSI=si RDX=dx RCX=cx R8=r8 R9=r9 RAX=ax
			RBX=bx RBP=bp R10=r10 R11=r11 R12=r12 R13=r13 R14=r14 R15=r15 cli swapgs addq:0x98,RSP iretq`,
	},
}
