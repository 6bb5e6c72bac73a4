package layout

// MaxFD is the most file descriptors that RLIMIT_NOFILE can be raised to, as
// Linux's fs.nr_open. Their table grows by pages of FDsPerPage descriptors.
const (
	MaxFD      = 1 << 16
	FDsPerPage = PageSize / 16
)

// NoFileSoft and NoFileHard are RLIMIT_NOFILE at the start (Linux
// include/uapi/linux/fs.h, INR_OPEN_CUR and INR_OPEN_MAX).
const (
	NoFileSoft = 1024
	NoFileHard = 4096
)

// FDTable is the state of a process's table of descriptors.
type FDTable[T any] struct {
	Pages [MaxFD / FDsPerPage]T // FDsPerPage FDs each; 0: none of these was ever open
	// NextFD is a descriptor below which none is free.
	NextFD T
	// Size is the power of two, 64 at least, above every descriptor that was ever
	// open: select looks at no descriptor beyond it.
	Size T
}

// PathMax is the size of a path with its NUL (Linux include/uapi/linux/limits.h).
const PathMax = 4096

// FD is one file descriptor.
type FD[T any] struct {
	File    T // the File; 0: not open
	CloExec T // FD_CLOEXEC
}

// File is an open file description: what duplicated descriptors share (Linux
// include/linux/fs.h, struct file).
type File[T any] struct {
	Ops   T // its FileOps
	Refs  T // descriptors, and calls under way
	Flags T // O_ access mode and status flags
	Pos   T // offset of the next byte; of a directory: of the next entry
	// Node is the header of the initramfs entry by which the file was found; 0
	// for the root directory, and for a file without a name.
	Node T
	// NameLen is how much of the entry's name names the file: less than all of
	// it for a directory that has no entry itself and shows only in its members' names.
	NameLen   T
	Data      T // linear address of a regular file's bytes, or of a TimerFD
	Size      T // of a regular file
	Count     T // of an eventfd
	Semaphore T // 1: an eventfd with EFD_SEMAPHORE
	Items     T // of an epoll instance: a ring of the EpollItems that it watches, from the one to look at first
	Watchers  T // list of the EpollItems that watch the file
	Pipe      T // the Pipe that the file is an end of
}

// FileOps is what a kind of file can do; 0 marks an operation that it lacks. Read and
// Write take the File in RDI, the user's buffer in RSI, its length in RDX and
// the offset in RCX; Poll and Release take the File in RDI.
type FileOps[T any] struct {
	Read, Write T
	Poll        T // returns the EPOLL mask; 0: always ready, and EPERM for epoll_ctl
	Release     T // the last reference is gone
	LSeek       T // FileSeek*
	Anon        T // 1: the file has no name, Mode is its st_mode
	Mode        T
}

// What lseek does to a kind of file, in FileOps.LSeek.
const (
	FileSeekNone = iota // ESPIPE, for pread too
	FileSeekData        // moves
	FileSeekDir         // only to where the file has been, and to the start
	FileSeekNull        // 0, as for /dev/null
)

// PipeSize is the number of bytes that a new pipe holds, and MaxPipeSize the most that
// F_SETPIPE_SZ can set (Linux's fs.pipe-max-size). PipeAtomic bytes or
// fewer are written in one piece (Linux's PIPE_BUF).
const (
	PipeSize    = 16 * PageSize
	MaxPipeSize = 1 << 20
	PipeAtomic  = PageSize
)

// Pipe connects the two ends of a pipe: a page with its state, and the
// ring's pages, which exist only while they hold something.
type Pipe[T any] struct {
	Size   T // bytes that it holds at most: a page times a power of two
	Start  T // offset of the first byte in the ring
	Len    T // bytes in it
	Reader T // File of each end; 0: closed
	Writer T
	Pages  [MaxPipeSize / PageSize]T // linear addresses; 0: none
}

// EpollItem is a file that an epoll instance watches.
type EpollItem[T any] struct {
	Epoll  T // the instance's File
	File   T
	FD     T // the descriptor that it was added by
	Events T // EPOLL mask with the input flags
	Data   T // the user's
	Edge   T // 1: something has happened since it was last reported

	Next, Prev           T // the instance's ring, File.Items
	WatchNext, WatchPrev T // the file's list, File.Watchers
}

// Select is one select or pselect6 in progress, on its thread's stack.
type Select[T any] struct {
	N    T    // descriptors to look at, from 0 on
	Sets [3]T // the user's sets: to read, to write, exceptions; 0: none
	Word [3]T // the 64 bits of each set under examination,
	Got  [3]T // and the ready ones among them

	Deadline T // monotonic time; 0: does not wait, -1: for ever
	Late     T // 1 once the time is up
}

// CpioEntry is the kernel's view of one entry of the initramfs.
type CpioEntry[T any] struct {
	Header  T // linear address
	Name    T // without a leading "/" or "./"
	NameLen T // without the NUL
	Mode    T
	Data    T
	Size    T
	Next    T // header of the next entry
	Builtin T // 1: in the kernel's own archive, which is searched second
}

// Node is the file that a path leads to.
type Node[T any] struct {
	Header  T // as File.Node
	NameLen T // as File.NameLen
	Ino     T // st_ino
	Mode    T // st_mode
	Data    T // contents of a regular file, target of a symbolic link
	Size    T
}

// Stat is Linux's struct stat in words (arch/x86/include/uapi/asm/stat.h).
type Stat[T any] struct {
	Dev, Ino, NLink  T
	ModeUID          T // st_mode, st_uid: 32 bits each
	GID              T // st_gid, padding
	Rdev, Size       T
	BlkSize, Blocks  T
	Atime, AtimeNsec T
	Mtime, MtimeNsec T
	Ctime, CtimeNsec T
	Unused           [3]T
}

// Statx is Linux's struct statx in words (include/uapi/linux/stat.h).
type Statx[T any] struct {
	MaskBlkSize      T // stx_mask, stx_blksize: 32 bits each
	Attributes       T
	NLinkUID         T
	GIDMode          T // stx_gid: 32 bits, stx_mode: 16
	Ino              T
	Size, Blocks     T
	AttributesMask   T
	Atime, AtimeNsec T
	Btime, BtimeNsec T
	Ctime, CtimeNsec T
	Mtime, MtimeNsec T
	Rdev, Dev        T // the major number in the low half, the minor one in the high half
	MountID          T
	Spare            [13]T
}

// StatxBasic are the bits of stx_mask for the fields that stat has (STATX_BASIC_STATS).
const StatxBasic = 0x7ff

// ReadDir is the state of one getdents64.
type ReadDir[T any] struct {
	Buf       T // the user's, where the next entry goes
	Left      T // room in it
	Done      T // bytes given
	PrefixLen T // of the directory's path, with the slash after it
}
