package layout

// ELFHeader is the header of an ELF64 file in words (System V ABI, gABI 4.1).
type ELFHeader[T any] struct {
	Ident       [2]T // magic, class, data encoding
	TypeMachine T    // e_type and e_machine, 16 bits each, e_version
	Entry       T
	PHOff       T // file offset of the program headers
	SHOff       T
	FlagsSizes  T // e_flags, 32 bits; e_ehsize, e_phentsize, 16 bits each
	Counts      T // e_phnum, e_shentsize, e_shnum, e_shstrndx, 16 bits each
}

// ELFProgHeader is a program header of an ELF64 file.
type ELFProgHeader[T any] struct {
	TypeFlags    T // p_type, p_flags, 32 bits each
	Offset       T
	VAddr, PAddr T
	FileSize     T
	MemSize      T
	Align        T
}

// Limits of init's arguments and environment; Linux has 32 of each
// (init/main.c, MAX_INIT_ARGS).
const (
	MaxInitArgs = 64
	MaxInitEnvs = 64
	CmdlineMax  = 4096 // bytes with the NUL
)

// ExecArgsMax is the room for the arguments and the environment of execve with the
// program's name, in bytes with their NULs (Linux: a quarter of RLIMIT_STACK).
const ExecArgsMax = 128 << 10

// Exec is what is known about a program while it is being loaded.
type Exec[T any] struct {
	Path          T // init's name, from init= or "/init"
	File, Size    T // linear address and bytes of its file
	Bias          T // what is added to its addresses: 0 but for ET_DYN
	Entry         T
	PHAddr, PHNum T // user address and number of its program headers
	End           T // end of its highest segment
	StackProt     T
	SP            T // user stack pointer
	Argc, Envc    T
	// Argv and Envp are init's: addresses of strings.
	Argv [MaxInitArgs + 1]T
	Envp [MaxInitEnvs + 1]T
	// StringsLen is how many bytes of exec_strings are in use.
	StringsLen       T
	Random, ExecName T // user addresses
	// Booted is 1 once init has been loaded: what cannot be loaded from then on does not
	// fail the boot.
	Booted T
}
