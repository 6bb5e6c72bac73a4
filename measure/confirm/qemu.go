package confirm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

var ptRegs = asm.Slots[layout.PtRegs[asm.Slot]]()

var percpu = asm.Slots[layout.PerCPU[asm.Slot]]()

// qemu is a machine of QEMU's that stands at a variant's entry.
type qemu struct {
	stub   *gdb.Stub
	regs   gdb.Registers // as they are
	fresh  bool          // regs is read
	addrs  []uint64      // that were read last: they are read with the registers
	words  []uint64      // what is there, nil if it was not read
	later  [2][]uint64   // addresses and words that are written with the next step
	places prove.Places
	tags   uint8  // of the x87 registers, which QEMU's stub neither tells nor sets
	die    uint64 // where the kernel gives up
	// call is where the guest's SYSCALL is, callCR3 the page table that maps it.
	call, callCR3 uint64
}

// ownMemory is the physical address of memory that nothing in the machine uses when
// the first call comes: half of vm.DefaultMemoryMiB. The kernel hands out RAM from the lowest
// on, and QEMU puts the initramfs at its end.
const ownMemory = vm.DefaultMemoryMiB << 20 / 2

// errNoCall says that a machine has not come to its first call.
var errNoCall = errors.New("it does not come to its first call")

// errDone ends a machine that is needed no more.
var errDone = errors.New("all is run")

// onQEMU boots a variant, stops it at the first call, and gives the machine to a
// function. It then ends it.
func onQEMU(ctx context.Context, n stubs.Variant, list []stubs.Variant, kernel *image.Image, use func(prove.Machine) error) error {
	m, err := boot.Prepare(ctx, boot.Config{Variants: list, Image: kernel, VM: vm.Config{Engine: vm.ICount}})
	if err != nil {
		return err
	}
	entry, ok := kernel.Object.Addr(n.FuncName(stubs.Entry))
	if !ok {
		return fmt.Errorf("%s has no entry", n.Name)
	}
	elsewhere, ok := kernel.Object.Addr("sys_ni_syscall")
	if !ok {
		return errors.New("the kernel has no sys_ni_syscall")
	}
	addrs := map[string]uint64{"die": 0, "ret_from_fork_to_user": 0, "return_to_usermode": 0}
	for name := range addrs {
		if addrs[name], ok = kernel.Object.Addr(name); !ok {
			return fmt.Errorf("the kernel has no %s", name)
		}
	}
	var failed error
	m.Debug = func(conn *os.File) error {
		q := &qemu{stub: gdb.New(gdb.Patient{File: conn}), die: addrs["die"]}
		failed = q.toRing3(addrs["ret_from_fork_to_user"], addrs["return_to_usermode"])
		if failed == nil {
			failed = q.begin(entry, elsewhere)
		}
		if failed != nil {
			failed = fmt.Errorf("%w: %w", errNoCall, failed)
		} else {
			failed = use(q)
		}
		return errors.Join(failed, errDone)
	}
	_, err = vm.Run(ctx, m)
	return ended(failed, err)
}

// ended returns the error of a machine whose debugger has ended it with errDone, failed or
// not; err is vm.Run's.
func ended(failed, err error) error {
	switch {
	case failed != nil:
		return failed
	case errors.Is(err, errDone):
		return nil
	case err == nil:
		return errors.New("the machine ended before its first call")
	}
	return err
}

// toRing3 lets init begin as a trap of ring 3 ends, from the same frame: where a thread
// goes to ring 3 and where traps end may be the variant's, and what is refuted of them would end the
// machine before its first call.
func (q *qemu) toRing3(fork, back uint64) error {
	if err := errors.Join(q.stub.Describe(), q.stub.Break(fork), q.stub.Continue(), q.stub.Unbreak(fork)); err != nil {
		return err
	}
	r, err := q.stub.Registers()
	if err != nil {
		return err
	}
	if r.RIP != fork {
		return fmt.Errorf("the machine stopped at %#x, want where its first thread begins, at %#x", r.RIP, fork)
	}
	r.RIP = back
	return q.stub.SetRegisters(r)
}

// begin lets the machine run to its first call.
func (q *qemu) begin(entry, elsewhere uint64) error {
	if err := errors.Join(q.stub.Break(entry), q.stub.Continue(), q.stub.Unbreak(entry)); err != nil {
		return err
	}
	r, err := q.stub.Registers()
	if err != nil {
		return err
	}
	if r.RIP != entry {
		return fmt.Errorf("the machine stopped at %#x, want its first call at %#x", r.RIP, entry)
	}
	const syscallLen = 2
	q.call, q.callCR3 = r.RCX-syscallLen, r.CR3
	// Interrupts wait from here on.
	if err := errors.Join(q.stub.SetCR8(0xf), q.stub.Break(q.die), q.stub.Physical()); err != nil {
		return err
	}
	const own = layout.PhysMap + ownMemory
	q.places = prove.Places{
		PerCPU: r.KernelGSBase, Stack: own + layout.ThreadSize, Next: own + 2*layout.ThreadSize,
		CR3: r.CR3 &^ layout.PTIUserBits, EFER: r.EFER, Elsewhere: elsewhere,
	}
	top, err := q.Read([]uint64{r.KernelGSBase + uint64(percpu.TSS.SP1.Off)})
	if err != nil {
		return err
	}
	q.places.Trampoline = top[0]
	return nil
}

func (q *qemu) Places() prove.Places { return q.places }

func (q *qemu) Exits() bool { return true }

func (q *qemu) Call(user prove.Registers) error {
	user.RIP, user.CR3 = q.call, q.callCR3
	if err := q.SetRegisters(user); err != nil {
		return err
	}
	return q.Step()
}

func (q *qemu) Step() error {
	later := q.later
	q.fresh, q.words, q.later = false, nil, [2][]uint64{}
	return q.stub.WriteStep(later[0], later[1])
}

// RunTo lets it run; at die it stops too.
func (q *qemu) RunTo(addr uint64) error {
	if err := errors.Join(q.flush(), q.stub.Break(addr)); err != nil {
		return err
	}
	q.fresh, q.words = false, nil
	if err := errors.Join(q.stub.Continue(), q.stub.Unbreak(addr)); err != nil {
		return err
	}
	return q.died()
}

// died reports an exception that the kernel does not survive.
func (q *qemu) died() error {
	if err := q.read(); err != nil || q.regs.RIP != q.die {
		return err
	}
	frame, vector := q.regs.RDI, q.regs.RSI
	words, err := q.stub.Words(physical([]uint64{frame + uint64(ptRegs.IP.Off)}))
	if err != nil {
		return err
	}
	return &prove.StepError{Why: fmt.Sprintf("exception %d comes at %#x", uint32(vector), words[0])}
}

func (q *qemu) CanRun() bool { return true }

// read reads the registers, and the words that were read before.
func (q *qemu) read() (err error) {
	if q.fresh {
		return nil
	}
	if err := q.flush(); err != nil {
		return err
	}
	q.regs, q.words, err = q.stub.RegistersWords(q.addrs)
	q.fresh = err == nil
	return err
}

// flush writes what was to be written later.
func (q *qemu) flush() error {
	later := q.later
	q.later = [2][]uint64{}
	return q.stub.WriteWords(later[0], later[1])
}

// general returns the registers in the order of their encoding.
func general(r *gdb.Registers) [16]*uint64 {
	return [16]*uint64{
		&r.RAX, &r.RCX, &r.RDX, &r.RBX, &r.RSP, &r.RBP, &r.RSI, &r.RDI,
		&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
	}
}

func (q *qemu) Registers() (prove.Registers, error) {
	if err := q.read(); err != nil {
		return prove.Registers{}, err
	}
	r := &q.regs
	out := prove.Registers{
		RIP: r.RIP, RFLAGS: uint64(r.Flags), CS: uint16(r.CS), SS: uint16(r.SS),
		DS: uint16(r.DS), ES: uint16(r.ES), FS: uint16(r.FS), GS: uint16(r.GS),
		FSBase: r.FSBase, GSBase: r.GSBase, OtherGSBase: r.KernelGSBase, CR3: r.CR3, XMM: r.XMM, MXCSR: r.MXCSR, X87: prove.X87{Control: uint16(r.X87Control[gdb.FCTRL]), Status: uint16(r.X87Control[gdb.FSTAT]), Tags: q.tags},
	}
	for i, n := range stackOf(out.X87) {
		out.X87.ST[i] = r.X87[n]
	}
	for i, word := range general(r) {
		out.General[i] = *word
	}
	return out, nil
}

// MSR returns EFER: QEMU's stub has no other.
func (q *qemu) MSR(number uint32) (uint64, bool) {
	return q.regs.EFER, number == x86.MSR_EFER && q.fresh
}

// stackOf returns the numbers of the x87 registers from the top of the stack down.
func stackOf(x prove.X87) (numbers [8]int) {
	for i := range numbers {
		numbers[i] = (int(x.Status>>x87Top) + i) & 7
	}
	return numbers
}

func (q *qemu) SetRegisters(to prove.Registers) error {
	if err := q.read(); err != nil {
		return err
	}
	r := q.regs
	for i, word := range general(&r) {
		*word = to.General[i]
	}
	r.RIP, r.Flags, r.CS, r.SS = to.RIP, uint32(to.RFLAGS), uint32(to.CS), uint32(to.SS)
	r.FSBase, r.GSBase, r.KernelGSBase, r.CR3 = to.FSBase, to.GSBase, to.OtherGSBase, to.CR3
	r.XMM, r.MXCSR = to.XMM, to.MXCSR
	r.X87Control[gdb.FCTRL], r.X87Control[gdb.FSTAT], q.tags = uint32(to.X87.Control), uint32(to.X87.Status), to.X87.Tags
	for i, n := range stackOf(to.X87) {
		r.X87[n] = to.X87.ST[i]
	}
	if err := q.stub.SetAll(q.regs, r); err != nil {
		return err
	}
	q.regs = r
	return nil
}

func (q *qemu) Read(addrs []uint64) (words []uint64, err error) {
	addrs = physical(addrs)
	if q.words != nil && slices.Equal(addrs, q.addrs) {
		return q.words, nil
	}
	if err := q.flush(); err != nil {
		return nil, err
	}
	q.addrs = addrs
	q.words, err = q.stub.Words(addrs)
	return q.words, err
}

func (q *qemu) Write(addrs, words []uint64) error {
	q.words = nil
	q.later[0], q.later[1] = append(q.later[0], physical(addrs)...), append(q.later[1], words...)
	return nil
}

// physical returns the physical addresses of words of the kernel's memory: another page
// table than the kernel's may be in force.
func physical(addrs []uint64) []uint64 {
	list := make([]uint64, len(addrs))
	for i, a := range addrs {
		if a >= layout.KernelBase {
			list[i] = a - layout.KernelBase
		} else {
			list[i] = a - layout.PhysMap
		}
	}
	return list
}
