package prove

import (
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// The words that readers look at.
const (
	wordSP     = "PtRegs.SP"
	wordUserSP = "Thread.UserSP"
)

// wordOf names the word that a reader reads for a thread in a state.
func wordOf(n stubs.Variant, reader int, s ThreadState, old bool) string {
	if !old {
		return wordSP
	}
	switch {
	case reader == layout.ReaderStackPointer, reader == layout.ReaderPerfRegs, reader == layout.ReaderCoreDump,
		reader == layout.ReaderShowRegs, reader == layout.ReaderCollectSyscall && s == InFastPath:
		return scratchOf(n)
	}
	return wordUserSP
}

// scratchOf names the variant's scratch word.
func scratchOf(n stubs.Variant) string {
	if n.Axes.Is(stubs.ScratchSP2) {
		return scratchWords[inSP2].String()
	}
	return scratchWords[inRSPScratch].String()
}

// readingInstructions finds, in the kernel, the instruction by which each reader reads a
// word: the last, as perf_get_regs_user looks at the interrupted RSP first.
func readingInstructions(obj *asm.Object, n stubs.Variant) (by [layout.NumReaders]map[string]Where, err error) {
	words := []string{wordSP, wordUserSP, scratchOf(n)}
	for reader, r := range layout.RSPReaders {
		by[reader] = map[string]Where{}
		for _, l := range obj.Listings() {
			if l.Name != r.Func {
				continue
			}
			for _, row := range l.Rows {
				for _, word := range words {
					text := row.Ins.Short()
					source, _, _ := strings.Cut(text, ",")
					if row.Label == "" && strings.Contains(text, word+"(") && (reader == layout.ReaderStartThread || strings.Contains(source, word+"(")) {
						by[reader][word] = Where{l.Name, row.Off, text, row.Ins, row.File, row.Line}
					}
				}
			}
		}
		if word := wordOf(n, reader, InFastPath, true); by[reader][word].Func == "" {
			return by, fmt.Errorf("the kernel's %s has no instruction with %s", r.Func, word)
		}
	}
	return by, nil
}
