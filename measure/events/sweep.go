package events

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
)

// symbols are the addresses of the kernel that a sweep stops at and looks at.
type symbols struct {
	entry                uint64 // of SYSCALL
	trapKernel, trapUser uint64 // what exceptions and interrupts come to, by ring
	die                  uint64 // where the kernel gives up
	breakpoint           uint64 // sets DR0 and DR7, and touches no memory before its RET
	percpu               uint64 // what GS is based on
	noResched            uint64 // PerCPU.NoResched
	istStacks, istEnd    uint64
	functions            []elf.Symbol // by address
	text                 []byte
	textAddr             uint64
}

func readSymbols(kernel string, n stubs.Variant) (*symbols, error) {
	f, err := elf.Open(kernel)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("events: %s: %w", kernel, err)
	}
	s := &symbols{}
	for name, to := range map[string]*uint64{
		"entry_SYSCALL_64." + n.Name: &s.entry,
		"do_trap_kernel":             &s.trapKernel, "do_trap_user": &s.trapUser, "die": &s.die,
		"sys_breakpoint": &s.breakpoint, "percpu": &s.percpu,
		"ist_stacks": &s.istStacks, "ist_stacks_end": &s.istEnd,
	} {
		i := slices.IndexFunc(all, func(e elf.Symbol) bool { return e.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("events: %s has no symbol %s", kernel, name)
		}
		*to = all[i].Value
	}
	s.noResched = s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.NoResched))
	s.functions = slices.DeleteFunc(all, func(e elf.Symbol) bool { return elf.ST_TYPE(e.Info) != elf.STT_FUNC })
	slices.SortStableFunc(s.functions, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	text := f.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("events: %s has no .text", kernel)
	}
	s.textAddr = text.Addr
	if s.text, err = text.Data(); err != nil {
		return nil, fmt.Errorf("events: %s: %w", kernel, err)
	}
	return s, nil
}

// name is an address for people.
func (s *symbols) name(at uint64) string {
	i, ok := slices.BinarySearchFunc(s.functions, at, func(e elf.Symbol, at uint64) int { return cmp.Compare(e.Value, at) })
	if !ok {
		i--
	}
	if i < 0 || at >= s.functions[i].Value+max(s.functions[i].Size, 1) {
		return fmt.Sprintf("%#x", at)
	}
	return fmt.Sprintf("%s+%#x", s.functions[i].Name, at-s.functions[i].Value)
}

// sweep is a machine that is swept.
type sweep struct {
	*symbols
	stub   *gdb.Stub
	jobs   []*job
	result *Result
}

// job is one call's path.
type job struct {
	call   wire.EventCall
	path   []place       // in ring 0, and the first instruction of ring 3; nil: not seen yet
	result gdb.Registers // behind that instruction's call, undisturbed
	passes []pass
	swept  Swept
}

// done reports whether every event came.
func (j *job) done() bool { return j.path != nil && len(j.passes) == 0 }

// pass is what arrives in one call: events of a kind at all places, or at one.
type pass struct {
	kind int
	at   int // -1: at all
}

// run sweeps the machine and lets it go.
func (s *sweep) run() error {
	if err := errors.Join(s.stub.Describe(), s.stub.Break(s.entry), s.stub.Break(s.die)); err != nil {
		return err
	}
	for slices.ContainsFunc(s.jobs, func(j *job) bool { return !j.done() }) {
		if err := s.stub.Continue(); err != nil {
			return err
		}
		r, err := s.stub.Registers()
		if err != nil {
			return err
		}
		if err := s.stopped(r); err != nil {
			return err
		}
		if len(s.result.Lost) >= maxLost {
			return errLost
		}
	}
	if err := errors.Join(s.stub.Unbreak(s.entry), s.stub.Unbreak(s.die)); err != nil {
		return err
	}
	return s.stub.Detach()
}

// errLost ends a machine of which there is nothing more to learn.
var errLost = errors.New("events were lost")

// stopped does what there is to do where the machine has stopped.
func (s *sweep) stopped(r gdb.Registers) error {
	i := slices.IndexFunc(s.jobs, func(j *job) bool { return j.call.Number == r.RAX })
	switch {
	case r.RIP != s.entry:
		return fmt.Errorf("events: the machine stopped at %s, want a call", s.name(r.RIP))
	case i < 0 || s.jobs[i].done():
		return s.stub.Step() // over the breakpoint
	}
	// The machine's clock leaps while it stands still: its timers would switch to
	// another thread within a call.
	if err := s.stub.WritePhysical(s.noResched-layout.KernelBase, 1); err != nil {
		return err
	}
	switch {
	case s.jobs[i].path == nil:
		return errors.Join(s.jobs[i].see(s), s.hush(s.jobs[i]))
	}
	j := s.jobs[i]
	p := j.passes[0]
	j.passes = j.passes[1:]
	// QEMU takes a debugger's breakpoint for one in DR0 at the same place.
	if err := s.stub.Unbreak(s.entry); err != nil {
		return err
	}
	if err := s.pass(j, p); err != nil {
		return err
	}
	return errors.Join(s.hush(j), s.stub.Break(s.entry))
}

// maskAll is the task priority that no interrupt is above (SDM volume 3, 11.8.3.1).
const maskAll = 15

// hush keeps the machine's timer from arriving in the job's next pass, unless
// interrupts are what arrives in it: a data breakpoint that an interrupt's own frame
// hits makes QEMU forget the interrupt. It comes a pass early, since QEMU runs some
// instructions before it sees to it.
func (s *sweep) hush(j *job) error {
	if j.done() || Kinds[j.passes[0].kind].maskable {
		return s.stub.SetCR8(0)
	}
	return s.stub.SetCR8(maskAll)
}

// lost notes a failure.
func (s *sweep) lost(format string, args ...any) {
	s.result.Lost = append(s.result.Lost, fmt.Sprintf(format, args...))
}

// limit is what a path may take: whatever goes beyond has gone astray.
const limit = 10_000

// see follows one call undisturbed, and plans the passes.
func (j *job) see(s *sweep) error {
	for {
		r, err := s.stub.Registers()
		if err != nil {
			return err
		}
		j.path = append(j.path, s.place(r))
		if r.RIP < layout.KernelBase {
			j.result = r
			break
		}
		if len(j.path) == limit {
			return fmt.Errorf("events: %s: no end of the call after %d instructions", j.call.Name, limit)
		}
		if err := s.stub.Step(); err != nil {
			return err
		}
	}
	j.swept.Instructions = len(j.path) - 1
	for k, kind := range Kinds {
		j.passes = append(j.passes, pass{k, -1})
		for i, at := range j.path[:len(j.path)-1] {
			if kind.maskable && j.arrival(i) != i && (kind.applies == nil || kind.applies(&at)) {
				j.passes = append(j.passes, pass{k, i})
			}
		}
	}
	if len(j.passes) >= wire.EventRounds {
		return fmt.Errorf("events: %s: %d passes are too many for the guest's %d calls", j.call.Name, len(j.passes), wire.EventRounds)
	}
	return nil
}

// arrival is where an interrupt comes that is pending at place i: at the first
// place with interrupts on that no STI stands right before.
func (j *job) arrival(i int) int {
	for ; i < len(j.path)-1; i++ {
		shadow := i > 0 && j.path[i-1].sti && j.path[i-1].flags&x86.X86_EFLAGS_IF == 0
		if j.path[i].flags&x86.X86_EFLAGS_IF != 0 && !shadow {
			break
		}
	}
	return i
}

// pass walks through one call and lets the events of the pass arrive.
func (s *sweep) pass(j *job, p pass) error {
	kind := &Kinds[p.kind]
	entered, err := s.stub.Registers()
	if err != nil {
		return err
	}
	for i := 0; i < len(j.path)-1; {
		r, err := s.stub.Registers()
		if err != nil {
			return err
		}
		at := &j.path[i]
		if r.RIP != at.rip {
			return fmt.Errorf("events: %s: the call goes another way than before: it is at %s, and was at %s", j.call.Name, s.name(r.RIP), s.name(at.rip))
		}
		to := i
		switch {
		case kind.trap:
			to = i + 1
		case kind.maskable:
			to = j.arrival(i)
		}
		here := p.at == i || p.at < 0 && (!kind.maskable || to == i)
		if !here || kind.applies != nil && !kind.applies(at) {
			if err := s.stub.Step(); err != nil {
				return err
			}
			i++
			continue
		}
		found := len(s.result.Lost)
		back := to
		if kind.resumes {
			back++
		}
		e := event{s, kind, at, &j.path[to], &j.path[back], fmt.Sprintf("%s: %s at %s", j.call.Name, kind.Name, s.name(r.RIP))}
		if err := e.deliver(r); err != nil {
			return err
		}
		if len(s.result.Lost) == found {
			j.swept.Events[p.kind]++
		}
		if back == i { // it is still to run
			if err := s.stub.Step(); err != nil {
				return err
			}
			back++
		}
		i = back
	}
	left, err := s.stub.Registers()
	if err != nil {
		return err
	}
	if what := differences(j.returned(entered), left); what != "" {
		s.lost("%s: %s: back in ring 3 %s", j.call.Name, kind.Name, what)
	}
	return nil
}

// returned is what ring 3 has after a call: what it had before, with the result of
// the undisturbed call.
func (j *job) returned(r gdb.Registers) gdb.Registers {
	r.RIP, r.Flags = r.RCX, uint32(r.R11)
	r.RAX = j.result.RAX
	r.CS, r.SS = j.result.CS, j.result.SS
	r.GSBase, r.KernelGSBase = j.result.GSBase, j.result.KernelGSBase
	r.CR3 = j.result.CR3
	return r
}
