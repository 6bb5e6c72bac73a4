package kernel

import (
	"fmt"
	"slices"
	"sync"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// dispatch finds a number's handler without sys_call_table: it is the
// switch of Linux since 6.9, as compilers make it.
func dispatch() Program {
	p := Program{Funcs: Funcs(x64SysCall, x64SysCallSwitch), Data: []Data{frameCallTable()}}
	p.Funcs = append(p.Funcs, wrappers()...)
	return p
}

// linuxNumbers returns the numbers that Linux 6.12 has a handler for. For those that are
// left out it has a name but no handler (arch/x86/entry/syscalls/syscall_64.tbl;
// kernel/sys_ni.c).
func linuxNumbers() (list []int) {
	without := []int{134, 156, 174, 177, 178, 180, 181, 182, 183, 184, 185, 205, 211, 212, 214, 215, 236}
	for nr := range 463 {
		if (nr < 335 || nr >= 424) && !slices.Contains(without, nr) {
			list = append(list, nr)
		}
	}
	return list
}

// handlerOf returns the handler of a number, sysNiSyscall if the kernel has none.
func handlerOf(nr int) handler {
	if h, ok := handlersByNumber()[nr]; ok {
		return h
	}
	return handlersByNumber()[noNumber]
}

// handler is the handler of a call: its declaration, and the function that this makes.
type handler struct {
	decl func() Func
	Func
}

// noNumber is the number that handlersByNumber has for a call that the kernel lacks.
const noNumber = -1

// handlersByNumber makes the handlers of all calls, once.
var handlersByNumber = sync.OnceValue(func() map[int]handler {
	all := map[int]handler{noNumber: {sysNiSyscall, sysNiSyscall()}}
	for i, c := range layout.FullFrameCalls {
		all[c.Nr] = handler{fullFrameHandlers[i], fullFrameHandlers[i]()}
	}
	for _, c := range sysCalls() {
		all[c.nr] = handler{c.handler, c.handler()}
	}
	return all
})

// fullFrameHandlers are the handlers of layout.FullFrameCalls.
var fullFrameHandlers = [len(layout.FullFrameCalls)]func() Func{sysClone, sysFork, sysVfork, sysIopl, sysRtSigreturn, sysExecve, sysExecveat, sysFullFrame, sysSetFrame, sysPoison}

// controlNumbers returns the numbers of the control calls.
func controlNumbers() (list []int) {
	for nr := layout.SysSelect; nr <= layout.SysCallMax; nr++ {
		if _, ok := handlersByNumber()[nr]; ok {
			list = append(list, nr)
		}
	}
	return list
}

func x64SysCall() Func {
	return FUNC(DispatchTree,
		`x64_sys_call(regs, number) makes the call from its frame, by comparisons and
direct jumps alone. number is at most SysCallMax; the deeper it lies in the tree, the
more comparisons it takes. Linux has its numbers in one tree; the control calls'
numbers are a subtree at its right.`,
		NOP(), // ENDBR64, which nobody needs
		NOP(), // the place of ftrace's call
		tree(linuxNumbers(), tree(controlNumbers(), Block{JMP(sysNiSyscall)})),
		leaves(append(linuxNumbers(), controlNumbers()...)),
	).Takes(RDI, RSI).Returns(RAX)
}

var x64CallTable = EXTERNDATA("x64_call_table")

// frameCallTable has the handlers that take the frame by their numbers.
func frameCallTable() Data {
	words := make([]any, layout.SysCallMax+1)
	for nr := range words {
		words[nr] = PTR(wrapperName(handlerOf(noNumber)))
	}
	for _, nr := range append(linuxNumbers(), controlNumbers()...) {
		words[nr] = PTR(wrapperName(handlerOf(nr)))
	}
	return RODATA(x64CallTable.Name, words...)
}

func x64SysCallSwitch() Func {
	return FUNC("x64_sys_call_switch",
		`x64_sys_call_switch(regs, number) is x64_sys_call where a compiler may make a table of
the switch.`,
		NOP(), // ENDBR64, which nobody needs
		NOP(), // the place of ftrace's call
		CMPL(RSI, layout.SysCallMax),
		JA("default"),
		MOVL(RSI, RSI),
		JMP(Sym(x64CallTable).Index(RSI, 8)),
		LABEL("default"),
		JMP(wrapperName(handlerOf(noNumber))),
	).Takes(RDI, RSI).Returns(RAX)
}

// tree halves a list of numbers until one is left; a number above all of them
// goes to beyond, one between two of them to sys_ni_syscall.
func tree(list []int, beyond Block) Block {
	if len(list) == 0 {
		return beyond
	}
	mid := len(list) / 2
	nr, lower, upper := list[mid], list[:mid], list[mid+1:]
	b := Block{CMPL(RSI, nr), JE(leaf(nr))}
	if len(list) == 1 {
		return append(b, beyond)
	}
	return append(b, JA(over(nr)), tree(lower, Block{JMP(sysNiSyscall)}), LABEL(over(nr)), tree(upper, beyond))
}

func leaf(nr int) string { return fmt.Sprintf("nr_%d", nr) }
func over(nr int) string { return fmt.Sprintf("above_%d", nr) }

// leaves emits the ends of the comparisons: a jump to each number's handler.
func leaves(list []int) (b Block) {
	for _, nr := range list {
		b = append(b, LABEL(leaf(nr)), JMP(wrapperName(handlerOf(nr))))
	}
	return b
}

// ByFrame begins Linux's name of a handler that takes its arguments from the frame.
const ByFrame = "__x64_"

// wrapperName returns that name.
func wrapperName(h handler) string { return ByFrame + h.Name }

// wrappers returns the handlers as x64_sys_call reaches them: each loads its arguments from
// the frame.
func wrappers() []Func {
	var list []Func
	seen := map[string]bool{}
	for _, nr := range append(linuxNumbers(), controlNumbers()...) {
		h := handlerOf(nr)
		name := wrapperName(h)
		if seen[name] {
			continue
		}
		seen[name] = true
		list = append(list, x64Wrapper(name, h, isControl(nr)))
	}
	return list
}

func x64Wrapper(name string, h handler, control bool) Func {
	regs := ptRegs(RDI)
	takes := h.Arguments()
	var b Block
	if control {
		b = append(b, CMPQ(Sym(controlOn), 0), IF(E, JMP(sysNiSyscall)))
	}
	for _, arg := range []struct {
		to   Reg
		from Mem
	}{{R9, regs.R9}, {R8, regs.R8}, {RCX, regs.R10}, {RDX, regs.DX}, {RSI, regs.SI}, {RDI, regs.DI}} {
		if slices.Contains(takes, arg.to) {
			b = append(b, MOVQ(arg.from, arg.to))
		}
	}
	return FUNC(name, name+" is "+h.Name+" of the frame RDI.", append(b, JMP(h.decl))).Takes(RDI).Returns(RAX)
}
