package asm

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
)

// offsets flattens a structure of Words into the offsets that the compiler
// gave them.
func offsets(t reflect.Type, base int) []int {
	switch t.Kind() {
	case reflect.Struct:
		var all []int
		for i := range t.NumField() {
			all = append(all, offsets(t.Field(i).Type, base+int(t.Field(i).Offset))...)
		}
		return all
	case reflect.Array:
		var all []int
		for i := range t.Len() {
			all = append(all, offsets(t.Elem(), base+i*int(t.Elem().Size()))...)
		}
		return all
	}
	return []int{base}
}

// handles flattens a structure into its Mems or Slots.
func handles(v reflect.Value) []any {
	if _, ok := v.Interface().(Mem); ok {
		return []any{v.Interface()}
	}
	if _, ok := v.Interface().(Slot); ok {
		return []any{v.Interface()}
	}
	var all []any
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			all = append(all, handles(v.Field(i))...)
		}
	case reflect.Array:
		for i := range v.Len() {
			all = append(all, handles(v.Index(i))...)
		}
	}
	return all
}

// compareLayout compares handles, made for base 16, with the memory.
func compareLayout(t *testing.T, mem reflect.Type, fields, slots any, size int) {
	t.Helper()
	want, fs, ss := offsets(mem, 0), handles(reflect.ValueOf(fields).Elem()), handles(reflect.ValueOf(slots))
	if size != int(mem.Size()) || len(fs) != len(want) || len(ss) != len(want) {
		t.Fatalf("%v: %d bytes, %d fields, %d slots; the memory has %d bytes, %d words", mem, size, len(fs), len(ss), mem.Size(), len(want))
	}
	for i, off := range want {
		f, s := fs[i].(Mem), ss[i].(Slot)
		if f.Disp() != 16+off || f.Field() != s || s.Off != off {
			t.Errorf("%v: word %d is at %d; the field %v is at %d, the slot %v at %d", mem, i, off, f, f.Disp()-16, s, s.Off)
		}
	}
}

// TestFields checks that operands and slots are where the compiler puts the
// same structure's words.
func TestFields(t *testing.T) {
	base := RAX.At(16)
	compareLayout(t, reflect.TypeFor[layout.PtRegs[layout.Word]](), Fields[layout.PtRegs[Mem]](base), Slots[layout.PtRegs[Slot]](), SizeOf[layout.PtRegs[Mem]]())
	compareLayout(t, reflect.TypeFor[layout.PerCPU[layout.Word]](), Fields[layout.PerCPU[Mem]](base), Slots[layout.PerCPU[Slot]](), SizeOf[layout.PerCPU[Mem]]())
	compareLayout(t, reflect.TypeFor[layout.Thread[layout.Word]](), Fields[layout.Thread[Mem]](base), Slots[layout.Thread[Slot]](), SizeOf[layout.Thread[Slot]]())
	compareLayout(t, reflect.TypeFor[layout.RTSigFrame[layout.Word]](), Fields[layout.RTSigFrame[Mem]](base), Slots[layout.RTSigFrame[Slot]](), SizeOf[layout.RTSigFrame[layout.Word]]())
}

func TestFieldsPanics(t *testing.T) {
	for name, test := range map[string]struct {
		make func()
		want string
	}{
		"base":  {func() { Fields[iretT[Mem]](5) }, "asm.Fields: the base is of type int; want a Reg or a Mem"},
		"words": {func() { Slots[struct{ A int32 }]() }, "asm: .A is of type int32; a shared structure holds words, arrays and structures of words"},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != test.want {
					t.Errorf("%s: %s; want %s", name, got, test.want)
				}
			}()
			test.make()
		}()
	}
}

type nestedT[T any] struct{ A [2]iretT[T] }

// TestOperandText checks how operands print.
func TestOperandText(t *testing.T) {
	nested := Fields[nestedT[Mem]](GS)
	for _, test := range []struct {
		operand any
		want    string
	}{
		{RAX, "RAX"},
		{Reg(0), "none"},
		{Reg(99), "Reg(99)"},
		{RAX.At(0), "(RAX)"},
		{RAX.At(-8), "-8(RAX)"},
		{RAX.At(0x12345), "0x12345(RAX)"},
		{RAX.Index(RBX, 8).Add(4), "4(RAX)(RBX*8)"},
		{GS.At(0), "GS:0"},
		{segmented(FS, RAX.At(8)), "FS:8(RAX)"},
		{Abs(4096), "4096"},
		{Sym("table").Add(-8).Index(RAX, 8), "table-8(RAX*8)"},
		{Str("a\n"), `"a\n"`},
		{gsArea.UserSP, "areaT.UserSP(GS)"},
		{onRSP.SS, "iretT.SS(RSP)"},
		{onRSP.SS.Add(0), "iretT.SS(RSP)"},
		{onRSP.SS.Add(8), "40(RSP)"},
		{nested.A[1].CS, "nestedT.A[1].CS(GS)"},
		{9, "$9"},
		{10, "$0xa"},
		{-1024, "$-1024"},
		{-1025, "$0xfffffffffffffbff"},
		{uint64(1<<64 - 1), "$0xffffffffffffffff"},
		{layout.SlotSS, "$0x14"},
		{"", `""`},
	} {
		in := mk("TEST", test.operand)
		if got := in.p.text(0); got != "TEST "+test.want {
			t.Errorf("%s; want TEST %s", got, test.want)
		}
	}
}
