package trace

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// Stage is a part of a call, finer than a phase (stubs.Phase): the first three are its
// entry, the last two its exit. A function that another one calls belongs to the stage of
// the caller, wherever it lies.
type Stage int

// The stages, in the order of a call. A kernel whose assembly calls the handler itself, as
// Linux did up to 4.5, has neither a C entry nor a dispatch nor exit work.
const (
	AssemblyEntry Stage = iota // from SYSCALL to the CALL of the C entry
	CEntry                     // from there to the CALL of the dispatch, or of the handler
	Dispatch                   // from there to the handler
	Handler
	ExitWork     // from the handler's return to the RET into the assembly
	AssemblyExit // from there to SYSRET or IRET
	stages
)

var stageNames = [stages]string{"assembly entry", "C entry", "dispatch", "handler", "exit work", "assembly exit"}

func (s Stage) String() string { return stageNames[s] }

// MarshalText returns the stage's name.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a stage's name.
func (s *Stage) UnmarshalText(text []byte) error {
	i := slices.Index(stageNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("no stage %q", text)
	}
	*s = Stage(i)
	return nil
}

// ErrNoHandler means that a path reaches no handler, or that its functions have no names.
var ErrNoHandler = errors.New("no function that is run is a system call's handler")

// handlerNames are the beginnings of the names of handlers: those of the generated kernel
// and of Linux up to 4.16, and of Linux since (arch/x86/include/asm/syscall_wrapper.h).
var handlerNames = []string{"sys_", "SyS_", "stub_", "__x64_sys_", "__se_sys_", "__do_sys_"}

func isHandler(function string) bool {
	return slices.ContainsFunc(handlerNames, func(begin string) bool { return strings.HasPrefix(function, begin) })
}

// Stages returns the stage of each step. A function has returned when the stack pointer is
// above where the function's caller had put the return address.
func (p Path) Stages() ([]Stage, error) {
	first := slices.IndexFunc(p.Steps, func(s Step) bool { return isHandler(s.Func) })
	if first < 0 {
		return nil, ErrNoHandler
	}
	// A function that only jumps to the handler still looks for it.
	for first+1 < len(p.Steps) && p.Steps[first].op() == x86asm.JMP && isHandler(p.Steps[first+1].Func) {
		first++
	}
	calls := p.outstanding(first)
	if len(calls) == 0 {
		return nil, fmt.Errorf("nothing calls the handler %s", p.Steps[first].Func)
	}
	// back returns the first step behind the handler at which the stack is above what it was.
	back := func(sp uint64) int {
		for i := first + 1; i < len(p.Steps); i++ {
			if p.Steps[i].SP > sp {
				return i
			}
		}
		return len(p.Steps)
	}
	// The outermost call is the assembly's, the next one is out of what it has called.
	outer, inner := calls[0], calls[min(1, len(calls)-1)]
	behind, assembly := back(p.Steps[first].SP), back(p.Steps[outer+1].SP)
	if assembly == len(p.Steps) {
		return nil, fmt.Errorf("the call does not come back from %s", p.Steps[outer+1].Func)
	}
	all := make([]Stage, len(p.Steps))
	for i := range all {
		switch {
		case i <= outer:
			all[i] = AssemblyEntry
		case i <= inner && i < first:
			all[i] = CEntry
		case i < first:
			all[i] = Dispatch
		case i < behind:
			all[i] = Handler
		case i < assembly:
			all[i] = ExitWork
		default:
			all[i] = AssemblyExit
		}
	}
	return all, nil
}

// outstanding returns the CALLs whose functions have not returned before a step, the
// outermost first. A thunk that replaces its own return address has returned.
func (p Path) outstanding(before int) (calls []int) {
	for i := range before {
		s := p.Steps[i]
		for n := len(calls); n > 0 && s.SP > p.Steps[calls[n-1]+1].SP; n-- {
			calls = calls[:n-1]
		}
		if s.op() == x86asm.CALL {
			calls = append(calls, i)
		}
	}
	for n := len(calls); n > 0 && p.Steps[before].SP > p.Steps[calls[n-1]+1].SP; n-- {
		calls = calls[:n-1]
	}
	return calls
}

// op returns the instruction's operation, 0 if the decoder does not know it.
func (s Step) op() x86asm.Op {
	in, err := x86asm.Decode(s.Code, 64)
	if err != nil {
		return 0
	}
	return in.Op
}

// Phases returns how many instructions the entry, the handler and the exit have
// (stubs.Phase). Without a handler the exit is the last instruction alone.
func (p Path) Phases() (entry, handler, exit int, err error) {
	all, err := p.Stages()
	if errors.Is(err, ErrNoHandler) {
		return len(p.Steps) - 1, 0, 1, nil
	}
	for _, s := range all {
		switch {
		case s < Handler:
			entry++
		case s == Handler:
			handler++
		default:
			exit++
		}
	}
	return entry, handler, exit, err
}

// StageWork is what one stage does.
type StageWork struct {
	Stage
	Work
}

// ByStage returns the work of each stage that has some.
func (p Path) ByStage() ([]StageWork, error) {
	all, err := p.Stages()
	if err != nil {
		return nil, err
	}
	var each [stages]counter
	for i, s := range p.Steps {
		each[all[i]].add(s)
	}
	var list []StageWork
	for s, c := range each {
		if c.Instructions > 0 {
			list = append(list, StageWork{Stage(s), c.Work})
		}
	}
	return list, nil
}
