package verify

import (
	"fmt"
	"runtime"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Rain makes that many events arrive, of all kinds and at places of SYSCALL's paths that are
// drawn at random, while
// two threads do what is hard on entry paths: both set their GS bases, one by
// instructions as well where the kernel lets it, single-steps, gets signals, and returns
// by frames that no exit takes. After each round the state that every call leaves is
// compared with what it left undisturbed. It prints the events of each kind in one line,
// and the rounds as layout.EventNone.
func Rain(p *lines.Printer, k *control.Kernel, v control.Variant, seed uint64, events int) {
	arrive(p, k, v, seed, true, func(a *arrivals) error { return a.rain(events) })
}

// collectEvery is the number of rounds after which memory is collected.
const collectEvery = 500

func (a *arrivals) rain(events int) error {
	stats, err := a.fx.kernel.Stats()
	if err != nil {
		return err
	}
	if err := a.find(stats.EntryStart, stats.EntryEnd); err != nil {
		return err
	}
	if len(a.places) == 0 {
		return fmt.Errorf("a round reaches no instruction")
	}
	kinds := []int{layout.EventBreakpoint, layout.EventNMI, layout.EventNestedNMI, layout.EventInterrupt}
	sums := map[int]*wire.Event{layout.EventNone: {Variant: a.fx.variant.Name, Kind: layout.EventNone}}
	rounds := sums[layout.EventNone]
	for made := 0; made < events && len(a.lost) < maxLostEvents; rounds.Made++ {
		if rounds.Made%collectEvery == 0 {
			runtime.GC() // init has it off
		}
		kind := kinds[a.fx.rng.IntN(len(kinds))]
		e, err := a.happen(a.places[a.fx.rng.IntN(len(a.places))], kind)
		if err != nil {
			return err
		}
		made += e.Made
		if sums[kind] == nil {
			sums[kind] = &wire.Event{Variant: e.Variant, Kind: kind}
		}
		sums[kind].Made += e.Made
		sums[kind].Came += e.Came
	}
	rounds.Came = rounds.Made
	for _, kind := range append(kinds, layout.EventNone) {
		if sums[kind] != nil {
			a.p.Event(*sums[kind])
		}
	}
	return nil
}

// hostile returns the calls that a hostile round has besides, of each of the two threads;
// done ends what they need.
func (fx *fixture) hostile() (mine, others []*regs.Context, done func(), err error) {
	code, errno := mmap(0, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, 0)
	if errno != 0 {
		return nil, nil, nil, lines.Harness(fmt.Sprintf("mmap of one page: %v", errno))
	}
	setGS := func(lane int, words []layout.Word) *regs.Context {
		return fx.call(lane, syscall.SYS_ARCH_PRCTL, archSetGS, uint64(address(words)))
	}
	for lane, list := range [...]*[]*regs.Context{&mine, &others} {
		for i := range 2 {
			other := fx.mem.Words(8)
			other[0] = 0x6753_1000 + layout.Word(2*lane+i)
			*list = append(*list, setGS(lane, other), fx.call(lane, syscall.SYS_SCHED_YIELD), fx.call(lane, syscall.SYS_GETPPID))
		}
		*list = append(*list, fx.call(lane, layout.SysFullFrame, 0), setGS(lane, fx.lanes[lane].gs))
	}
	step := fx.call(0, syscall.SYS_GETPPID)
	step.In.Flags = flagsIdle | x86.X86_EFLAGS_TF
	mine = append(mine, step, fx.call(0, layout.SysSetFrame, uint64(layout.SlotSP), 1<<63), fx.call(0, layout.SysSetFrame, uint64(layout.SlotIP), kernelText))
	if fx.variant.Info.Needs&layout.Word(layout.FeatureFSGSBASE) != 0 {
		// A base of the upper half, as the kernel's is, during a call.
		copy(bytesAt(code)[:], andBack(
			0xf3, 0x48, 0x0f, 0xae, 0xdf, // WRGSBASE RDI
			0x0f, 0x05, // SYSCALL
			0xf3, 0x48, 0x0f, 0xae, 0xde, // WRGSBASE RSI
		))
		upper := fx.call(0, syscall.SYS_GETPPID, 1<<64-1<<40, uint64(address(fx.lanes[0].gs)))
		upper.Insn = code
		mine = append(mine, upper)
	}
	return mine, others, func() { munmap(code) }, nil
}
