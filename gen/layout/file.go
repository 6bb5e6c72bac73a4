package layout

// MaxFD is the number of file descriptors that a process can have (its
// RLIMIT_NOFILE), and of open files.
const MaxFD = 64

// MaxEpollItems, a power of two, is the number of files that all epoll
// instances can watch together.
const MaxEpollItems = 128

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
	Refs  T // descriptors, and calls under way; 0: free
	Flags T // O_ access mode and status flags
	Pos   T // offset of the next byte; of a directory: of the next entry
	// Node is the header of the initramfs entry that the file was found by; 0
	// for the root directory, and for what has no name.
	Node T
	// NameLen is how much of the entry's name names the file: less than all of
	// it for a directory that only the names of its members tell of.
	NameLen   T
	Data      T // linear address of a regular file's bytes
	Size      T // of a regular file
	Count     T // of an eventfd
	Semaphore T // 1: an eventfd with EFD_SEMAPHORE
	Cursor    T // of an epoll instance: the item to look at first
	Pipe      T // the Pipe that the file is an end of
}

// FileOps is what a kind of file can do; 0 stands for what it cannot. Read and
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
	FileSeekNone = iota // ESPIPE, and so for pread
	FileSeekData        // moves
	FileSeekDir         // only to where the file has been, and to the start
	FileSeekNull        // 0, as for /dev/null
)

// MaxPipes is the number of pipes, which have two ends.
const MaxPipes = MaxFD / 2

// PipeSize is the number of bytes that a pipe holds, a power of two and the
// size of a thread's stack. PipeAtomic bytes or fewer are written in one piece
// (Linux's PIPE_BUF).
const (
	PipeSize   = 16384
	PipeAtomic = PageSize
)

// Pipe is what connects the two ends of a pipe.
type Pipe[T any] struct {
	Buf    T // linear address of PipeSize bytes; 0: the pipe is free
	Start  T // offset of the first byte in it
	Len    T // bytes in it
	Reader T // File of each end; 0: closed
	Writer T
}

// EpollItem is a file that an epoll instance watches.
type EpollItem[T any] struct {
	Epoll  T // the instance's File; 0: the item is free
	File   T
	FD     T // the descriptor that it was added by
	Events T // EPOLL mask with the input flags
	Data   T // the user's
	Edge   T // 1: something has happened since it was last reported
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
	Builtin T // 1: in the kernel's own archive, the second to be searched
}

// Node is what a path leads to.
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

// ReadDir is the state of one getdents64.
type ReadDir[T any] struct {
	Buf       T // the user's, where the next entry goes
	Left      T // room in it
	Done      T // bytes given
	PrefixLen T // of the directory's path, with the slash after it
}
