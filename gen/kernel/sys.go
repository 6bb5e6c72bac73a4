package kernel

import (
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// sysCall is one system call: its number and the name of its handler without
// "sys_".
type sysCall struct {
	nr   int
	name string
}

// sysCalls are all system calls by number (Linux
// arch/x86/entry/syscalls/syscall_64.tbl) and the control interface. What is
// not here, nor in layout.FullFrameCalls, answers -ENOSYS.
var sysCalls = []sysCall{
	{0, "read"},
	{1, "write"},
	{2, "open"},
	{3, "close"},
	{4, "stat"},
	{5, "fstat"},
	{6, "lstat"},
	{7, "poll"},
	{8, "lseek"},
	{9, "mmap"},
	{10, "mprotect"},
	{11, "munmap"},
	{12, "brk"},
	{13, "rt_sigaction"},
	{14, "rt_sigprocmask"},
	{16, "ioctl"},
	{17, "pread64"},
	{18, "pwrite64"},
	{19, "readv"},
	{20, "writev"},
	{21, "access"},
	{22, "pipe"},
	{23, "select"},
	{24, "sched_yield"},
	{25, "mremap"},
	{26, "msync"},
	{27, "mincore"},
	{28, "madvise"},
	{32, "dup"},
	{33, "dup2"},
	{34, "pause"},
	{35, "nanosleep"},
	{36, "getitimer"},
	{37, "alarm"},
	{38, "setitimer"},
	{39, "getpid"},
	{60, "exit"},
	{61, "wait4"},
	{62, "kill"},
	{63, "uname"},
	{72, "fcntl"},
	{74, "fsync"},
	{75, "fsync"},
	{76, "truncate"},
	{77, "ftruncate"},
	{79, "getcwd"},
	{80, "chdir"},
	{81, "fchdir"},
	{82, "rename"},
	{83, "mkdir"},
	{84, "rmdir"},
	{85, "creat"},
	{86, "link"},
	{87, "unlink"},
	{88, "symlink"},
	{89, "readlink"},
	{90, "chmod"},
	{91, "fchmod"},
	{92, "chown"},
	{93, "fchown"},
	{94, "lchown"},
	{95, "umask"},
	{96, "gettimeofday"},
	{97, "getrlimit"},
	{98, "getrusage"},
	{99, "sysinfo"},
	{100, "times"},
	{102, "getuid"},
	{104, "getgid"},
	{107, "geteuid"},
	{108, "getegid"},
	{109, "setpgid"},
	{110, "getppid"},
	{111, "getpgrp"},
	{112, "setsid"},
	{115, "getgroups"},
	{118, "getresuid"},
	{120, "getresgid"},
	{121, "getpgid"},
	{124, "getsid"},
	{127, "rt_sigpending"},
	{128, "rt_sigtimedwait"},
	{129, "rt_sigqueueinfo"},
	{130, "rt_sigsuspend"},
	{131, "sigaltstack"},
	{132, "utime"},
	{133, "mknod"},
	{137, "statfs"},
	{138, "fstatfs"},
	{140, "getpriority"},
	{141, "setpriority"},
	{142, "sched_setparam"},
	{143, "sched_getparam"},
	{144, "sched_setscheduler"},
	{145, "sched_getscheduler"},
	{146, "sched_get_priority_max"},
	{147, "sched_get_priority_min"},
	{148, "sched_rr_get_interval"},
	{149, "mlock"},
	{150, "munlock"},
	{151, "mlockall"},
	{152, "munlockall"},
	{157, "prctl"},
	{158, "arch_prctl"},
	{160, "setrlimit"},
	{162, "sync"},
	{169, "reboot"},
	{186, "gettid"},
	{187, "readahead"},
	{188, "setxattr"},
	{189, "lsetxattr"},
	{190, "fsetxattr"},
	{191, "getxattr"},
	{192, "lgetxattr"},
	{193, "fgetxattr"},
	{194, "listxattr"},
	{195, "llistxattr"},
	{196, "flistxattr"},
	{197, "removexattr"},
	{198, "lremovexattr"},
	{199, "fremovexattr"},
	{200, "tkill"},
	{201, "time"},
	{202, "futex"},
	{203, "sched_setaffinity"},
	{204, "sched_getaffinity"},
	{213, "epoll_create"},
	{217, "getdents64"},
	{218, "set_tid_address"},
	{221, "fadvise64"},
	{222, "timer_create"},
	{223, "timer_settime"},
	{224, "timer_gettime"},
	{225, "timer_getoverrun"},
	{226, "timer_delete"},
	{228, "clock_gettime"},
	{229, "clock_getres"},
	{230, "clock_nanosleep"},
	{231, "exit_group"},
	{232, "epoll_wait"},
	{233, "epoll_ctl"},
	{234, "tgkill"},
	{235, "utimes"},
	{247, "waitid"},
	{257, "openat"},
	{258, "mkdirat"},
	{259, "mknodat"},
	{260, "fchownat"},
	{261, "futimesat"},
	{262, "newfstatat"},
	{263, "unlinkat"},
	{264, "renameat"},
	{265, "linkat"},
	{266, "symlinkat"},
	{267, "readlinkat"},
	{268, "fchmodat"},
	{269, "faccessat"},
	{270, "pselect6"},
	{271, "ppoll"},
	{273, "set_robust_list"},
	{274, "get_robust_list"},
	{280, "utimensat"},
	{281, "epoll_pwait"},
	{283, "timerfd_create"},
	{284, "eventfd"},
	{285, "fallocate"},
	{286, "timerfd_settime"},
	{287, "timerfd_gettime"},
	{290, "eventfd2"},
	{291, "epoll_create1"},
	{292, "dup3"},
	{293, "pipe2"},
	{295, "preadv"},
	{296, "pwritev"},
	{297, "rt_tgsigqueueinfo"},
	{302, "prlimit64"},
	{306, "syncfs"},
	{309, "getcpu"},
	{314, "sched_setattr"},
	{315, "sched_getattr"},
	{316, "renameat2"},
	{318, "getrandom"},
	{319, "memfd_create"},
	{324, "membarrier"},
	{325, "mlock2"},
	{327, "preadv2"},
	{328, "pwritev2"},
	{332, "statx"},
	{436, "close_range"},
	{439, "faccessat2"},

	{layout.SysSelect, "variant_select"},
	{layout.SysInfo, "variant_info"},
	{layout.SysFrame, "frame"},
	{layout.SysSpin, "spin"},
	{layout.SysStats, "stats"},
	{layout.SysOwnMM, "own_mm"},
	{layout.SysTimeSlice, "time_slice"},
	{layout.SysFlushYield, "flush_yield"},
	{layout.SysUserMap, "user_map"},
	{layout.SysBreakpoint, "breakpoint"},
}

// isControl reports whether a number is that of a control call.
func isControl(nr int) bool { return nr >= layout.SysSelect }

// sysCallTable is the table that the entry paths dispatch by. SysSelect
// changes it, control_init puts the control calls in.
func sysCallTable() Program {
	handlers := make([]any, layout.SysCallMax+1)
	for i := range handlers {
		handlers[i] = PTR("sys_ni_syscall")
	}
	controls := slices.Clone(handlers[layout.SysSelect:])
	put := func(nr int, handler string) {
		if isControl(nr) {
			controls[nr-layout.SysSelect] = PTR(handler)
		} else {
			handlers[nr] = PTR(handler)
		}
	}
	for _, c := range sysCalls {
		put(c.nr, "sys_"+c.name)
	}
	for _, c := range layout.FullFrameCalls {
		put(c.Nr, c.Handler())
	}
	return Program{
		Funcs: []Func{
			FUNC("sys_ni_syscall", "sys_ni_syscall is every call that does not exist.",
				fail(ENOSYS),
			),
		},
		Data: []Data{
			DATA("sys_call_table", handlers...),
			RODATA("control_calls", controls...),
		},
	}
}
