package events

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// symbols are the kernel's addresses at which a sweep stops or which it reads.
type symbols struct {
	trapKernel, trapUser uint64 // where exceptions and interrupts arrive, by ring
	die                  uint64 // where the kernel gives up
	breakpoint           uint64 // sets DR0 and DR7, and touches no memory before its RET
	breakpointEnd        uint64 // its RET
	percpu               uint64 // what GS is based on
	current              uint64 // where the running thread is named
	noResched            uint64 // PerCPU.NoResched
	random               uint64 // PerCPU.KStackRandom
	timerHead            uint64 // Sched.TimerHead
	istStacks, istEnd    uint64
	trampolineEnd        uint64
	debugs               []uint64    // words that #DB's handler touches
	debugCode            [][2]uint64 // its functions
	glue                 [][2]uint64 // addresses of the code that all paths share
	all                  map[string]uint64
	functions            []elf.Symbol // by address
	text                 []byte
	textAddr             uint64
}

func readSymbols(kernel string) (*symbols, error) {
	f, err := elf.Open(kernel)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("events: %s: %w", kernel, err)
	}
	text := f.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("events: %s has no .text", kernel)
	}
	s := &symbols{textAddr: text.Addr, all: map[string]uint64{}}
	if s.text, err = text.Data(); err != nil {
		return nil, fmt.Errorf("events: %s: %w", kernel, err)
	}
	for _, e := range all {
		s.all[e.Name] = e.Value
	}
	s.functions = slices.DeleteFunc(all, func(e elf.Symbol) bool { return elf.ST_TYPE(e.Info) != elf.STT_FUNC })
	slices.SortStableFunc(s.functions, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	for name, to := range map[string]*uint64{
		"do_trap_kernel": &s.trapKernel, "do_trap_user": &s.trapUser, "die": &s.die,
		"sys_breakpoint": &s.breakpoint, "percpu": &s.percpu, "sched": &s.timerHead,
		"ist_stacks": &s.istStacks, "ist_stacks_end": &s.istEnd, "trampoline_stack_end": &s.trampolineEnd,
	} {
		if *to, err = s.address(name); err != nil {
			return nil, err
		}
	}
	s.current = s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.Current))
	s.random = s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.KStackRandom))
	s.noResched = s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.NoResched))
	smap, err := s.address("cpu_smap")
	if err != nil {
		return nil, err
	}
	s.debugs = []uint64{
		smap &^ 7,
		s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.SpecCtrl)),
		s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.NoFlush)),
		s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.Debugs)),
		s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.EventIP)),
		s.percpu + uint64(unsafe.Offsetof(layout.PerCPU[uint64]{}.Self)),
	}
	event, err := s.address("event")
	if err != nil {
		return nil, err
	}
	entries, err := s.address("trap_entries")
	if err != nil {
		return nil, err
	}
	s.debugs = append(s.debugs, entries, entries+8) // a breakpoint is on 8 bytes
	for at := range uint64(unsafe.Sizeof(layout.Event[uint64]{})) / 8 {
		s.debugs = append(s.debugs, event+8*at)
	}
	for _, f := range s.functions {
		name, _, _ := stubs.CutFuncName(f.Name)
		if slices.Contains([]string{"asm_exc_debug", stubs.ParanoidEntry, "paranoid_body", "do_trap_kernel", "debug_kernel"}, name) {
			s.debugCode = append(s.debugCode, [2]uint64{f.Value, f.Value + f.Size})
		}
	}
	if len(s.debugCode) < 5 {
		return nil, errors.New("events: the kernel lacks a function of #DB's handler")
	}
	s.timerHead += uint64(unsafe.Offsetof(layout.Sched[uint64]{}.TimerHead))
	var function [2]uint64
	if function, err = s.function("sys_breakpoint"); err != nil {
		return nil, err
	}
	s.breakpointEnd = function[1] - returnSite
	if s.text[s.breakpointEnd-s.textAddr] != ret {
		return nil, errors.New("events: sys_breakpoint does not end with RET")
	}
	return s, s.glued()
}

const ret = 0xc3

// returnSite is how many bytes a RET of the kernel has, with the place for a JMP.
const returnSite = 5

// glued finds the code that all paths share.
func (s *symbols) glued() error {
	for _, group := range []string{"entry", "irqentry"} {
		from, err := s.address("__" + group + "_start")
		if err != nil {
			return err
		}
		to, err := s.address("__" + group + "_end")
		if err != nil {
			return err
		}
		s.glue = append(s.glue, [2]uint64{from, to})
	}
	for _, name := range glue {
		f, err := s.function(name)
		if err != nil {
			return err
		}
		s.glue = append(s.glue, f)
	}
	return nil
}

// function returns where a function begins and ends.
func (s *symbols) function(name string) ([2]uint64, error) {
	i := slices.IndexFunc(s.functions, func(e elf.Symbol) bool { return e.Name == name })
	if i < 0 {
		return [2]uint64{}, fmt.Errorf("events: the kernel has no function %s", name)
	}
	f := s.functions[i]
	return [2]uint64{f.Value, f.Value + f.Size}, nil
}

// address returns the address of a symbol.
func (s *symbols) address(name string) (uint64, error) {
	at, ok := s.all[name]
	if !ok {
		return 0, fmt.Errorf("events: the kernel has no symbol %s", name)
	}
	return at, nil
}

// functionAt returns the name of the function that an address is in, and how far behind its
// beginning; "" and the address if it is in none.
func (s *symbols) functionAt(at uint64) (name string, off uint64) {
	i, ok := slices.BinarySearchFunc(s.functions, at, func(e elf.Symbol, at uint64) int { return cmp.Compare(e.Value, at) })
	if !ok {
		i--
	}
	if i < 0 || at >= s.functions[i].Value+max(s.functions[i].Size, 1) {
		return "", at
	}
	return s.functions[i].Name, at - s.functions[i].Value
}

// name returns an address in words for people.
func (s *symbols) name(at uint64) string {
	name, off := s.functionAt(at)
	if name == "" {
		return fmt.Sprintf("%#x", at)
	}
	return fmt.Sprintf("%s+%#x", name, off)
}

// onInterruptStack reports whether RSP is on one of the stacks to which the CPU itself
// switches for an exception or interrupt.
func (s *symbols) onInterruptStack(rsp uint64) bool { return rsp > s.istStacks && rsp <= s.istEnd }

// stackTop returns the end of the stack that RSP is on.
func (s *symbols) stackTop(rsp uint64) uint64 {
	size := uint64(layout.ThreadSize)
	if s.onInterruptStack(rsp) || rsp > s.trampolineEnd-layout.TrampolineSize && rsp <= s.trampolineEnd {
		size = layout.PageSize
	}
	return (rsp + size - 1) &^ (size - 1)
}
