package layout

// MM is an address space as the CPU sees it: top-level page tables of its own. All MMs
// of a Space map the same: below the top level they share their tables. An MM belongs
// to one process.
type MM[T any] struct {
	// PGD is the physical address of the top-level table, which CR3 takes: the
	// first of PGDPages pages, at a multiple of their size.
	PGD   T
	Users T // threads that run in it
	Next  T // all address spaces, init_mm first
	Space T
}

// PGDPages is the number of top-level tables of an address space: the kernel's,
// then one for ring 3 to run on (PTIUserPGTable).
const PGDPages = 2

// Memory is the state of the page allocator, and of what the loaded Space has mapped.
type Memory[T any] struct {
	// FreePages, FreeStacks and FreeThreadStacks are lists of free blocks, linked
	// by their first word. The blocks of the last list have a page that is not mapped.
	FreePages, FreeStacks, FreeThreadStacks T
	// FreeTables are free page tables, linked like the others: zero but for that word.
	FreeTables T
	// Next and End are the linear addresses between which RAM has never been
	// handed out; it lies in the range before Range. Range is the one to use next.
	Next, End T
	Range     T // address of the next MemRange to take from
	RangesEnd T // address after the last MemRange

	// Space is the one that is loaded, the current thread's, and Own its words.
	Space T
	Own   SpaceWords[T]
}

// MemRange is a piece of free RAM: physical addresses, multiples of PageSize.
type MemRange[T any] struct{ Start, End T }

// MaxRanges is the number of pieces that free RAM can have: each entry of the
// memory map adds one and may split another, twice if it is RAM; the kernel's
// image, the initramfs and the command line split one each.
const MaxRanges = 3*MemMapMax + 3

// MinPages is the number of free pages below which no init can run: its
// first pages, page tables and four threads.
const MinPages = 512

// Area is a range of user addresses with one protection, as Linux's struct
// vm_area_struct. Pages come into being when they are touched.
type Area[T any] struct {
	Start, End T // multiples of PageSize
	Prot       T // Prot*
	Flags      T // Area*
	// Source is the linear address of the data that the page at Start is a private
	// copy of; 0: zeros. SourceLen is how many bytes there are from there on; the
	// rest of their last page is zero. Of an AreaMemFile, Source is the File
	// and SourceLen the offset in it.
	Source, SourceLen T

	// All areas are a list in the order of their addresses, ...
	Next, Prev T
	// ... and a tree in the same order (a treap: no area weighs more than its
	// parent). Left and Right stand together.
	Parent, Left, Right T
	// MaxGap is the longest of the gaps below the areas of this subtree: each
	// gap reaches down to the area before.
	MaxGap T
	Weight T // a hash of the address at which it began
}

// SlabCache hands out objects of one size, cut from pages that are taken and
// given back as needed.
type SlabCache[T any] struct {
	Size    T // of an object in bytes: a multiple of 8
	Free    T // objects that are free
	Partial T // list of the SlabPages with free objects
}

// SlabPage is at the start of a page of objects.
type SlabPage[T any] struct {
	Next, Prev T // SlabCache.Partial
	Free       T // list of its free objects, linked by their first word
	Used       T // objects handed out
}

// ReservePages is how many free pages the kernel leaves to the program. When it would
// need one of them for its own tables, it returns ENOMEM, so that a program that
// has asked for too much lives to see the error.
const ReservePages = 64

// Protection of an area (Linux include/uapi/asm-generic/mman-common.h).
const (
	ProtRead  = 1 << 0
	ProtWrite = 1 << 1
	ProtExec  = 1 << 2
)

// What an area is in addition to its protection.
const (
	AreaGrowsDown = 1 << 0 // MAP_GROWSDOWN: extended by a fault below it
	AreaShared    = 1 << 1 // MAP_SHARED of a file, all of which are read-only
	AreaFile      = 1 << 2 // mmap of a file: pages after its end raise SIGBUS
	AreaLocked    = 1 << 3 // mlock: its pages are not given up
	AreaOnFault   = 1 << 5 // in Memory.LockFuture alone
	AreaSharedMem = 1 << 4 // MAP_SHARED of memory: its pages outlive MADV_DONTNEED
	AreaMemFile   = 1 << 6 // mmap of a memfd
)

// The layout of user memory.
const (
	// MMapMinAddr is the lowest address that mmap chooses or a program may be
	// linked at (Linux's vm.mmap_min_addr).
	MMapMinAddr = 64 << 10
	// PIEBase is where a position-independent program is loaded, or below it
	// where its segments want a larger alignment (Linux's ELF_ET_DYN_BASE without
	// randomisation, which would make counts differ from boot to boot).
	PIEBase = 0x5555_5555_4000
	// StackTop is the end of init's stack. The room above it is free: the x86
	// selftests map the last pages below TaskSizeMax.
	StackTop  = 1<<47 - 64<<20
	StackSize = 8 << 20 // also RLIMIT_STACK
	// StackGuard is kept free below a stack (Linux's stack_guard_gap).
	StackGuard = 1 << 20
	// MMapBase is where mmap places areas downwards from.
	MMapBase = StackTop - StackSize - StackGuard
)

// PTEProtNone marks a page-table entry for a page of an area without
// access: not present, so that ring 0 faults on it too (a bit that the CPU
// ignores, SDM volume 3, 4.5).
const PTEProtNone = 1 << 9

// PTEShared marks an entry for a page that belongs to a memfd and not to the address
// space: it is not freed with the entry.
const PTEShared = 1 << 10

// PTECounted marks an entry for a page that other Spaces have, or had, as well: the
// number of its other owners is counted.
const PTECounted = 1 << 11
