package trace

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
)

// scripted is a stub that says what the text holds, whatever it is asked.
func scripted(text string) stub { return stub{io.Discard, bufio.NewReader(strings.NewReader(text))} }

func packet(data string) string { return fmt.Sprintf("+$%s#%02x", data, sum(data)) }

func TestStubTrouble(t *testing.T) {
	regs := func(s stub) error { _, err := s.registers(); return err }
	step := func(s stub) error { return s.run("s") }
	for _, row := range []struct {
		name, said string
		do         func(stub) error
		want       string
	}{
		{"gone", "", step, "no answer"},
		{"gone after the +", "+", step, "EOF"},
		{"refused", "-", step, "not received whole"},
		{"damaged", "+$T05#00", step, "sum is 00, want b9"},
		{"cut in the sum", "+$T05#b", step, "EOF"},
		{"ended", packet("W00"), step, errEnded.Error()},
		{"another signal", packet("T0b"), step, "want a stop"},
		{"few registers", packet("0011"), regs, "registers are"},
		{"no registers", packet(strings.Repeat("x", 272)), regs, "registers are"},
		{"no breakpoint", packet("E22"), func(s stub) error { return s.breakpoint(1) }, `"E22"`},
		{"no detach", packet(""), stub.detach, "detach"},
	} {
		if err := row.do(scripted(row.said)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error is %v, want %q in it", row.name, err, row.want)
		}
	}
	if err := step(scripted("+$T0" + packet("T05")[1:])); err != nil {
		t.Errorf("a packet that begins anew: %v", err)
	}
	r, err := scripted(packet("0100000000000000" + strings.Repeat("00", 8*15) + "000010f8ffffffff" + "00")).registers()
	if want := (registers{1, 0xfffffffff8100000}); err != nil || r != want {
		t.Errorf("registers are %x and %v, want %x", r, err, want)
	}
}

// toy is an image: an entry with a label, a thunk, a handler, in 16 bytes each.
func toy() *image {
	var list []elf.Symbol
	for i, name := range []string{"entry_SYSCALL_64.v", "thunk", "sys_getppid", "other"} {
		list = append(list, elf.Symbol{Name: name, Value: layout.KernelBase + uint64(16*i), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)})
	}
	return newImage(append(list, elf.Symbol{Name: "out", Value: layout.KernelBase + 8}))
}

func TestAttribute(t *testing.T) {
	for _, row := range []struct {
		name                 string
		steps                []int
		entry, handler, exit int
		err                  string
	}{
		{"plain", []int{0, 1, 2, 32, 33, 8, 9}, 4, 2, 2, ""},
		{"through a thunk", []int{0, 1, 16, 17, 32, 33, 8}, 3, 4, 1, ""},
		{"a function called before the handler", []int{0, 16, 17, 1, 32, 8, 9, 10}, 5, 1, 3, ""},
		{"no handler", []int{0, 1, 2}, 3, 0, 1, ""},
		{"leaves by another function", []int{0, 1, 32, 33, 48}, 0, 0, 0, "does not come back"},
	} {
		steps := make([]uint64, len(row.steps))
		for i, off := range row.steps {
			steps[i] = layout.KernelBase + uint64(off)
		}
		c := Call{Variant: "v"}
		err := c.attribute(steps, toy())
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%s: error is %v, want %q in it", row.name, err, row.err)
			}
			continue
		}
		if got := [3]int{c.Entry, c.Handler, c.Exit}; err != nil || got != [3]int{row.entry, row.handler, row.exit} {
			t.Errorf("%s: phases are %v and %v, want %d, %d, %d", row.name, got, err, row.entry, row.handler, row.exit)
		}
		all := 0
		for _, p := range c.Places {
			all += p.Count
		}
		if all != c.Total() {
			t.Errorf("%s: %d instructions at places, %d in phases", row.name, all, c.Total())
		}
	}
	if fn, label := toy().place(layout.KernelBase + 9); fn != "entry_SYSCALL_64.v" || label != "out" {
		t.Errorf("place is %s, %s", fn, label)
	}
	if err := follow(scripted(strings.Repeat(packet("OK"), 1)+packet("W00")), toy(), map[uint64]int{1: 0}, make([]Call, 1)); !errors.Is(err, errEnded) {
		t.Errorf("a machine that ends early: error is %v", err)
	}
}
