package kernel

import (
	"encoding/binary"
	"slices"
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// TestTree follows x64_sys_call for every number of 32 bits: one of each between
// two numbers that it compares with stands for all of them. A number goes where
// sys_call_table has it go.
func TestTree(t *testing.T) {
	obj := linked(t)
	l, ok := obj.Listing("x64_sys_call")
	if !ok {
		t.Fatal("the kernel has no x64_sys_call")
	}
	names := map[uint64]string{}
	for _, s := range obj.Symbols {
		names[s.Addr] = s.Name
	}
	table := append(wordsAt(t, obj, "sys_call_table", layout.SysSelect),
		wordsAt(t, obj, "control_calls", layout.SysCallMax+1-layout.SysSelect)...)
	numbers := []uint32{0, 1<<32 - 1}
	for _, r := range l.Rows {
		if r.Ins.Mnemonic() == "CMPL" {
			n := uint32(r.Ins.Operands()[1].(int))
			numbers = append(numbers, n-1, n, n+1)
		}
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		want := sysNiSyscall().Name
		if n <= layout.SysCallMax {
			want = names[table[n]]
		}
		got, steps := descend(t, l, n)
		if got != want && got != "__x64_"+want {
			t.Errorf("number %d goes to %s, want %s", n, got, want)
		}
		if n == 110 && steps != 23 { // Debian 6.12.107, getppid
			t.Errorf("number %d takes %d instructions, want 23 as in Debian's 6.12.107", n, steps)
		}
	}
}

// wordsAt reads words of the program's data.
func wordsAt(t *testing.T, obj *Object, name string, n int) []uint64 {
	t.Helper()
	addr, ok := obj.Addr(name)
	for _, sec := range obj.Sections {
		if off := addr - sec.Addr; ok && addr >= sec.Addr && off < uint64(len(sec.Bytes)) {
			words := make([]uint64, n)
			if _, err := binary.Decode(sec.Bytes[off:], binary.LittleEndian, words); err != nil {
				t.Fatal(err)
			}
			return words
		}
	}
	t.Fatalf("the kernel has no %s", name)
	return nil
}

// descend runs x64_sys_call with a number and returns where it goes, in how many
// instructions.
func descend(t *testing.T, l Listing, n uint32) (to string, steps int) {
	t.Helper()
	var with uint32
	for i := 0; i < len(l.Rows); i++ {
		r := l.Rows[i]
		if r.Label != "" {
			continue
		}
		steps++
		switch name := r.Ins.Mnemonic(); name {
		case "NOP":
		case "CMPL":
			with = uint32(r.Ins.Operands()[1].(int))
		case "JMP", "JE", "JA":
			if name == "JE" && n != with || name == "JA" && n <= with {
				continue
			}
			to := r.Ins.Operands()[0].(string)
			at := slices.IndexFunc(l.Rows, func(r Row) bool { return r.Label == to })
			if at < 0 {
				return to, steps
			}
			i = at
		default:
			t.Fatalf("x64_sys_call has %v", r.Ins)
		}
	}
	t.Fatalf("x64_sys_call ends with number %d", n)
	return "", 0
}
