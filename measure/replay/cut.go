package replay

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// A path that a machine has run is replayed by its assembly: from SYSCALL to the CALL of the
// C entry, and from its return to SYSRETQ. Each instruction that was run is a part of the
// chunk, at its distance from the others; all else is INT3, so that code which goes
// another way than on the machine ends the replay.

// Sizes of what a path is cut into.
const (
	// clusterGap is how far apart in the kernel instructions are that are brought closer:
	// more than a short jump goes.
	clusterGap = 256
	// maxCut is the size of the code that fits in a slot and leaves room to move it.
	maxCut = slotSize / 2
)

// kernelLines is how many lines of per-CPU words a path may use.
const kernelLines = 16

// words are the per-CPU words of a path that have values during a replay, as offsets from
// the GS base. The others are 0.
type words struct {
	Stack      []int // from which the entry takes the kernel stack
	Trampoline []int // from which the exit takes the stack that it leaves from
}

// Cut is what of a path is replayed.
type Cut struct {
	Label string
	// Entry and Exit are the instructions of its assembly, without SYSCALL; All are those
	// of the whole call.
	Entry, Exit, All int
	// C is the function that the entry calls, which is left out.
	C string
	// Replaced are the instructions that ring 3 may not run, each once for each time that
	// the path runs it.
	Replaced []string
}

// apart returns the instructions that ring 3 leaves out and that take long on a real CPU:
// they must be the same in two paths for a difference to mean anything.
func (c Cut) apart() string {
	var list []string
	for _, name := range c.Replaced {
		if slices.Contains([]string{"MOV CR3", "WRMSR", "RDMSR", "IRETQ"}, name) {
			list = append(list, name)
		}
	}
	return strings.Join(slices.Sorted(slices.Values(list)), ", ")
}

// leftOut are the instructions of a path that ring 3 may not run, by their first bytes (SDM
// volume 2), and what is run instead.
var leftOut = []struct {
	name     string
	was, is  []byte
	anything int // bytes behind was that may be anything
}{
	{"SYSRETQ", []byte{0x48, 0x0f, 0x07}, []byte{0xff, 0xe1, 0xcc}, 0}, // JMP *RCX; INT3
	{"SWAPGS", []byte{0x0f, 0x01, 0xf8}, []byte{0x0f, 0x1f, 0x00}, 0},
	{"CLAC", []byte{0x0f, 0x01, 0xca}, []byte{0x0f, 0x1f, 0x00}, 0},
	{"STAC", []byte{0x0f, 0x01, 0xcb}, []byte{0x0f, 0x1f, 0x00}, 0},
	{"STI", []byte{0xfb}, []byte{0x90}, 0},
	{"CLI", []byte{0xfa}, []byte{0x90}, 0},
	{"WRMSR", []byte{0x0f, 0x30}, []byte{0x66, 0x90}, 0},
	{"RDMSR", []byte{0x0f, 0x32}, []byte{0x66, 0x90}, 0},
	{"MOV CR3", []byte{0x0f, 0x20}, []byte{0x0f, 0x1f, 0x00}, 1},
	{"MOV CR3", []byte{0x0f, 0x22}, []byte{0x0f, 0x1f, 0x00}, 1},
}

// known are instructions without an operand in memory that the decoder does not know.
var known = [][]byte{
	{0xf3, 0x0f, 0x1e, 0xfa}, // ENDBR64
	{0x48, 0xcf},             // IRETQ
}

// cutter cuts a path.
type cutter struct {
	*stub
	words words
	offs  map[uint64]int // where each instruction is in the chunk, by its address
	lines []uint64       // of 64 bytes of per-CPU words that the path uses, in their order
	// stored are the words that keep the user's RSP.
	stored map[uint64]bool
}

// cutOf cuts the assembly out of a path.
func cutOf(p trace.Path) (*stub, words, Cut, error) {
	fail := func(err error) (*stub, words, Cut, error) {
		return nil, words{}, Cut{}, fmt.Errorf("%s cannot be replayed: %w", p.Subject, err)
	}
	entry, exit, all, err := assembly(p)
	if err != nil {
		return fail(err)
	}
	c := &cutter{stub: &stub{places: map[int]string{}}, offs: map[uint64]int{}, stored: map[uint64]bool{}}
	if err := c.place(slices.Concat(entry, exit)); err != nil {
		return fail(err)
	}
	c.Defs = map[string]int{stubs.Entry: c.offs[entry[0].Addr]}
	for _, s := range slices.Concat(entry, exit) {
		if err := c.perCPU(s); err != nil {
			return fail(err)
		}
	}
	call := entry[len(entry)-1]
	done := map[uint64]bool{}
	cut := Cut{Label: p.Subject, Entry: len(entry), Exit: len(exit), All: all, C: cmp.Or(p.Steps[len(entry)+1].Func, fmt.Sprintf("%#x", p.Steps[len(entry)+1].Addr))}
	for i, s := range slices.Concat(entry, exit) {
		if name := c.leave(s); name != "" {
			cut.Replaced = append(cut.Replaced, name)
			continue
		}
		if done[s.Addr] {
			continue
		}
		done[s.Addr] = true
		link := c.link
		if s.Addr == call.Addr {
			link = c.toC
		}
		if err := link(s, i < len(entry)); err != nil {
			return fail(fmt.Errorf("%s (%s): %w", s.Place(), s.Text(), err))
		}
	}
	if bytes.Equal(exit[len(exit)-1].Code, []byte{0x48, 0xcf}) {
		cut.Replaced = append(cut.Replaced, "IRETQ")
	}
	return c.stub, c.words, cut, nil
}

// assembly returns the steps of a path's assembly without SYSCALL, and how many
// instructions the path has.
func assembly(p trace.Path) (entry, exit []trace.Step, all int, err error) {
	stages, err := p.Stages()
	if errors.Is(err, trace.ErrNoHandler) {
		return nil, nil, 0, fmt.Errorf("where its assembly ends is not known: %w", err)
	}
	if err != nil {
		return nil, nil, 0, err
	}
	for i, s := range p.Steps {
		switch {
		case s.Func == trace.Ring3:
		case stages[i] == trace.AssemblyEntry:
			entry = append(entry, s)
		case stages[i] == trace.AssemblyExit:
			exit = append(exit, s)
		}
	}
	if len(entry) == 0 || len(exit) == 0 {
		return nil, nil, 0, errors.New("it has no assembly around its call")
	}
	return entry, exit, len(p.Steps), nil
}

// place gives each instruction a place in the chunk.
func (c *cutter) place(steps []trace.Step) error {
	steps = slices.Clone(steps)
	slices.SortStableFunc(steps, func(a, b trace.Step) int { return cmp.Compare(a.Addr, b.Addr) })
	begin := steps[0].Addr
	last := begin
	off := clusterGap + int(begin%lineSize) // so that a jump that is not taken stays inside
	for _, s := range steps {
		if _, ok := c.offs[s.Addr]; ok {
			continue
		}
		if s.Addr-last > clusterGap { // what is far stays at its place in a line
			off += clusterGap
			off += int((s.Addr - uint64(off)) % lineSize)
		} else {
			off += int(s.Addr - last)
		}
		if last = s.Addr; off+len(s.Code) > maxCut {
			return fmt.Errorf("its assembly is spread over more than %d bytes", maxCut)
		}
		c.offs[s.Addr] = off
		c.places[off] = fmt.Sprintf("%s (%s)", s.Place(), s.Text())
		c.grow(off)
		c.Code = append(c.Code[:off], s.Code...)
	}
	c.grow(len(c.Code) + clusterGap)
	return nil
}

// grow makes the chunk at least that long.
func (c *cutter) grow(size int) {
	for len(c.Code) < size {
		c.Code = append(c.Code, 0xcc)
	}
}

// leave replaces an instruction that ring 3 may not run, and returns its name.
func (c *cutter) leave(s trace.Step) string {
	code := bytes.TrimPrefix(s.Code, []byte{0x48}) // a REX.W that says nothing in front of MOV CR3
	for _, l := range leftOut {
		was := s.Code
		if l.anything > 0 {
			was = code
		}
		if len(was) == len(l.was)+l.anything && bytes.HasPrefix(was, l.was) && (l.anything == 0 || was[2]&0x38 == 3<<3) {
			off := c.offs[s.Addr]
			for i := range s.Code {
				c.Code[off+i] = 0x90
			}
			copy(c.Code[off+len(s.Code)-len(l.is):], l.is)
			return l.name
		}
	}
	return ""
}

// offset returns the offset from the GS base that an instruction's operand in memory has, if
// it has one.
func offset(s trace.Step) (off uint64, mem x86asm.Mem, ok bool, err error) {
	in, err := x86asm.Decode(s.Code, 64)
	if err != nil {
		return 0, mem, false, nil
	}
	for _, a := range in.Args {
		m, is := a.(x86asm.Mem)
		if !is || m.Segment != x86asm.GS {
			continue
		}
		switch {
		case m.Base == x86asm.RIP:
			return s.Addr + uint64(in.Len) + uint64(int64(int32(m.Disp))), m, true, nil
		case m.Base == 0 && m.Index == 0:
			return uint64(int64(int32(m.Disp))), m, true, nil
		}
		return 0, m, false, fmt.Errorf("%s (%s): the address of its per-CPU word is in a register", s.Place(), s.Text())
	}
	return 0, mem, false, nil
}

// perCPU notes the lines of the per-CPU word that an instruction names.
func (c *cutter) perCPU(s trace.Step) error {
	off, _, ok, err := offset(s)
	if err != nil || !ok {
		return err
	}
	for _, line := range []uint64{off / lineSize, (off + 7) / lineSize} {
		if i, found := slices.BinarySearch(c.lines, line); !found {
			c.lines = slices.Insert(c.lines, i, line)
		}
	}
	if len(c.lines) > kernelLines {
		return fmt.Errorf("its assembly uses more than %d lines of per-CPU words", kernelLines)
	}
	return nil
}

// link links an instruction: with its per-CPU word, with a constant, with code elsewhere in
// the chunk.
func (c *cutter) link(s trace.Step, entry bool) error {
	if slices.ContainsFunc(known, func(k []byte) bool { return bytes.Equal(k, s.Code) }) {
		return nil
	}
	in, err := x86asm.Decode(s.Code, 64)
	if err != nil {
		return errors.New("what it does is not known")
	}
	at := c.offs[s.Addr]
	next := s.Addr + uint64(in.Len)
	if word, mem, ok, err := offset(s); err != nil || ok {
		if err == nil {
			err = c.toWord(in, mem, at, word, entry)
		}
		return err
	}
	for _, a := range in.Args {
		switch a := a.(type) {
		case x86asm.Rel:
			return c.toCode(in, at, next+uint64(int64(a)))
		case x86asm.Mem:
			switch {
			case a.Base == x86asm.RIP && len(s.Data) == trace.DataSize:
				c.keep(s.Data, at+in.PCRelOff, at+in.Len)
			case a.Base == x86asm.RIP, a.Base == 0 && a.Segment != x86asm.FS:
				return errors.New("it uses the kernel's data")
			}
		}
	}
	if in.Op == x86asm.JMP || in.Op == x86asm.CALL {
		return errors.New("where it goes is in a register or in memory")
	}
	return nil
}

// toWord links an instruction with its per-CPU word, and notes what the word is for.
func (c *cutter) toWord(in x86asm.Inst, mem x86asm.Mem, at int, word uint64, entry bool) error {
	line, _ := slices.BinarySearch(c.lines, word/lineSize)
	is := int(kernelWords) + line*lineSize + int(word%lineSize)
	if in.Op == x86asm.MOV {
		switch {
		case in.Args[1] == x86asm.RSP:
			c.stored[word] = true
		case in.Args[0] == x86asm.RSP && !c.stored[word]:
			to := &c.words.Trampoline
			if entry {
				to = &c.words.Stack
			}
			*to = append(*to, is)
		}
	}
	if mem.Base == x86asm.RIP {
		c.Relocs = append(c.Relocs, reloc{Off: at + in.PCRelOff, Target: gsWord, Add: int64(is - (in.Len - in.PCRelOff - 4))})
		return nil
	}
	var disp [5]byte // behind the SIB byte of an operand that is only a displacement
	disp[0] = 0x25
	binary.LittleEndian.PutUint32(disp[1:], uint32(mem.Disp))
	i := bytes.LastIndex(c.Code[at:at+in.Len], disp[:])
	if i < 0 {
		return errors.New("its per-CPU word is not found in its bytes")
	}
	binary.LittleEndian.PutUint32(c.Code[at+i+1:], uint32(is))
	return nil
}

// toCode links a jump or a call with its target. One that was not run is not in the chunk:
// an INT3 is there.
func (c *cutter) toCode(in x86asm.Inst, at int, target uint64) error {
	to, ran := c.offs[target]
	if in.PCRel != 4 {
		if ran && to != at+in.Len+int(int8(c.Code[at+in.PCRelOff])) {
			return errors.New("its target is too far away")
		}
		return nil // all around is INT3
	}
	binary.LittleEndian.PutUint32(c.Code[at+in.PCRelOff:], uint32(to-at-in.Len)) // 0 is an INT3
	return nil
}

// toC links the CALL that the assembly ends with. It calls the C entry, or the handler by
// the table of calls.
func (c *cutter) toC(s trace.Step, _ bool) error {
	in, err := x86asm.Decode(s.Code, 64)
	if err != nil || in.Op != x86asm.CALL {
		return errors.New("it is no CALL")
	}
	at := c.offs[s.Addr]
	switch a := in.Args[0].(type) {
	case x86asm.Rel:
		c.Relocs = append(c.Relocs, reloc{Off: at + in.PCRelOff, Target: cEntry})
		return nil
	case x86asm.Mem:
		if a.Base == 0 && a.Index == x86asm.RAX && a.Scale == 8 {
			off := at + in.Len - 4
			binary.LittleEndian.PutUint32(c.Code[off:], 0)
			c.Relocs = append(c.Relocs, reloc{Off: off, Target: callTable, Abs: true})
			return nil
		}
	}
	return errors.New("it calls neither a function nor the table of calls by the number in RAX")
}

// cEntryFunc stands for the C part of a kernel: it calls the handler whose number the frame
// has, and stores its result. It returns 1, by which do_syscall_64 says since Linux 6.6 that
// SYSRETQ may be used.
func cEntryFunc() asm.Func {
	frame := asm.Fields[ptRegs](asm.RSP.At(8))
	return asm.FUNC(cEntry, "calls the handler of the frame above the return address.",
		asm.MOVQ(frame.OrigAX, asm.RAX),
		asm.MOVQ(frame.DI, asm.RDI),
		asm.MOVQ(gs.CallTable, asm.RCX),
		asm.CALL(asm.RCX.Index(asm.RAX, 8)),
		asm.MOVQ(asm.RAX, frame.AX),
		asm.MOVL(1, asm.RAX),
		asm.RET())
}
