package confirm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Where a process has the code and the memory that it uses: below 2 GiB, so that the
// code's addresses of 32 bits reach all of it, and where no program lies.
const (
	codeAddr  = 0x2000_0000
	areaAddr  = 0x3000_0000
	percpuOff = 0
	stackOff  = 1 << 16
	areaSize  = stackOff + 8*layout.ThreadSize
)

// ring3 is a process that is stepped on this CPU. It runs none of its program's code:
// it is stopped before that. What ring 3 may not run, Step does in its place.
type ring3 struct {
	pid    int
	places prove.Places
	code   []byte // of codeAddr
	area   []byte // of areaAddr
	own    syscall.PtraceRegs
	fpu    fxsave
	// What ring 3 does not have, or not as ring 0 has it.
	flags   uint64 // those of virtualFlags
	otherGS uint64
	cr3     uint64
	msrs    map[uint32]uint64
}

// virtualFlags are those of RFLAGS that the process has not in its own: it may not
// change IF, AC would make it fault, and with NT the host's IRET would.
const virtualFlags = x86.X86_EFLAGS_IF | x86.X86_EFLAGS_AC | x86.X86_EFLAGS_NT | x86.X86_EFLAGS_IOPL | x86.X86_EFLAGS_ID

// onCPU starts a process with a linked variant in it, gives it to a function as a
// machine, and ends it.
func onCPU(obj *asm.Object, use func(prove.Machine) error) (err error) {
	runtime.LockOSThread() // a process is traced by one thread
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	end := uint64(0)
	for _, s := range obj.Sections {
		end = max(end, s.Addr+s.Size)
	}
	codeSize := int(end-codeAddr+layout.PageSize-1) &^ (layout.PageSize - 1)
	fd, err := unix.MemfdCreate("entrylab", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memory to share with a process: %w", err)
	}
	file := os.NewFile(uintptr(fd), "memory")
	defer file.Close()
	if err := file.Truncate(int64(codeSize + areaSize)); err != nil {
		return err
	}
	mem, err := syscall.Mmap(fd, 0, codeSize+areaSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("memory to share with a process: %w", err)
	}
	defer func() { err = errors.Join(err, syscall.Munmap(mem)) }()
	for _, s := range obj.Sections {
		copy(mem[s.Addr-codeAddr:], s.Bytes)
	}
	cmd := exec.Command(self)
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("a process to step: %w", err)
	}
	m := &ring3{pid: cmd.Process.Pid, code: mem[:codeSize], area: mem[codeSize:], msrs: map[uint32]uint64{}}
	defer func() {
		err = errors.Join(err, cmd.Process.Kill())
		_, waitErr := cmd.Process.Wait()
		err = errors.Join(err, waitErr)
	}()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(m.pid, &status, 0, nil); err != nil {
		return fmt.Errorf("a process to step: %w", err)
	}
	if !status.Stopped() {
		return fmt.Errorf("a process to step: it did not stop (%#x)", status)
	}
	if err := m.begin(codeSize); err != nil {
		return err
	}
	elsewhere, ok := obj.Addr("sys_ni_syscall")
	if !ok {
		return errors.New("the program has no sys_ni_syscall")
	}
	const stack = areaAddr + stackOff
	m.places = prove.Places{
		PerCPU: areaAddr + percpuOff, Stack: stack + layout.ThreadSize, Next: stack + 2*layout.ThreadSize, Trampoline: stack + 6*layout.ThreadSize,
		CR3: 1 << 20, EFER: x86.EFER_SCE | x86.EFER_LME, Elsewhere: elsewhere,
	}
	m.msrs[x86.MSR_EFER] = m.places.EFER
	return use(m)
}

// begin maps the memory into the process.
func (m *ring3) begin(codeSize int) error {
	if err := errors.Join(syscall.PtraceGetRegs(m.pid, &m.own), m.ptraceFPU(syscall.PTRACE_GETFPREGS, &m.fpu)); err != nil {
		return fmt.Errorf("a process to step: %w", err)
	}
	const syscallInstruction = "\x0f\x05"
	if _, err := syscall.PtracePokeText(m.pid, uintptr(m.own.Rip), []byte(syscallInstruction)); err != nil {
		return fmt.Errorf("a process to step: %w", err)
	}
	const inherited = 3 // the first of exec.Cmd's ExtraFiles
	for _, area := range []struct {
		addr, size, prot, off int
	}{
		{codeAddr, codeSize, syscall.PROT_READ | syscall.PROT_EXEC, 0},
		{areaAddr, areaSize, syscall.PROT_READ | syscall.PROT_WRITE, codeSize},
	} {
		r := m.own
		r.Rax, r.Rdi, r.Rsi, r.Rdx = syscall.SYS_MMAP, uint64(area.addr), uint64(area.size), uint64(area.prot)
		r.R10, r.R8, r.R9 = syscall.MAP_SHARED|unix.MAP_FIXED_NOREPLACE, inherited, uint64(area.off)
		if err := errors.Join(syscall.PtraceSetRegs(m.pid, &r), m.step()); err != nil {
			return err
		}
		if err := syscall.PtraceGetRegs(m.pid, &r); err != nil {
			return err
		}
		if r.Rax != uint64(area.addr) {
			return fmt.Errorf("a process to step: mmap at %#x: %w", area.addr, syscall.Errno(-r.Rax))
		}
	}
	return nil
}

// step runs one instruction of the process.
func (m *ring3) step() error {
	if err := syscall.PtraceSingleStep(m.pid); err != nil {
		return fmt.Errorf("stepping a process: %w", err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(m.pid, &status, 0, nil); err != nil {
		return fmt.Errorf("stepping a process: %w", err)
	}
	switch {
	case !status.Stopped():
		return fmt.Errorf("stepping a process: it has ended (%#x)", status)
	case status.StopSignal() != syscall.SIGTRAP:
		return &prove.StepError{Why: "the CPU refuses the instruction: " + unix.SignalName(status.StopSignal())}
	}
	return nil
}

func (m *ring3) Places() prove.Places { return m.places }

func (m *ring3) Call(prove.Registers) error { return errors.New("a process has no ring 0 to call") }

func (m *ring3) RunTo(uint64) error { return errors.New("a process is stepped") }

func (m *ring3) CanRun() bool { return false }

func (m *ring3) Exits() bool { return false }

// fxsave is what FXSAVE writes (SDM volume 1, 10.5.1), up to the XMM registers.
type fxsave struct {
	X87      [24]byte
	MXCSR    uint32
	_        uint32
	ST       [8][16]byte
	XMM      [16][2]uint64
	Reserved [96]byte
}

// load puts the registers that the proof knows of into the image.
func (f *fxsave) load(r prove.Registers) {
	f.XMM, f.MXCSR = r.XMM, r.MXCSR
	binary.LittleEndian.PutUint16(f.X87[0:], r.X87.Control)
	binary.LittleEndian.PutUint16(f.X87[2:], r.X87.Status)
	f.X87[4] = r.X87.Tags
	for i := range f.ST {
		copy(f.ST[i][:], r.X87.ST[i][:])
	}
}

// x87 returns the x87 state in it.
func (f *fxsave) x87() prove.X87 {
	x := prove.X87{Control: binary.LittleEndian.Uint16(f.X87[0:]), Status: binary.LittleEndian.Uint16(f.X87[2:]), Tags: f.X87[4]}
	for i := range x.ST {
		copy(x.ST[i][:], f.ST[i][:])
	}
	return x
}

// ptraceFPU reads or writes the process's x87 and XMM registers.
func (m *ring3) ptraceFPU(request int, fpu *fxsave) error {
	if _, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(m.pid), 0, uintptr(unsafe.Pointer(fpu)), 0, 0); errno != 0 {
		return fmt.Errorf("the XMM registers of a process: %w", errno)
	}
	return nil
}

func generalOf(r *syscall.PtraceRegs) [16]*uint64 {
	return [16]*uint64{
		&r.Rax, &r.Rcx, &r.Rdx, &r.Rbx, &r.Rsp, &r.Rbp, &r.Rsi, &r.Rdi,
		&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
	}
}

func (m *ring3) Registers() (prove.Registers, error) {
	var r syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(m.pid, &r); err != nil {
		return prove.Registers{}, err
	}
	var fpu fxsave
	if err := m.ptraceFPU(syscall.PTRACE_GETFPREGS, &fpu); err != nil {
		return prove.Registers{}, err
	}
	out := prove.Registers{
		RIP: r.Rip, RFLAGS: r.Eflags&^virtualFlags | m.flags, CS: x86.KERNEL_CS, SS: x86.KERNEL_DS,
		DS: uint16(r.Ds), ES: uint16(r.Es), FS: uint16(r.Fs), GS: uint16(r.Gs),
		FSBase: r.Fs_base, GSBase: r.Gs_base, OtherGSBase: m.otherGS, CR3: m.cr3, SpecCtrl: m.msrs[x86.MSR_IA32_SPEC_CTRL],
		UserCET: m.msrs[x86.MSR_IA32_U_CET], PL3SSP: m.msrs[x86.MSR_IA32_PL3_SSP],
		XMM: fpu.XMM, MXCSR: fpu.MXCSR, X87: fpu.x87(),
	}
	for i, word := range generalOf(&r) {
		out.General[i] = *word
	}
	return out, nil
}

func (m *ring3) SetRegisters(to prove.Registers) error {
	r := m.own
	for i, word := range generalOf(&r) {
		*word = to.General[i]
	}
	r.Orig_rax = ^uint64(0) // it is in no system call
	r.Rip, r.Eflags = to.RIP, to.RFLAGS&^virtualFlags
	r.Fs_base, r.Gs_base = to.FSBase, to.GSBase
	m.flags, m.otherGS, m.cr3 = to.RFLAGS&virtualFlags, to.OtherGSBase, to.CR3
	m.msrs[x86.MSR_IA32_SPEC_CTRL] = to.SpecCtrl
	m.msrs[x86.MSR_IA32_U_CET], m.msrs[x86.MSR_IA32_PL3_SSP] = to.UserCET, to.PL3SSP
	m.fpu.load(to)
	return errors.Join(syscall.PtraceSetRegs(m.pid, &r), m.ptraceFPU(syscall.PTRACE_SETFPREGS, &m.fpu))
}

// MSR returns what was last written to an MSR, and whether it was written.
func (m *ring3) MSR(number uint32) (uint64, bool) {
	v, ok := m.msrs[number]
	return v, ok
}

// word returns a word of the memory that is shared.
func (m *ring3) word(addr uint64) (*uint64, error) {
	for _, a := range []struct {
		at  uint64
		mem []byte
	}{{codeAddr, m.code}, {areaAddr, m.area}} {
		if off := addr - a.at; addr >= a.at && off+8 <= uint64(len(a.mem)) {
			return (*uint64)(unsafe.Pointer(&a.mem[off])), nil
		}
	}
	return nil, fmt.Errorf("%#x is not in the memory of the process", addr)
}

func (m *ring3) Read(addrs []uint64) ([]uint64, error) {
	words := make([]uint64, len(addrs))
	for i, a := range addrs {
		w, err := m.word(a)
		if err != nil {
			return nil, err
		}
		words[i] = *w
	}
	return words, nil
}

func (m *ring3) Write(addrs, words []uint64) error {
	for i, a := range addrs {
		w, err := m.word(a)
		if err != nil {
			return err
		}
		*w = words[i]
	}
	return nil
}

// Step runs the instruction at RIP, or does what it would do in ring 0.
func (m *ring3) Step() error {
	var r syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(m.pid, &r); err != nil {
		return err
	}
	off := r.Rip - codeAddr
	if off >= uint64(len(m.code)) {
		return &prove.StepError{Why: fmt.Sprintf("there is no code at %#x", r.Rip)}
	}
	length, err := m.inPlace(&r, m.code[off:])
	switch {
	case err != nil:
		return err
	case length == 0:
		return m.step()
	}
	r.Rip += uint64(length)
	r.Orig_rax = ^uint64(0)
	return syscall.PtraceSetRegs(m.pid, &r)
}

// inPlace does what an instruction does that ring 3 may not run, or that does
// something else there, and returns its length; 0 if ring 3 may run it.
func (m *ring3) inPlace(r *syscall.PtraceRegs, code []byte) (length int, err error) {
	has := func(bytes string) bool { return len(code) >= len(bytes) && string(code[:len(bytes)]) == bytes }
	switch {
	case has("\xfa"): // CLI
		m.flags &^= x86.X86_EFLAGS_IF
		return 1, nil
	case has("\xfb"): // STI
		m.flags |= x86.X86_EFLAGS_IF
		return 1, nil
	case has("\x0f\x01\xf8"): // SWAPGS
		r.Gs_base, m.otherGS = m.otherGS, r.Gs_base
		return 3, nil
	case has("\x0f\x01\xca"): // CLAC
		m.flags &^= x86.X86_EFLAGS_AC
		return 3, nil
	case has("\x0f\x01\xcb"): // STAC
		m.flags |= x86.X86_EFLAGS_AC
		return 3, nil
	case has("\x9c"): // PUSHFQ
		w, err := m.word(r.Rsp - 8)
		if err == nil {
			*w = r.Eflags&^(virtualFlags|x86.X86_EFLAGS_RF) | m.flags
			r.Rsp -= 8
		}
		return 1, err
	case has("\x9d"): // POPFQ
		w, err := m.word(r.Rsp)
		if err == nil {
			r.Eflags, m.flags = *w&^virtualFlags, *w&virtualFlags
			r.Rsp += 8
		}
		return 1, err
	case has("\x0f\x30"): // WRMSR
		return 2, m.writeMSR(r, uint32(r.Rcx), r.Rdx<<32|r.Rax&0xffff_ffff)
	case has("\x0f\x32"): // RDMSR
		v, err := m.readMSR(r, uint32(r.Rcx))
		r.Rax, r.Rdx = v&0xffff_ffff, v>>32
		return 2, err
	}
	rex := 0
	if len(code) > 0 && code[0]&0xf0 == 0x40 {
		rex = 1
	}
	if len(code) < rex+3 || code[rex] != 0x0f || code[rex+1] != 0x20 && code[rex+1] != 0x22 {
		return 0, nil
	}
	// MOV from and to a control register.
	modrm := code[rex+2]
	number := modrm & 7
	if rex == 1 {
		number |= code[0] & 1 << 3
	}
	word := generalOf(r)[number]
	const cr3 = 3
	switch from := code[rex+1] == 0x20; {
	case modrm>>3&7 == cr3 && from:
		*word = m.cr3
	case modrm>>3&7 == cr3:
		m.cr3 = *word &^ (1 << x86.X86_CR3_PCID_NOFLUSH_BIT)
	case from:
		*word = 0
	}
	return rex + 3, nil
}

func (m *ring3) writeMSR(r *syscall.PtraceRegs, number uint32, v uint64) error {
	switch uint64(number) {
	case x86.MSR_FS_BASE:
		r.Fs_base = v
	case x86.MSR_GS_BASE:
		r.Gs_base = v
	case x86.MSR_KERNEL_GS_BASE:
		m.otherGS = v
	default:
		m.msrs[number] = v
	}
	return nil
}

func (m *ring3) readMSR(r *syscall.PtraceRegs, number uint32) (uint64, error) {
	switch uint64(number) {
	case x86.MSR_FS_BASE:
		return r.Fs_base, nil
	case x86.MSR_GS_BASE:
		return r.Gs_base, nil
	case x86.MSR_KERNEL_GS_BASE:
		return m.otherGS, nil
	}
	v, ok := m.msrs[number]
	if !ok {
		return 0, &prove.StepError{Why: fmt.Sprintf("MSR %#x was never written", number)}
	}
	return v, nil
}
