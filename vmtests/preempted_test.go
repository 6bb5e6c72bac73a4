package vmtests

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
)

// TestPreemptedInCalls: what earlier calls have left on the stack keeps no call from being
// preempted, with return thunks, whose own words on the stack the kernel looks at, and without.
func TestPreemptedInCalls(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"linux-4.1", "linux-6.12", "linux-6.12-zen2", "linux-6.12-zen3", "linux-6.12-icelake", callDepth} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.ICount)
			m.Append = layout.ControlWord
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{variant(t, name)}, Init: program(t, "spins"), VM: m})
			if res.Outcome != vm.Exited || res.Status != 0 {
				t.Fatal(res.Report())
			}
			if want := "0 of 100\n"; console != want {
				t.Errorf("calls that were not preempted: %q, want %q", console, want)
			}
		})
	}
}

// TestReturningByThunk puts words on the stack of a call that the timer has interrupted, as if
// it were in a return thunk: the kernel preempts it if the thunk returns to the variant's
// code, and not if it returns to a function of the kernel, whatever lies behind that word.
func TestReturningByThunk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		variant, last string
		calls         int // words that the thunk's own CALLs push
	}{
		{"linux-6.12-zen2", "srso_return_thunk_last", 1},
		{"linux-6.12-zen3", "srso_alias_return_thunk_last", 1},
		{callDepth, "depth_filled_p", stubs.DepthFill},
	} {
		t.Run(tt.variant, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.ICount)
			m.Append = layout.ControlWord
			n := variant(t, tt.variant)
			m, err := boot.Prepare(t.Context(), withImage(t, boot.Config{Variants: []stubs.Variant{n}, Init: program(t, "spins"), VM: m}))
			if err != nil {
				t.Fatal(err)
			}
			k := readKernel(t, m.Kernel)
			at := func(name string) uint64 { return k.symbol(t, name).Value }
			spin, schedule := k.symbol(t, "sys_spin"), at("schedule")
			own := slices.Repeat([]uint64{at(n.FuncName(tt.last))}, tt.calls)
			m.Debug = func(conn *os.File) error {
				s := interrupted{gdb.New(gdb.Patient{File: conn}), at("timer_interrupt"), schedule, spin.Value, spin.Value + spin.Size}
				if err := s.stub.Describe(); err != nil {
					return err
				}
				for _, c := range []struct {
					name  string
					words []uint64
					want  bool
				}{
					{"to the variant's code", []uint64{spin.Value, schedule}, true},
					{"to a function of the kernel", []uint64{schedule, spin.Value}, false},
					{"to the variant's code, in the thunk's own call", append(slices.Clone(own), spin.Value, schedule), true},
					{"to a function of the kernel, in the thunk's own call", append(slices.Clone(own), schedule, spin.Value), false},
				} {
					got, err := s.preempts(c.words)
					if err != nil {
						return fmt.Errorf("%s: %w", c.name, err)
					}
					if got != c.want {
						t.Errorf("%s: preempted: %v, want %v", c.name, got, c.want)
					}
				}
				return s.stub.Detach()
			}
			if res, _ := bootMachine(t, m); res.Outcome != vm.Exited || res.Status != 0 {
				t.Fatal(res.Report())
			}
		})
	}
}

// interrupted is a machine in whose call that spins the timer's interrupts are looked at.
type interrupted struct {
	stub            *gdb.Stub
	timer, schedule uint64 // timer_interrupt and schedule
	spin, spinEnd   uint64 // sys_spin
}

// preempts reports whether the kernel preempts the call at the next interrupt that asks for
// it, with words on top of the call's stack.
func (s interrupted) preempts(words []uint64) (bool, error) {
	for {
		if err := errors.Join(s.stub.Break(s.timer), s.stub.Continue(), s.stub.Unbreak(s.timer)); err != nil {
			return false, err
		}
		r, err := s.stub.Registers()
		if err != nil {
			return false, err
		}
		var frame layout.PtRegs[uint64]
		read, err := s.stub.Words([]uint64{
			r.RDI + uint64(unsafe.Offsetof(frame.IP)), r.RDI + uint64(unsafe.Offsetof(frame.SP)), r.RSP,
			r.GSBase + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.Current)),
		})
		if err != nil {
			return false, err
		}
		ip, sp, back, current := read[0], read[1], read[2], read[3]
		if ip < s.spin || ip >= s.spinEnd {
			if err := s.stub.Step(); err != nil { // or the next breakpoint here stops it again
				return false, err
			}
			continue
		}
		stack := make([]uint64, len(words))
		for i := range stack {
			stack[i] = sp + 8*uint64(i)
		}
		before, err := s.stub.Words(stack)
		if err != nil {
			return false, err
		}
		if err := errors.Join(s.stub.WriteWords(stack, words), s.stub.Break(s.schedule, back), s.stub.Continue(),
			s.stub.Unbreak(s.schedule, back), s.stub.WriteWords(stack, before)); err != nil {
			return false, err
		}
		if r, err = s.stub.Registers(); err != nil {
			return false, err
		}
		flags, err := s.stub.Words([]uint64{current + uint64(unsafe.Offsetof(layout.Thread[uint64]{}.Flags))})
		if err != nil {
			return false, err
		}
		if r.RIP == s.schedule || flags[0]&layout.TIFNeedResched != 0 {
			return r.RIP == s.schedule, nil
		} // else no other thread waited
	}
}
