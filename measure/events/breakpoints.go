package events

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// kindOf are the kinds of events that the guest causes.
var kindOf = map[int]string{
	layout.EventBreakpoint: kindDBCode, layout.EventData: kindDBData, layout.EventNMI: kindNMI,
	layout.EventNestedNMI: kindNested, layout.EventInterrupt: kindInterrupt, layout.EventHeld: kindHeld,
}

// Breakpoints boots a variant on any engine and has the guest cause events, by the
// debug registers, at every instruction of the paths of SYSCALL and of exceptions
// that a round of calls reaches. An error means that there is no verdict.
//
// prepared, if not nil, is called with the machine before it runs, and may change it.
func Breakpoints(ctx context.Context, n stubs.Variant, m vm.Config, prepared func(*vm.Config) error) (*Result, error) {
	return fromGuest(ctx, n, m, wire.Command{Breakpoints: true, Variants: []string{n.Name}}, prepared, (*Result).places)
}

// Rain boots a variant on any engine and has the guest cause so many events by the debug
// registers, at places drawn at random, while two hostile threads make calls. rounds is
// how often these have made all of them.
func Rain(ctx context.Context, n stubs.Variant, m vm.Config, events int, prepared func(*vm.Config) error) (res *Result, rounds int, err error) {
	res, err = fromGuest(ctx, n, m, wire.Command{Rain: true, Variants: []string{n.Name}, Samples: events}, prepared, func(r *Result, _ *image.Image, list []wire.Event, _ bool) error {
		s := Swept{Path: "rain", Due: make([]int, len(Kinds)), Events: make([]int, len(Kinds))}
		for _, e := range list {
			if e.Kind == layout.EventNone {
				rounds = e.Made
				continue
			}
			k, err := r.kindOf(e)
			if err != nil {
				return err
			}
			s.Due[k], s.Events[k] = e.Made, e.Came
		}
		r.Swept = append(r.Swept, s)
		return nil
	})
	return res, rounds, err
}

// fromGuest boots a variant for a command by which the guest causes events, and lets take
// count them.
func fromGuest(ctx context.Context, n stubs.Variant, m vm.Config, command wire.Command, prepared func(*vm.Config) error, take func(*Result, *image.Image, []wire.Event, bool) error) (*Result, error) {
	c := boot.Config{Variants: []stubs.Variant{n}, Args: command.Words(), VM: m}
	kernel, err := boot.Kernel(c)
	if err != nil {
		return nil, err
	}
	c.Image = kernel
	if m, err = boot.Prepare(ctx, c); err != nil {
		return nil, err
	}
	if prepared != nil {
		if err := prepared(&m); err != nil {
			return nil, err
		}
	}
	run, err := boot.RunPrepared(ctx, m, nil)
	result := &Result{Variant: n.Name, Engine: m.Engine, FRED: n.Axes.Is(stubs.EntryFRED)}
	if run != nil && slices.Contains([]vm.Outcome{vm.Panic, vm.Crash, vm.Signaled}, run.VM.Outcome) {
		last := "before the first event"
		if n := len(run.Events); n > 0 {
			last = fmt.Sprintf("after %s at %#x", kindOf[run.Events[n-1].Kind], run.Events[n-1].At)
		}
		result.Lost = []string{fmt.Sprintf("%s: %v", last, run.VM)}
		return result, nil
	}
	if err != nil {
		return nil, fmt.Errorf("events: %s: %w", n.Name, err)
	}
	for _, c := range run.Checks {
		switch c.Outcome {
		case wire.Skip:
			return nil, &Skipped{c.Detail}
		case wire.Error:
			return nil, fmt.Errorf("events: %s: %s (%s)", n.Name, c.Name, c.Detail)
		case wire.Fail:
			result.Lost = append(result.Lost, c.Detail)
		}
	}
	return result, take(result, kernel, run.Events, heldBack(m.Engine) && !result.FRED)
}

// places counts the events of Breakpoints, and finds places that none reached.
func (r *Result) places(kernel *image.Image, list []wire.Event, held bool) error {
	met, err := r.count(kernel, list, held)
	if err == nil {
		r.Lost = append(r.Lost, gaps(kernel, met)...)
	}
	return err
}

// kindOf returns the index in Kinds of what the guest reports.
func (r *Result) kindOf(e wire.Event) (int, error) {
	name, ok := kindOf[e.Kind]
	k := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if !ok || k < 0 || e.Variant != r.Variant {
		return 0, fmt.Errorf("events: %s: the guest reports kind %d of %s", r.Variant, e.Kind, e.Variant)
	}
	return k, nil
}

// heldBack reports whether an engine holds a #DB back behind MOV SS, as a CPU does.
func heldBack(e vm.Engine) bool { return e == vm.Bochs || e == vm.KVM }

// heldAt returns the places where a #DB that MOV SS has held back arrives, in the guest's
// order. Bochs delivers it at SYSCALL alone: see notByBochs.
func heldAt(variant string, e vm.Engine) []string {
	at := []string{stubs.Variant{Name: variant}.FuncName(stubs.Entry)}
	if e != vm.Bochs {
		at = append(at, "asm_int_control", "asm_exc_int3")
	}
	return at
}

// count counts the events that the guest reports, and returns the instructions that
// breakpoints hit.
func (r *Result) count(kernel *image.Image, list []wire.Event, held bool) (met map[uint64]bool, err error) {
	met = map[uint64]bool{}
	s := Swept{Path: "all", Due: make([]int, len(Kinds)), Events: make([]int, len(Kinds))}
	var places []string
	if held {
		places = heldAt(r.Variant, r.Engine)
	}
	for _, e := range list {
		k, err := r.kindOf(e)
		if err != nil {
			return nil, err
		}
		switch e.Kind {
		case layout.EventBreakpoint:
			met[e.At] = true
		case layout.EventHeld:
			if !held {
				continue
			}
			if len(places) == 0 {
				return nil, fmt.Errorf("events: %s: the guest reports too many #DBs after MOV SS", r.Variant)
			}
			if at, _ := kernel.Object.Addr(places[0]); at != e.At {
				r.Lost = append(r.Lost, fmt.Sprintf("%s: it arrived at %#x, want %s", kindHeld, e.At, places[0]))
				e.Came = 0
			}
			places = places[1:]
		}
		s.Due[k]++
		if e.Came == e.Made {
			s.Events[k]++
		}
	}
	for _, at := range places {
		r.Lost = append(r.Lost, fmt.Sprintf("%s: the guest made none arrive at %s", kindHeld, at))
	}
	s.Places = len(met)
	if s.Places == 0 {
		return nil, fmt.Errorf("events: %s: no breakpoint was hit", r.Variant)
	}
	r.Swept = append(r.Swept, s)
	return met, nil
}

// gaps returns the places that no event reached although the CPU must have been there:
// an instruction that was hit leads to one that was hit too.
func gaps(kernel *image.Image, met map[uint64]bool) []string {
	type row struct {
		asm.Row
		at, next uint64
		name     string
	}
	rows := map[uint64]row{}
	refused := map[uint64]bool{}
	byChance := map[uint64]bool{} // a tick of the timer comes in one round, and not in the next
	for _, group := range []string{"entry", "irqentry"} {
		from, _ := kernel.Object.Addr("__" + group + "_start")
		to, _ := kernel.Object.Addr("__" + group + "_end")
		for _, l := range kernel.Object.Listings() {
			if l.Addr < from || l.Addr >= to {
				continue
			}
			name, _, _ := stubs.CutFuncName(l.Name)
			for _, r := range l.Rows {
				at := l.Addr + uint64(r.Off)
				if r.Label == "" {
					rows[at] = row{r, at, at + uint64(len(r.Bytes)), fmt.Sprintf("%s+%#x %v", l.Name, r.Off, r.Ins.Short())}
					refused[at] = slices.Contains([]string{"asm_exc_debug", stubs.ParanoidEntry, "paranoid_body", stubs.FREDKernelEntry}, name)
					byChance[at] = l.Name == "asm_sysvec_apic_timer_interrupt"
				}
			}
		}
	}
	var said []string
	for _, at := range slices.Sorted(maps.Keys(met)) {
		r, ok := rows[at]
		if !ok {
			said = append(said, fmt.Sprintf("a breakpoint was hit at %#x, where no instruction begins", at))
			continue
		}
		if m := r.Ins.Mnemonic(); m == "ERETS" || m == "ERETU" {
			continue // the decoder takes them for CLAC
		}
		if to := successors(r.Bytes, r.next, rows[r.next].Bytes); to != nil && !byChance[at] && !slices.ContainsFunc(to, func(to uint64) bool {
			_, ours := rows[to]
			return met[to] || !ours || refused[to]
		}) {
			said = append(said, fmt.Sprintf("no event came after %s", r.name))
		}
	}
	slices.SortFunc(said, cmp.Compare)
	return said
}

// successors returns the instructions one of which follows an instruction whose end
// is next; none if it continues at an address in memory or in a register.
func successors(code []byte, next uint64, behind []byte) []uint64 {
	in, err := x86asm.Decode(code, 64)
	if err != nil {
		return []uint64{next} // an instruction that this decoder does not know continues at the next
	}
	to := next
	if rel, ok := in.Args[0].(x86asm.Rel); ok {
		to += uint64(int64(rel))
	}
	switch in.Op {
	case x86asm.RET, x86asm.IRETQ, x86asm.IRETD, x86asm.IRET, x86asm.SYSRET, x86asm.UD2:
		return nil
	case x86asm.JMP:
		if _, ok := in.Args[0].(x86asm.Rel); !ok {
			return nil
		}
		return []uint64{to}
	case x86asm.CALL:
		if trap, err := x86asm.Decode(behind, 64); err == nil && isBreakpoint(trap) {
			return []uint64{to} // nobody returns here: it fills the return stack
		}
		return []uint64{next}
	}
	return []uint64{next, to}
}

// isBreakpoint reports whether an instruction is INT3.
func isBreakpoint(in x86asm.Inst) bool { return in.Op == x86asm.INT && in.Args[0] == x86asm.Imm(3) }
