package replay

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// Sizes of the memory that a replay is laid out in.
const (
	// slotSize is the size of the slot of a chunk, which lies anywhere in it: so chunks
	// get every offset in a page, and never touch.
	slotSize = 16 << 10
	// codeAlign is the least alignment of code: that of functions in the build.
	codeAlign = 16

	perCPUSpan = 4 * layout.PageSize
	lineSize   = 64

	stackBlocks = 64 * threads // kernel stacks to choose from, on as many physical pages
	userSpan    = 4 * layout.PageSize
	userStack   = 1 << 10 // bytes of one user stack
)

// Places behind the per-CPU area.
var (
	ringAt     = alignUp(uint64(asm.SizeOf[cpu[asm.Mem]]()), lineSize)
	trampoline = alignUp(ringAt+uint64(asm.SizeOf[ring[asm.Mem]]()), lineSize) + 4*lineSize // the top of the trampoline stack
	// The per-CPU words of paths that a machine has run.
	kernelWords = trampoline
	perCPUSize  = kernelWords + kernelLines*lineSize
)

// arena is the memory of a replay. All of it is below 2 GiB: the call table, because its
// address is a part of an instruction, and the code, because it names the table.
type arena struct {
	code  []byte // slots
	probe []byte // code that never moves
	table []byte // sys_call_table
	data  []byte // per-CPU span, user span, kernel stacks
}

const map32Bit = 0x40 // MAP_32BIT

func mapLow(size int) ([]byte, error) {
	m, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|map32Bit)
	if err != nil {
		return nil, fmt.Errorf("no memory below 2 GiB: %w", err)
	}
	return m, nil
}

func newArena(chunks int, probe chunk) (*arena, error) {
	a := &arena{}
	for _, part := range []struct {
		to   *[]byte
		size int
	}{
		{&a.code, 2 * chunks * slotSize},
		{&a.probe, layout.PageSize},
		{&a.table, 8 * (layout.SysCallMax + 1)},
		{&a.data, perCPUSpan + userSpan + (stackBlocks+2)*layout.ThreadSize},
	} {
		var err error
		if *part.to, err = mapLow(part.size); err != nil {
			return nil, err
		}
	}
	copy(a.probe, probe.Code)
	return a, protect(a.probe, true)
}

func addrOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func protect(b []byte, exec bool) error {
	prot := syscall.PROT_READ | syscall.PROT_WRITE
	if exec {
		prot = syscall.PROT_READ | syscall.PROT_EXEC
	}
	if err := syscall.Mprotect(b, prot); err != nil {
		return fmt.Errorf("memory for the replayed code cannot be made executable: %w", err)
	}
	return nil
}

// placed holds the addresses of one placement.
type placed struct {
	user, kernel, none, dose uint64
	stubs, rungs             []uint64
	numbers                  map[string][]uint64 // system call numbers by handler, for each stream
	perCPU                   uint64
	userSP                   uint64
	stack                    uint64   // a thread, at the bottom of its kernel stack
	ring                     []uint64 // the threads that switch
}

// place puts everything at new addresses.
func (a *arena) place(rng *rand.Rand, j *job) (*placed, error) {
	if err := protect(a.code, false); err != nil {
		return nil, err
	}
	for i := range a.code {
		a.code[i] = 0xcc // INT3
	}
	slots := rng.Perm(len(a.code) / slotSize)
	putAt := func(c *chunk, off int) uint64 {
		slot := a.code[slots[0]*slotSize:][:slotSize]
		slots = slots[1:]
		copy(slot[off:], c.Code)
		return addrOf(slot) + uint64(off)
	}
	anywhere := func(c *chunk) int { return codeAlign * rng.IntN((slotSize-len(c.Code))/codeAlign) }
	p := &placed{user: putAt(&j.User, anywhere(&j.User)), numbers: map[string][]uint64{}}
	off := anywhere(&j.Kernel)
	p.kernel = putAt(&j.Kernel, off)
	p.none, p.dose = putAt(&j.Kernel, off), putAt(&j.PositiveControl, off) // so that only a cycle differs
	// The rungs lie at any byte: a user's code is not aligned.
	off = rng.IntN(slotSize - len(j.Rungs[0].Code))
	for i := range j.Rungs {
		p.rungs = append(p.rungs, putAt(&j.Rungs[i], off))
	}
	for i := range j.Streams {
		st := &j.Streams[i]
		at := anywhere(&st.chunk)
		if st.Place.Align > 0 { // slots begin with a page
			first := st.Place.Behind(st.Defs[stubs.Entry])
			at = first + st.Place.Align*rng.IntN((slotSize-len(st.Code)-first)/st.Place.Align)
		}
		p.stubs = append(p.stubs, putAt(&st.chunk, at))
	}
	for i := range j.Streams {
		if err := a.relocate(&j.Streams[i].chunk, p.stubs[i], j, p.kernel); err != nil {
			return nil, err
		}
	}
	a.fillTable(rng, j, p)
	data := addrOf(a.data)
	p.perCPU = data + uint64(lineSize*rng.IntN((perCPUSpan-int(perCPUSize))/lineSize))
	p.userSP = data + perCPUSpan + uint64(userStack+codeAlign*rng.IntN((userSpan-userStack)/codeAlign))
	for _, b := range rng.Perm(stackBlocks)[:threads] {
		base := alignUp(data+perCPUSpan+userSpan, layout.ThreadSize)
		p.ring = append(p.ring, base+uint64(b)*layout.ThreadSize)
	}
	p.stack = p.ring[0]
	return p, protect(a.code, true)
}

func alignUp(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }

// relocate links a chunk at addr.
func (a *arena) relocate(c *chunk, addr uint64, j *job, kernel uint64) error {
	code := a.code[addr-addrOf(a.code):]
	for _, r := range c.Relocs {
		target := uint64(0)
		switch r.Target {
		case callTable:
			target = addrOf(a.table)
		case gsWord:
		default:
			off, ok := j.Kernel.Defs[r.Target]
			if !ok {
				off = j.Kernel.Defs[trap]
			}
			target = kernel + uint64(off)
		}
		v := int64(target) + r.Add
		if r.Abs {
			v += int64(int32(binary.LittleEndian.Uint32(code[r.Off:])))
		} else {
			v -= int64(addr) + int64(r.Off) + 4
		}
		if v != int64(int32(v)) {
			return fmt.Errorf("%s at %#x is out of reach of the code at %#x", r.Target, target, addr)
		}
		binary.LittleEndian.PutUint32(code[r.Off:], uint32(v))
	}
	return nil
}

// fillTable gives every handler of a cell a random number: one for each stream if the
// handler is the variant's wrapper, otherwise one for all.
func (a *arena) fillTable(rng *rand.Rand, j *job, p *placed) {
	free := rng.Perm(layout.SysCallMax + 1)
	set := func(addr uint64) uint64 {
		n := uint64(free[0])
		free = free[1:]
		binary.LittleEndian.PutUint64(a.table[8*n:], addr)
		return n
	}
	for i := range a.table {
		a.table[i] = 0
	}
	for _, c := range j.Cells {
		if p.numbers[c.Handler] != nil {
			continue
		}
		numbers := make([]uint64, len(j.Streams))
		off, shared := j.Kernel.Defs[c.Handler]
		addr := p.kernel + uint64(off)
		switch c.Handler {
		case sysNone:
			addr, shared = p.none+uint64(j.Kernel.Defs[sysWork]), true
		case sysPositiveControl:
			addr, shared = p.dose+uint64(j.PositiveControl.Defs[sysWork]), true
		}
		if shared {
			n := set(addr)
			for s := range numbers {
				numbers[s] = n
			}
		} else {
			for _, s := range c.Streams {
				if off, ok := j.Streams[s].Defs[c.Handler]; ok {
					numbers[s] = set(p.stubs[s] + uint64(off))
				} else { // its frames are always whole
					numbers[s] = set(p.kernel + uint64(j.Kernel.Defs[sysFull]))
				}
			}
		}
		p.numbers[c.Handler] = numbers
	}
}

// word returns the 64-bit word of the data at an address.
func (a *arena) word(addr uint64) []byte { return a.data[addr-addrOf(a.data):][:8] }

func (a *arena) set(addr, value uint64) { binary.LittleEndian.PutUint64(a.word(addr), value) }

func (a *arena) get(addr uint64) uint64 { return binary.LittleEndian.Uint64(a.word(addr)) }
