package confirm

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// loader is code that loads registers from the data behind it. Both page tables map it.
type loader struct {
	addr, data uint64
	code       []byte
	steps      int // its instructions
	msrs       []loaded
}

// loaded is an MSR that it loads.
type loaded struct {
	number uint32
	word   func(*prove.Registers) uint64
}

// The loader's data: what FXRSTOR loads, the frame of IRETQ, the general registers, CR3, the
// loader's own RFLAGS and the MSRs.
const (
	loadFPU     = 0
	loadFrame   = loadFPU + 512
	loadGeneral = loadFrame + 5*8
	loadCR3     = loadGeneral + 16*8
	loadFlags   = loadCR3 + 8
	loadMSRs    = loadFlags + 8
)

// newLoader makes the loader for a variant and puts it where another's code is.
func newLoader(obj *asm.Object, other, n stubs.Variant) (l loader, err error) {
	l.msrs = []loaded{
		{x86.MSR_FS_BASE, func(r *prove.Registers) uint64 { return r.FSBase }},
		{x86.MSR_GS_BASE, func(r *prove.Registers) uint64 { return r.GSBase }},
		{x86.MSR_KERNEL_GS_BASE, func(r *prove.Registers) uint64 { return r.OtherGSBase }},
	}
	if n.Axes.Promises().Has(stubs.PromiseIBRS) {
		l.msrs = append(l.msrs, loaded{x86.MSR_IA32_SPEC_CTRL, func(r *prove.Registers) uint64 { return r.SpecCtrl }})
	}
	if n.Axes.Promises().Has(stubs.PromiseShadowStack) {
		l.msrs = append(l.msrs, loaded{x86.MSR_IA32_U_CET, func(r *prove.Registers) uint64 { return r.UserCET }},
			loaded{x86.MSR_IA32_PL3_SSP, func(r *prove.Registers) uint64 { return r.PL3SSP }})
	}
	const size = 2048
	if l.addr, err = room(obj, other, size); err != nil {
		return l, err
	}
	l.data = (l.addr + size/2) &^ 15 // as FXRSTOR wants it
	at := asm.RDI.At
	code := asm.Block{
		asm.MOVQ(uint64(0xf), asm.RAX),
		asm.MOVQ(asm.RAX, asm.CR8), // interrupts wait
		asm.MOVQ(l.data, asm.RDI),
		asm.LEAQ(at(loadFlags), asm.RSP),
		asm.POPFQ(), // IRETQ refuses NT
		asm.FXRSTOR64(at(loadFPU)),
	}
	for i, msr := range l.msrs {
		code = append(code, asm.MOVL(msr.number, asm.RCX), asm.MOVL(at(loadMSRs+8*i), asm.RAX), asm.MOVL(at(loadMSRs+8*i+4), asm.RDX), asm.WRMSR())
	}
	code = append(code, asm.MOVQ(at(loadCR3), asm.RAX), asm.MOVQ(asm.RAX, asm.CR3), asm.LEAQ(at(loadFrame), asm.RSP))
	const rsp, rdi = 4, 7
	order := []asm.Reg{asm.RAX, asm.RCX, asm.RDX, asm.RBX, asm.RSP, asm.RBP, asm.RSI, asm.RDI, asm.R8, asm.R9, asm.R10, asm.R11, asm.R12, asm.R13, asm.R14, asm.R15}
	for i, r := range order {
		if i != rsp && i != rdi {
			code = append(code, asm.MOVQ(at(loadGeneral+8*i), r))
		}
	}
	code = append(code, asm.MOVQ(at(loadGeneral+8*rdi), asm.RDI), asm.IRETQ())
	l.steps = len(code)
	linked, err := asm.Link(asm.Program{Funcs: []asm.Func{asm.FUNC("load_registers", "", code...)}, Flat: true}, l.addr, l.addr&^(1<<31-1))
	if err != nil {
		return l, err
	}
	l.code = linked.Sections[0].Bytes
	for len(l.code)%4 != 0 {
		l.code = append(l.code, 0)
	}
	if l.addr+uint64(len(l.code)) > l.data || loadMSRs+8*len(l.msrs) > size/2-16 {
		return l, fmt.Errorf("the loader of registers has %d bytes and more data than there is room for", len(l.code))
	}
	return l, nil
}

// room is where a variant's code has so many bytes on end that every page table maps.
func room(obj *asm.Object, n stubs.Variant, size uint64) (uint64, error) {
	first, ok := obj.Addr(n.FuncName(stubs.Entry))
	end := first
	for _, s := range obj.Symbols {
		if _, variant, ours := stubs.CutFuncName(s.Name); ours && variant == n.Name && s.Func && s.Addr >= first {
			end = max(end, s.Addr+s.Size)
		}
	}
	if !ok || end-first < size {
		return 0, fmt.Errorf("%s has %d bytes of code behind its entry, want %d for a loader of registers", n.Name, end-first, size)
	}
	return first, nil
}

// image is the loader's data for some registers.
func (l *loader) image(r prove.Registers) []byte {
	var fpu fxsave
	fpu.load(r)
	var b []byte
	b, err := binary.Append(b, binary.LittleEndian, fpu)
	if err != nil {
		panic(err) // it has a fixed size
	}
	const rsp = 4
	words := slices.Concat([]uint64{r.RIP, uint64(r.CS), r.RFLAGS, r.General[rsp], uint64(r.SS)}, r.General[:], []uint64{r.CR3, x86.X86_EFLAGS_FIXED})
	for _, msr := range l.msrs {
		words = append(words, msr.word(&r))
	}
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}
