package count

import (
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Figure is a count of a variant that belongs to none of the phases.
type Figure struct {
	// Title is for readers. Bench is for keys; what follows a slash is a part of what
	// precedes it.
	Title, Bench string
	Of           func(Variant) int
}

// FigureGroup is the title of Figures.
const FigureGroup = "context switch: cache lines for the user's RSP alone"

// Figures are all, in the order of tables.
var Figures = []Figure{
	{"usersp where Linux 3.19 has it", "usersp-lines", func(v Variant) int { return v.UserSP.Lines }},
	{"of these beyond " + Reference + "'s null call", "usersp-lines/beyond", func(v Variant) int { return v.UserSP.Beyond }},
	{"usersp in a line of its own", "usersp-own-lines", func(v Variant) int { return v.UserSP.OwnLines }},
	{"of these beyond " + Reference + "'s null call", "usersp-own-lines/beyond", func(v Variant) int { return v.UserSP.OwnBeyond }},
}

// UserSP counts the lines that a switch from one thread to another touches for the user's
// RSP and for nothing else: of the per-CPU area and of both threads. For Lines they have
// Thread.UserSP where Linux 3.19 has usersp in thread_struct, for OwnLines in a line of its
// own. Beyond and OwnBeyond are those of them that a null call of [Reference] does not touch.
type UserSP struct{ Lines, Beyond, OwnLines, OwnBeyond int }

// Linux 3.19's thread_struct, by offsets in it (arch/x86/include/asm/processor.h): sp and
// usersp, and what else __switch_to touches there (arch/x86/kernel/process_64.c), of the
// thread that it switches to alone, and of both.
const threadSP, threadUserSP = 32, 40

var (
	threadNext = []int64{24}         // sp0
	threadBoth = []int64{48, 56, 64} // es, ds, fsindex and gsindex; fs; gs
)

// A thread_struct, of which it depends on Linux's configuration where in a line it begins, is
// aligned to threadAlign.
const threadAlign = 8

// Areas of the switch: two thread_structs, and usersp where it lies apart from them.
const (
	areaPrev    prove.Area = "thread_struct of the thread that is left"
	areaNext    prove.Area = "thread_struct of the next"
	areaPrevOwn prove.Area = "usersp of the thread that is left"
	areaNextOwn prove.Area = "usersp of the next"
)

var threadFields = asm.Fields[layout.Thread[asm.Mem]](asm.RDI)

// switched returns the lines that the walk's context switch touches, those of the steps
// that move the user's RSP or those of all others and of __switch_to. Both
// thread_structs begin start bytes into a line. Words of threads that 3.19 has elsewhere or
// not at all are left out.
func switched(w *prove.Walk, rsp, own bool, start int64) map[line]bool {
	touched := map[line]bool{}
	add := func(area prove.Area, off int64) { touched[line{area, (start + off) >> lineShift}] = true }
	if !rsp {
		for _, off := range threadBoth {
			add(areaPrev, off)
			add(areaNext, off)
		}
		for _, off := range threadNext {
			add(areaNext, off)
		}
	}
	for i, s := range slices.Concat(w.Out, w.In) {
		if s.RSP != rsp {
			continue
		}
		for _, a := range s.Accesses {
			at, apart := areaNext, areaNextOwn
			switch {
			case a.Area == prove.AreaThread && i < len(w.Out): // else it is the one that comes back
				at, apart = areaPrev, areaPrevOwn
			case a.Area == prove.AreaThread, a.Area == prove.AreaNext:
			default:
				touched[line{a.Area, a.Off >> lineShift}] = true
				continue
			}
			switch {
			case a.Off == int64(threadFields.SP.Disp()):
				add(at, threadSP)
			case a.Off == int64(threadFields.UserSP.Disp()) && own:
				touched[line{apart, 0}] = true
			case a.Off == int64(threadFields.UserSP.Disp()):
				add(at, threadUserSP)
			}
		}
	}
	return touched
}

// userSPOf counts, of the lines that the walk's context switch touches for the user's RSP alone,
// all and those that are not among anyway.
func userSPOf(w *prove.Walk, own bool, start int64, anyway map[line]bool) (lines, beyond int) {
	others := switched(w, false, own, start)
	for l := range switched(w, true, own, start) {
		if others[l] {
			continue
		}
		lines++
		if !anyway[l] {
			beyond++
		}
	}
	return lines, beyond
}
