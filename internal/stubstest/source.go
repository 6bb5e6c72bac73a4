package stubstest

import (
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
	"golang.org/x/arch/x86/x86asm"
)

// byTable returns how GNU as writes an instruction that reaches a handler; "" for any other
// instruction.
func byTable(in asm.Ins) string {
	table := asm.Sym("sys_call_table").Index(asm.RAX, 8)
	switch {
	case in.Equal(asm.CALL(table)):
		return "call *sys_call_table(, %rax, 8)"
	case in.Equal(asm.MOVQ(table, asm.RAX)):
		return "movq sys_call_table(, %rax, 8), %rax"
	}
	return ""
}

// Source returns a file for the GNU assembler that is based on a variant and assembles to
// the bytes of its entry.
func Source(n stubs.Variant) (string, error) {
	im, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		return "", err
	}
	name := func(symbol string) string {
		if function, variant, _ := stubs.CutFuncName(symbol); variant == n.Name {
			return function
		}
		return symbol
	}
	functions := map[uint64]string{}
	for _, s := range im.Object.Symbols {
		functions[s.Addr] = name(s.Name)
	}
	l, ok := im.Object.Listing(n.FuncName(stubs.Entry))
	if !ok {
		return "", fmt.Errorf("%s has no entry", n.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# entrylab: base %s\n%s:\n", n.Name, stubs.Entry)
	last := l.Rows[len(l.Rows)-1]
	end := l.Addr + uint64(last.Off+len(last.Bytes))
	for _, r := range l.Rows {
		if r.Label != "" {
			if global := name(r.Label); global != r.Label {
				fmt.Fprintf(&b, "%s:\n", global)
			}
			continue
		}
		if as := byTable(r.Ins); as != "" {
			fmt.Fprintf(&b, "\t%s\n", as)
			continue
		}
		code, target := r.Bytes, ""
		// An instruction that this decoder does not know names no address.
		if in, err := x86asm.Decode(r.Bytes, 64); err == nil && in.PCRel == 4 {
			if to := l.Addr + uint64(r.Off+len(r.Bytes)) + displacement(r, in); to < l.Addr || to >= end {
				code, target = r.Bytes[:in.PCRelOff], functions[to]
			}
		}
		for _, c := range code {
			fmt.Fprintf(&b, "\t.byte %#x\n", c)
		}
		if target != "" {
			fmt.Fprintf(&b, "\t.long %s - . - 4\n", target)
		}
	}
	return b.String(), nil
}

// displacement returns an instruction's displacement, relative to its end.
func displacement(r asm.Row, in x86asm.Inst) uint64 {
	var d uint32
	for i := range 4 {
		d |= uint32(r.Bytes[in.PCRelOff+i]) << (8 * i)
	}
	return uint64(int64(int32(d)))
}
