package layout

// CorePath is where the core of the process that has dumped one last is, as with Linux's
// core_pattern "core" and a process in the root directory. Before that there is no such file.
const CorePath = "core"

// CorePages is how many pages of the stack, from the one with RSP on, a core has at most.
const CorePages = 4

// CoreFile is the part of a core before the pages of the stack (Linux fs/binfmt_elf.c,
// elf_core_dump): of its notes only NT_PRSTATUS, of its threads only the one that got
// the signal.
type CoreFile[T any] struct {
	Ident                        [2]T
	TypeMachineVersion           T // 16, 16 and 32 bits
	Entry, PhOff, ShOff          T
	FlagsSizes                   T // e_flags, 32 bits; e_ehsize and e_phentsize, 16 each
	Counts                       T // e_phnum, e_shentsize, e_shnum, e_shstrndx
	Note, Stack                  ProgramHeader[T]
	NoteNameSize                 T // in the upper half: the note begins there
	NoteSizeType                 T // 32 bits each
	NoteName                     T
	SigInfo                      [2]T // si_signo, si_code, si_errno, pr_cursig
	SigPending, SigHeld          T
	PIDs                         [2]T // pid, ppid, pgrp, sid: 32 bits each
	UTime, STime, CUTime, CSTime [2]T // s, us
	Regs                         UserRegs[T]
	FPValid                      T // 0: there is no NT_PRFPREG
}

// ProgramHeader is Elf64_Phdr.
type ProgramHeader[T any] struct {
	TypeFlags                T // 32 bits each
	Offset, VAddr, PAddr     T
	FileSize, MemSize, Align T
}
