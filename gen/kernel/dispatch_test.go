package kernel

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// TestTree follows x64_sys_call for every number of 32 bits: one of each between
// two numbers that it compares with stands for all of them. A number goes where
// sys_call_table has it go.
func TestTree(t *testing.T) {
	obj := linked(t)
	l, ok := obj.Listing(DispatchTree)
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
		got, steps, err := Descend(l, n)
		if err != nil {
			t.Fatal(err)
		}
		if got != want && got != ByFrame+want {
			t.Errorf("number %d goes to %s, want %s", n, got, want)
		}
		if n == 110 && steps != 23 { // Debian 6.12.107, getppid
			t.Errorf("number %d takes %d instructions, want 23 as in Debian's 6.12.107", n, steps)
		}
	}
}

// TestCallTable: x64_call_table has for every number the handler of sys_call_table, as one
// that takes the frame.
func TestCallTable(t *testing.T) {
	obj := linked(t)
	names := map[uint64]string{}
	for _, s := range obj.Symbols {
		names[s.Addr] = s.Name
	}
	table := append(wordsAt(t, obj, "sys_call_table", layout.SysSelect),
		wordsAt(t, obj, "control_calls", layout.SysCallMax+1-layout.SysSelect)...)
	for n, addr := range wordsAt(t, obj, "x64_call_table", layout.SysCallMax+1) {
		if want := "__x64_" + names[table[n]]; names[addr] != want {
			t.Errorf("number %d goes to %s, want %s", n, names[addr], want)
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

// TestDescend: what it cannot follow is an error.
func TestDescend(t *testing.T) {
	for _, tt := range []struct {
		name string
		body Block
		want string
	}{
		{"no jump", Block{NOP()}, "ends with number 1"},
		{"another instruction", Block{XORL(RAX, RAX), RET()}, "has XORL"},
		{"memory decides", Block{CMPQ(RSI, 1), JE("x"), LABEL("x"), JMP("y")}, "has CMPQ"},
		{"nothing compared", Block{JE("x"), LABEL("x"), JMP("y")}, "branches before it compares"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rows []Row
			for _, item := range tt.body {
				if in, ok := item.(Ins); ok {
					rows = append(rows, Row{Ins: in})
				}
			}
			_, _, err := Descend(Listing{Name: "f", Rows: rows}, 1)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}
