package stubstest

import (
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
	"golang.org/x/arch/x86/x86asm"
)

// byTable are the instructions that reach a handler, as GNU as writes them.
var byTable = map[string]string{
	"CALL *sys_call_table(RAX*8)":     "call *sys_call_table(, %rax, 8)",
	"MOVQ sys_call_table(RAX*8), RAX": "movq sys_call_table(, %rax, 8), %rax",
}

// Source returns a file for the GNU assembler that is based on a variant and has
// its entry, byte for byte.
func Source(n stubs.Named) (string, error) {
	im, err := image.Build(image.Config{Variants: []stubs.Named{n}})
	if err != nil {
		return "", err
	}
	name := func(symbol string) string { return strings.TrimSuffix(symbol, "."+n.Name) }
	functions := map[uint64]string{}
	for _, s := range im.Object.Symbols {
		functions[s.Addr] = name(s.Name)
	}
	l, ok := im.Object.Listing("entry_SYSCALL_64." + n.Name)
	if !ok {
		return "", fmt.Errorf("%s has no entry", n.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# entrylab: base %s\nentry_SYSCALL_64:\n", n.Name)
	last := l.Rows[len(l.Rows)-1]
	end := l.Addr + uint64(last.Off+len(last.Bytes))
	for _, r := range l.Rows {
		if r.Label != "" {
			if global := name(r.Label); global != r.Label {
				fmt.Fprintf(&b, "%s:\n", global)
			}
			continue
		}
		if as, ok := byTable[strings.Join(strings.Fields(r.Text), " ")]; ok {
			fmt.Fprintf(&b, "\t%s\n", as)
			continue
		}
		code, target := r.Bytes, ""
		// What this decoder does not know names no address.
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

// displacement is that of an instruction relative to its end.
func displacement(r asm.Row, in x86asm.Inst) uint64 {
	var d uint32
	for i := range 4 {
		d |= uint32(r.Bytes[in.PCRelOff+i]) << (8 * i)
	}
	return uint64(int64(int32(d)))
}
