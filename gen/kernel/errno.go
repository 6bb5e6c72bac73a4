package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Error numbers of Linux (include/uapi/asm-generic/errno-base.h, errno.h); a
// call returns them negated.
const (
	EPERM        = 1
	ENOENT       = 2
	ESRCH        = 3
	EINTR        = 4
	EIO          = 5
	ENXIO        = 6
	E2BIG        = 7
	ENOEXEC      = 8
	EBADF        = 9
	ECHILD       = 10
	EAGAIN       = 11
	ENOMEM       = 12
	EACCES       = 13
	EFAULT       = 14
	EBUSY        = 16
	EEXIST       = 17
	ENODEV       = 19
	ENOTDIR      = 20
	EISDIR       = 21
	EINVAL       = 22
	ENFILE       = 23
	EMFILE       = 24
	ENOTTY       = 25
	EFBIG        = 27
	ENOSPC       = 28
	ESPIPE       = 29
	EROFS        = 30
	EPIPE        = 32
	ERANGE       = 34
	EDEADLK      = 35
	ENAMETOOLONG = 36
	ENOSYS       = layout.ENOSYS
	ENOTEMPTY    = 39
	ELOOP        = 40
	ENODATA      = 61
	EOVERFLOW    = 75
	EOPNOTSUPP   = 95
	ETIMEDOUT    = 110

	// These never reach the user: signal delivery turns them into EINTR or into a
	// repetition of the call (include/linux/errno.h). If a handler runs, NOINTR always
	// means a repetition, NOHAND always EINTR, and for SYS the handler's SA_RESTART
	// decides.
	ERESTARTSYS    = 512
	ERESTARTNOINTR = 513
	ERESTARTNOHAND = 514
)

// fail returns -errno from a function.
func fail(errno int) Block { return Block{MOVQ(-errno, RAX), RETURN()} }
