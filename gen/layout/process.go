package layout

// Process is a page with what threads have in common that are one process (Linux's
// signal_struct and sighand_struct). Ring 3 sees its PID as getpid. The page remains
// until the process has ended and its parent has waited for it.
type Process[T any] struct {
	PID T
	// Parent is the process that may wait for it; 0: init's has none. Children is a
	// list by Sibling, newest first.
	Parent, Children T
	Sibling          HListNode[T]
	All              HListNode[T] // all processes, newest first, init last
	Hash             HListNode[T] // those of one bucket of process_hash
	Group, Session   T            // PIDs of the processes that lead them

	// Threads is how many living ones it has; with none the process is a zombie.
	// ThreadList is a list of them by Peer, newest first.
	Threads, ThreadList T
	// Status is what wait4 returns: an exit status in bits 15:8, or a signal.
	// LeaderStatus is the status that its first thread gave to exit.
	Status, LeaderStatus T
	// Exiting is 1 once all threads must end. ExecThread is the thread whose execve
	// waits for the others to end; 0: none.
	Exiting, ExecThread T
	ExitSignal          T // what its parent gets at its end; 0: nothing
	HasExeced           T // 1 after an execve: its parent can no longer move it to a group
	// Vforker is the thread that sleeps until the process has left the memory that it
	// shares with that thread; 0: none.
	Vforker T

	Files       T // its FDTable
	Cwd, CwdLen T // page with the working directory's path, without the first "/"; 0: the root
	// Exe is the header of the initramfs entry that it runs.
	Exe                         T
	Umask, Dumpable, Subreaper  T
	RLimits                     [NumRLimits][2]T // soft and hard
	UTime, STime                T                // of the threads that have ended,
	Switches, Preempted, Faults T                // and their other counts
	// The same of the children that it has waited for, and of theirs.
	ChildUTime, ChildSTime T

	Trace Traced[T] // by another process, with ptrace
	// Tracees is how many processes it traces.
	Tracees T

	PosixTimers T                      // list by SigTimer.NextID
	Intervals   [Intervals]SigTimer[T] // of setitimer
	// ActionsBase is where the action of signal 0 would be: one SigAction before
	// Actions.
	ActionsBase T
	Pending     SigPending[T] // sent to the process, for any thread that does not block them
	Actions     [NumSignals]SigAction[T]
}

// HListNode links an object into a list: Next is the next object, 0 at the end, and PPrev
// the address of the word that points to this one, the list's head or another's Next
// (Linux include/linux/types.h, struct hlist_node).
type HListNode[T any] struct{ Next, PPrev T }

// ProcessBuckets and ThreadBuckets are how many lists process_hash and thread_hash have,
// powers of two. A PID or TID belongs to the one that its low bits number: they are given
// one after the other, so that the lists are of one length.
const (
	ProcessBuckets = 4096
	ThreadBuckets  = 1024
)

// NumRLimits is the number of resources of prlimit64 (Linux
// include/uapi/asm-generic/resource.h, RLIM_NLIMITS).
const NumRLimits = 16

// Space is what is mapped in user memory: the areas and the heap. All MMs of a
// process have one Space, and a process made by vfork has its parent's until it runs
// another program. While it is loaded, its first words are in Memory.
type Space[T any] struct {
	Loaded  SpaceWords[T]
	Threads T // living ones that run in it; with none, nothing is mapped
	MMs     T // it is freed with the last
	// LastArea follows all other areas, at an address that no range reaches.
	LastArea Area[T]
}

// SpaceWords is the part of a Space that is in Memory while it is loaded.
type SpaceWords[T any] struct {
	AreaRoot T // the root of the tree of areas
	// BrkStart and Brk are the ends of the heap that brk moves.
	BrkStart, Brk T
	// LockFuture is AreaLocked after mlockall(MCL_FUTURE), so that new areas are
	// locked; with AreaOnFault their pages are still allocated only when touched.
	LockFuture T
	// FutexTag tells the space's futexes from those of other spaces: a number below
	// 2^FutexTagBits in the upper bits, where user addresses are 0.
	FutexTag T
}

// FutexTagBits is the number of bits of SpaceWords.FutexTag.
const FutexTagBits = 16
