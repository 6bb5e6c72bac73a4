package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// sysCall is one system call: its number and its handler.
type sysCall struct {
	nr      int
	handler func() Func
}

// sysCalls returns all system calls by number (Linux
// arch/x86/entry/syscalls/syscall_64.tbl) and the control interface. A number that is
// neither here nor in layout.FullFrameCalls answers -ENOSYS.
func sysCalls() []sysCall {
	return []sysCall{
		{0, sysRead},
		{1, sysWrite},
		{2, sysOpen},
		{3, sysClose},
		{4, sysStat},
		{5, sysFstat},
		{6, sysLstat},
		{7, sysPoll},
		{8, sysLseek},
		{9, sysMmap},
		{10, sysMprotect},
		{11, sysMunmap},
		{12, sysBrk},
		{13, sysRtSigaction},
		{14, sysRtSigprocmask},
		{16, sysIoctl},
		{17, sysPread64},
		{18, sysPwrite64},
		{19, sysReadv},
		{20, sysWritev},
		{21, sysAccess},
		{22, sysPipe},
		{23, sysSelect},
		{24, sysSchedYield},
		{25, sysMremap},
		{26, sysMsync},
		{27, sysMincore},
		{28, sysMadvise},
		{32, sysDup},
		{33, sysDup2},
		{34, sysPause},
		{35, sysNanosleep},
		{36, sysGetitimer},
		{37, sysAlarm},
		{38, sysSetitimer},
		{39, sysGetpid},
		{60, sysExit},
		{61, sysWait4},
		{62, sysKill},
		{63, sysUname},
		{72, sysFcntl},
		{74, sysFsync},
		{75, sysFsync},
		{76, sysTruncate},
		{77, sysFtruncate},
		{79, sysGetcwd},
		{80, sysChdir},
		{81, sysFchdir},
		{82, sysRename},
		{83, sysMkdir},
		{84, sysRmdir},
		{85, sysCreat},
		{86, sysLink},
		{87, sysUnlink},
		{88, sysSymlink},
		{89, sysReadlink},
		{90, sysChmod},
		{91, sysFchmod},
		{92, sysChown},
		{93, sysFchown},
		{94, sysLchown},
		{95, sysUmask},
		{96, sysGettimeofday},
		{97, sysGetrlimit},
		{98, sysGetrusage},
		{99, sysSysinfo},
		{100, sysTimes},
		{101, sysPtrace},
		{102, sysGetuid},
		{104, sysGetgid},
		{107, sysGeteuid},
		{108, sysGetegid},
		{109, sysSetpgid},
		{110, sysGetppid},
		{111, sysGetpgrp},
		{112, sysSetsid},
		{115, sysGetgroups},
		{118, sysGetresuid},
		{120, sysGetresgid},
		{121, sysGetpgid},
		{124, sysGetsid},
		{127, sysRtSigpending},
		{128, sysRtSigtimedwait},
		{129, sysRtSigqueueinfo},
		{130, sysRtSigsuspend},
		{131, sysSigaltstack},
		{132, sysUtime},
		{133, sysMknod},
		{137, sysStatfs},
		{138, sysFstatfs},
		{140, sysGetpriority},
		{141, sysSetpriority},
		{142, sysSchedSetparam},
		{143, sysSchedGetparam},
		{144, sysSchedSetscheduler},
		{145, sysSchedGetscheduler},
		{146, sysSchedGetPriorityMax},
		{147, sysSchedGetPriorityMin},
		{148, sysSchedRrGetInterval},
		{149, sysMlock},
		{150, sysMunlock},
		{151, sysMlockall},
		{152, sysMunlockall},
		{157, sysPrctl},
		{158, sysArchPrctl},
		{160, sysSetrlimit},
		{162, sysSync},
		{169, sysReboot},
		{186, sysGettid},
		{187, sysReadahead},
		{188, sysSetxattr},
		{189, sysLsetxattr},
		{190, sysFsetxattr},
		{191, sysGetxattr},
		{192, sysLgetxattr},
		{193, sysFgetxattr},
		{194, sysListxattr},
		{195, sysLlistxattr},
		{196, sysFlistxattr},
		{197, sysRemovexattr},
		{198, sysLremovexattr},
		{199, sysFremovexattr},
		{200, sysTkill},
		{201, sysTime},
		{202, sysFutex},
		{203, sysSchedSetaffinity},
		{204, sysSchedGetaffinity},
		{213, sysEpollCreate},
		{217, sysGetdents64},
		{218, sysSetTidAddress},
		{221, sysFadvise64},
		{222, sysTimerCreate},
		{223, sysTimerSettime},
		{224, sysTimerGettime},
		{225, sysTimerGetoverrun},
		{226, sysTimerDelete},
		{228, sysClockGettime},
		{229, sysClockGetres},
		{230, sysClockNanosleep},
		{231, sysExitGroup},
		{232, sysEpollWait},
		{233, sysEpollCtl},
		{234, sysTgkill},
		{235, sysUtimes},
		{247, sysWaitid},
		{257, sysOpenat},
		{258, sysMkdirat},
		{259, sysMknodat},
		{260, sysFchownat},
		{261, sysFutimesat},
		{262, sysNewfstatat},
		{263, sysUnlinkat},
		{264, sysRenameat},
		{265, sysLinkat},
		{266, sysSymlinkat},
		{267, sysReadlinkat},
		{268, sysFchmodat},
		{269, sysFaccessat},
		{270, sysPselect6},
		{271, sysPpoll},
		{273, sysSetRobustList},
		{274, sysGetRobustList},
		{280, sysUtimensat},
		{281, sysEpollPwait},
		{283, sysTimerfdCreate},
		{284, sysEventfd},
		{285, sysFallocate},
		{286, sysTimerfdSettime},
		{287, sysTimerfdGettime},
		{290, sysEventfd2},
		{291, sysEpollCreate1},
		{292, sysDup3},
		{293, sysPipe2},
		{295, sysPreadv},
		{296, sysPwritev},
		{297, sysRtTgsigqueueinfo},
		{302, sysPrlimit64},
		{306, sysSyncfs},
		{309, sysGetcpu},
		{314, sysSchedSetattr},
		{315, sysSchedGetattr},
		{316, sysRenameat2},
		{318, sysGetrandom},
		{319, sysMemfdCreate},
		{324, sysMembarrier},
		{325, sysMlock2},
		{327, sysPreadv2},
		{328, sysPwritev2},
		{332, sysStatx},
		{436, sysCloseRange},
		{439, sysFaccessat2},

		{layout.SysSelect, sysVariantSelect},
		{layout.SysInfo, sysVariantInfo},
		{layout.SysFrame, sysFrame},
		{layout.SysSpin, sysSpin},
		{layout.SysStats, sysStats},
		{layout.SysOwnMM, sysOwnMM},
		{layout.SysTimeSlice, sysTimeSlice},
		{layout.SysFlush, sysFlush},
		{layout.SysUserMap, sysUserMap},
		{layout.SysBreakpoint, sysBreakpoint},
		{layout.SysPeek, sysPeek},
		{layout.SysFlags, sysFlags},
		{layout.SysEvent, sysEvent},
		{layout.SysBootSeries, sysBootSeries},
		{layout.SysReadings, sysReadings},
		{layout.SysSamples, sysSamples},
		{layout.SysScreenBits, sysScreenBits},
		{layout.SysStackLeft, sysStackLeft},
		{layout.SysShadowStack, sysShadowStack},
		{layout.SysCountEvent, sysCountEvent},
	}
}

// isControl reports whether a number belongs to a control call.
func isControl(nr int) bool { return nr >= layout.SysSelect }

// callTable returns the table by which the entry paths dispatch.
func callTable() Program {
	return Program{
		Funcs: Funcs(sysNiSyscall),
		Data:  []Data{sysCallTable(), controlCalls()},
	}
}

// sysCallTable returns the table in which a call's number is looked up. SysSelect changes
// it, controlInit puts the control calls in.
func sysCallTable() Data { return DATA("sys_call_table", handlers(0, layout.SysCallMax)...) }

// controlCalls returns the end of sysCallTable when the control calls are on.
func controlCalls() Data {
	return RODATA("control_calls", handlers(layout.SysSelect, layout.SysCallMax)...)
}

// handlers returns the handlers of the calls from first to last; of the control calls
// only if first is one.
func handlers(first, last int) []any {
	table := make([]any, last+1-first)
	for i := range table {
		table[i] = PTR(sysNiSyscall)
	}
	put := func(nr int, handler Ptr) {
		if isControl(nr) == isControl(first) {
			table[nr-first] = handler
		}
	}
	for _, c := range sysCalls() {
		put(c.nr, PTR(c.handler))
	}
	for _, c := range layout.FullFrameCalls {
		put(c.Nr, PTR(c.Handler()))
	}
	return table
}

func sysNiSyscall() Func {
	return FUNC("sys_ni_syscall", "sys_ni_syscall is every call that does not exist.",
		fail(ENOSYS),
	).Takes().Returns(RAX)
}
