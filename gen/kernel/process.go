package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// utsRelease is the kernel's release in uname. A program may conclude from it which
// calls exist: 3.19 is new enough for Go and glibc (both want 3.2), and the kernel need
// not have any call that is newer than 3.19.
const utsRelease = "3.19.0-entrylab"

// utsField is the size of a field of struct utsname (Linux
// include/uapi/linux/utsname.h).
const utsField = 65

// Resources of prlimit64 that have a limit here (Linux
// include/uapi/asm-generic/resource.h).
const (
	rlimitStack  = 3
	rlimitCore   = 4
	rlimitNoFile = 7
	rlimitSigs   = 11 // RLIMIT_SIGPENDING

	rlimInfinity = ^uint64(0)
)

// Codes of prctl (Linux include/uapi/linux/prctl.h).
const (
	prSetDeathSig   = 1
	prGetDeathSig   = 2
	prGetDumpable   = 3
	prSetDumpable   = 4
	prSetName       = 15
	prGetName       = 16
	prGetSeccomp    = 21
	prGetTSC        = 25
	prSetTSC        = 26
	prSetTimerSlack = 29
	prGetTimerSlack = 30
	prSetSubreaper  = 36
	prGetSubreaper  = 37
	prSetNoNewPrivs = 38
	prGetNoNewPrivs = 39

	commSize     = 16
	tscEnable    = 1      // PR_TSC_ENABLE
	defaultSlack = 50_000 // ns
)

// Arguments of reboot (Linux include/uapi/linux/reboot.h).
const (
	rebootMagic1   = 0xfee1dead
	rebootRestart  = 0x01234567
	rebootHalt     = 0xcdef0123
	rebootPowerOff = 0x4321fedc
	rebootRestart2 = 0xa1b2c3d4
	rebootCADOff   = 0
)

var rebootMagic2 = []uint32{0x28121969, 0x05121996, 0x16041998, 0x20112000}

// sysInfoSize is the size of struct sysinfo (Linux include/uapi/linux/sysinfo.h).
const sysInfoSize = 112

func zeroCall(name string) Func {
	return FUNC("sys_"+name, "sys_"+name+" is 0: init is root.", returns(0))
}

// threeIDs writes 0 to the three users' ids that the arguments point to.
func threeIDs(name string) Func {
	effective, saved := RBX, R12
	return FUNC("sys_"+name, "sys_"+name+"(real, effective, saved): all are 0.",
		MOVQ(RSI, effective),
		MOVQ(RDX, saved),
		XORL(RSI, RSI),
		CALL(putUserInt),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(effective, RDI),
		XORL(RSI, RSI),
		CALL(putUserInt),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(saved, RDI),
		XORL(RSI, RSI),
		CALL(putUserInt),
		RETURN(),
	).Saving(RBX, R12)
}

func utsName() []byte {
	uts := make([]byte, 6*utsField)
	for i, s := range []string{"Linux", "entrylab", utsRelease, "#1 entrylab", "x86_64", "(none)"} {
		copy(uts[i*utsField:], s)
	}
	return uts
}

// processes returns the calls by which a process asks about itself and its machine.
func processes() Program {
	return Program{
		Funcs: Funcs(
			sysUname, sysGetuid, sysGetgid, sysGeteuid, sysGetegid, sysGetresuid, sysGetresgid,
			sysGetgroups, sysUmask, sysGetrlimit, sysSetrlimit, sysPrlimit64, sysPrctl, setComm,
			sysSysinfo, sysReboot,
		),
		Data: []Data{
			utsname, rlimits(), commBuffer,
		},
	}
}

var utsname = RODATA("utsname", utsName())

// rlimits returns init's resource limits.
func rlimits() Data {
	var limits []any
	for i := range layout.NumRLimits {
		soft, hard := rlimInfinity, rlimInfinity
		switch i {
		case rlimitStack:
			soft = layout.StackSize
			hard = soft
		case rlimitNoFile:
			soft, hard = layout.NoFileSoft, layout.NoFileHard
		case rlimitSigs:
			soft, hard = layout.MaxSigPending, layout.MaxSigPending
		case rlimitCore:
			soft = 0
		}
		limits = append(limits, soft, hard)
	}
	return RODATA("rlimits", limits...)
}

var commBuffer = BSS("comm_buffer", commSize, 16)

func sysUname() Func {
	return FUNC("sys_uname", "sys_uname(utsname).",
		LEAQ(Sym(utsname), RSI),
		MOVL(len(utsName()), RDX),
		JMP(copyToUser),
	).Takes(RDI).Returns(RAX)
}

func sysGetuid() Func {
	return zeroCall("getuid").Takes().Returns(RAX)
}

func sysGetgid() Func {
	return zeroCall("getgid").Takes().Returns(RAX)
}

func sysGeteuid() Func {
	return zeroCall("geteuid").Takes().Returns(RAX)
}

func sysGetegid() Func {
	return zeroCall("getegid").Takes().Returns(RAX)
}

func sysGetresuid() Func {
	return threeIDs("getresuid").Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysGetresgid() Func {
	return threeIDs("getresgid").Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysGetgroups() Func {
	return FUNC("sys_getgroups", "sys_getgroups(size, list): there are none.",
		TESTL(RDI, RDI),
		IF(S, fail(EINVAL)),
		returns(0),
	).Takes(RDI).Returns(RAX)
}

func sysUmask() Func {
	return FUNC("sys_umask", "sys_umask(mask) returns the old mask.",
		ANDL(0o777, RDI),
		MOVQ(gs.Process, RCX),
		MOVL(process(RCX).Umask, RAX),
		MOVL(RDI, process(RCX).Umask),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func sysGetrlimit() Func {
	return FUNC("sys_getrlimit", "sys_getrlimit(resource, rlim).",
		MOVQ(RSI, R10),
		MOVL(RDI, RSI),
		XORL(RDI, RDI),
		XORL(RDX, RDX),
		MOVQ(R10, RCX),
		JMP(sysPrlimit64),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysSetrlimit() Func {
	return FUNC("sys_setrlimit", "sys_setrlimit(resource, rlim).",
		MOVQ(RSI, RDX),
		MOVL(RDI, RSI),
		XORL(RDI, RDI),
		XORL(RCX, RCX),
		JMP(sysPrlimit64),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysPrlimit64() Func {
	resource, pid, oldLimit, newLimit, soft, hard := RBX, RBP, R12, R13, R14, R15
	return FUNC("sys_prlimit64",
		`sys_prlimit64(pid, resource, new, old): RLIMIT_NOFILE can be set, by root up to
layout.MaxFD, and RLIMIT_CORE. Other limits would have no effect, so a new value that
differs from the old one is EPERM.`,
		MOVL(RDI, pid),
		MOVL(RSI, resource),
		MOVQ(RDX, newLimit),
		MOVQ(RCX, oldLimit),
		XORL(soft, soft),
		XORL(hard, hard),
		TESTQ(newLimit, newLimit),
		IF(NE,
			MOVQ(newLimit, RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			IF(NE, fail(EFAULT)),
			MOVQ(RAX, soft),
			LEAQ(newLimit.At(8), RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			IF(NE, fail(EFAULT)),
			MOVQ(RAX, hard),
		),
		MOVQ(gs.Process, RAX),
		TESTL(pid, pid),
		IF(NE,
			MOVL(pid, RDI),
			CALL(findOwner),
			TESTQ(RAX, RAX),
			IF(E, fail(ESRCH)),
		),
		CMPL(resource, layout.NumRLimits),
		IF(AE, fail(EINVAL)),
		MOVL(resource, RCX),
		SHLQ(4, RCX),
		LEAQ(RAX.Index(RCX, 1).Add(process(RAX).RLimits[0][0].Disp()), RCX),
		MOVQ(RCX.At(0), RDX),
		MOVQ(RCX.At(8), RSI),
		TESTQ(newLimit, newLimit),
		IF(NE,
			CMPQ(soft, hard),
			IF(A, fail(EINVAL)),
			CMPL(resource, rlimitNoFile),
			IF(E,
				CMPQ(hard, layout.MaxFD),
				IF(A, fail(EPERM)),
			).ELSE(
				CMPL(resource, rlimitCore),
				IF(NE,
					CMPQ(soft, RDX),
					IF(NE, fail(EPERM)),
					CMPQ(hard, RSI),
					IF(NE, fail(EPERM)),
				),
			),
			MOVQ(soft, RCX.At(0)),
			MOVQ(hard, RCX.At(8)),
		),
		TESTQ(oldLimit, oldLimit),
		IF(E, returns(0)),
		PUSHQ(RSI),
		PUSHQ(RDX),
		MOVQ(oldLimit, RDI),
		MOVQ(RSP, RSI),
		MOVL(16, RDX),
		CALL(copyToUser),
		ADDQ(16, RSP),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

// prctlOption runs items for one option of prctl.
func prctlOption(code int, items ...Item) Block {
	return Block{CMPL(RDI, code), IF(E, items...)}
}

// prctlGet emits an option of prctl that returns a value.
func prctlGet[V Operand](code int, value V) Block {
	return prctlOption(code, MOVQ(value, RAX), RETURN())
}

// prctlPut emits an option of prctl that writes a value to where the argument points.
func prctlPut[V Operand](code int, value V) Block {
	return prctlOption(code, MOVQ(RSI, RDI), MOVQ(value, RSI), JMP(putUserInt))
}

func sysPrctl() Func {
	self := thread(RCX)
	own := thread(RAX) // in prctlOptions
	group := process(R9)
	noMore := Block{ // arguments that must be 0
		MOVQ(RDX, R9),
		ORQ(RCX, R9),
		ORQ(R8, R9),
		IF(NE, fail(EINVAL)),
	}
	// prctlOptions store or return a number.
	prctlOptions := Block{
		prctlPut(prGetDeathSig, own.DeathSig),
		prctlOption(prSetDeathSig,
			CMPQ(RSI, layout.NumSignals),
			IF(A, fail(EINVAL)),
			MOVQ(RSI, own.DeathSig),
			returns(0),
		),
		prctlGet(prGetDumpable, group.Dumpable),
		prctlOption(prSetDumpable,
			CMPQ(RSI, 1),
			IF(A, fail(EINVAL)),
			MOVQ(RSI, group.Dumpable),
			returns(0),
		),
		prctlGet(prGetSeccomp, 0),
		prctlPut(prGetTSC, tscEnable),
		prctlOption(prSetTSC,
			CMPL(RSI, tscEnable),
			IF(NE, fail(EINVAL)),
			returns(0),
		),
		prctlGet(prGetTimerSlack, own.TimerSlack),
		prctlOption(prSetTimerSlack,
			TESTQ(RSI, RSI),
			IF(LE, MOVL(defaultSlack, RSI)),
			MOVQ(RSI, own.TimerSlack),
			returns(0),
		),
		prctlPut(prGetSubreaper, group.Subreaper),
		prctlOption(prSetSubreaper,
			TESTQ(RSI, RSI),
			SETNE(RSI),
			MOVZBL(RSI, RSI),
			MOVQ(RSI, group.Subreaper),
			returns(0),
		),
		prctlOption(prSetNoNewPrivs,
			noMore,
			CMPQ(RSI, 1),
			IF(NE, fail(EINVAL)),
			MOVQ(RSI, own.NoNewPrivs),
			returns(0),
		),
		prctlOption(prGetNoNewPrivs,
			noMore,
			TESTQ(RSI, RSI),
			IF(NE, fail(EINVAL)),
			MOVQ(own.NoNewPrivs, RAX),
			RETURN(),
		),
	}
	return FUNC("sys_prctl", "sys_prctl(option EDI, arg RSI, arg3 RDX, arg4 RCX, arg5 R8): other options are EINVAL, as in a Linux without them.",
		MOVQ(gs.Current, RAX),
		MOVQ(gs.Process, R9),
		prctlOptions,
		CMPL(RDI, prSetName),
		IF(E,
			MOVL(commSize, RDX),
			LEAQ(Sym(commBuffer), RDI),
			CALL(strncpyFromUser),
			TESTQ(RAX, RAX),
			IF(S,
				CMPQ(RAX, -ENAMETOOLONG),
				IF(NE, RETURN()),
				MOVL(commSize-1, RAX), // cut
			),
			LEAQ(Sym(commBuffer), RSI),
			MOVQ(gs.Current, RCX),
			LEAQ(self.Comm[0], RDI),
			MOVQ(0, self.Comm[0]),
			MOVQ(0, self.Comm[1]),
			MOVL(RAX, RCX),
			REP(MOVSB()),
			returns(0),
		),
		CMPL(RDI, prGetName),
		IF(E,
			MOVQ(RSI, RDI),
			MOVQ(gs.Current, RCX),
			LEAQ(self.Comm[0], RSI),
			MOVL(commSize, RDX),
			JMP(copyToUser),
		),
		fail(EINVAL),
	).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func setComm() Func {
	return FUNC("set_comm", "set_comm names the thread RDI after the path RSI, as execve does.",
		MOVQ(RSI, RDX), // after the last slash
		LOOP(
			MOVZBL(RSI.At(0), RAX),
			TESTL(RAX, RAX),
			BREAK(E),
			INCQ(RSI),
			CMPL(RAX, '/'),
			CMOVQE(RSI, RDX),
		),
		LEAQ(thread(RDI).Comm[0], R8),
		MOVQ(0, R8.At(0)),
		MOVQ(0, R8.At(8)),
		XORL(RCX, RCX),
		LOOP(
			MOVZBL(RDX.Index(RCX, 1), RAX),
			TESTL(RAX, RAX),
			BREAK(E),
			MOVB(RAX, R8.Index(RCX, 1)),
			INCL(RCX),
			CMPL(RCX, commSize-1), // a NUL remains
			BREAK(E),
		),
		RETURN(),
	).Takes(RDI, RSI)
}

func sysSysinfo() Func {
	info := R12
	return FUNC("sys_sysinfo", "sys_sysinfo(info): uptime in s, memory in bytes, threads.",
		MOVQ(RDI, info),
		SUBQ(sysInfoSize, RSP),
		MOVQ(RSP, RDI),
		XORL(RAX, RAX),
		MOVL(sysInfoSize/8, RCX),
		REP(STOSQ()),
		CALL(ktimeGet),
		XORL(RDX, RDX),
		MOVL(nsPerSec, RCX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(0)), // uptime
		MOVQ(Sym(pagesTotal), RAX),
		SHLQ(12, RAX),
		MOVQ(RAX, RSP.At(32)), // totalram
		MOVQ(Sym(pagesFree), RAX),
		SHLQ(12, RAX),
		MOVQ(RAX, RSP.At(40)), // freeram
		MOVQ(sched.Threads, RAX),
		MOVW(RAX, RSP.At(80)), // procs
		MOVL(1, RSP.At(104)),  // mem_unit
		MOVQ(info, RDI),
		MOVQ(RSP, RSI),
		MOVL(sysInfoSize, RDX),
		CALL(copyToUser),
		ADDQ(sysInfoSize, RSP),
		RETURN(),
	).Saving(R12).Takes(RDI).Returns(RAX)
}

func sysReboot() Func {
	magic2 := Block{}
	for _, m := range rebootMagic2 {
		magic2 = append(magic2, CMPL(RSI, m), JE("magic"))
	}
	powerOff := Block{}
	for _, cmd := range []uint32{rebootRestart, rebootHalt, rebootPowerOff, rebootRestart2} {
		powerOff = append(powerOff, CMPL(RDX, cmd), JE("off"))
	}
	return FUNC("sys_reboot", "sys_reboot(magic1, magic2, cmd): commands that end Linux end the machine, as if init had exited with status 0.",
		CMPL(RDI, uint32(rebootMagic1)),
		IF(NE, fail(EINVAL)),
		magic2,
		fail(EINVAL),
		LABEL("magic"),
		powerOff,
		CMPL(RDX, rebootCADOff), // there is no Ctrl-Alt-Del
		IF(NE, fail(EINVAL)),
		returns(0),
		LABEL("off"),
		XORL(RDI, RDI),
		JMP(sysExitGroup),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}
