package asm

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// assembleAll assembles functions on all CPUs. The place of a string has as its symbol
// strPrefix and the text (see interned).
func (a *assembler) assembleAll(fns []Func) []*encoded {
	encs := make([]*encoded, len(fns))
	for i := range fns {
		if fns[i].code != nil { // its lines are only known to this report
			encs[i] = a.assembleCode(&fns[i])
		}
	}
	workers := make([]*assembler, runtime.GOMAXPROCS(0))
	var working sync.WaitGroup
	for n := range workers {
		w := newAssembler(newReport())
		w.names, w.contracts = a.names, a.contracts
		workers[n] = w
		working.Go(func() {
			for i := len(fns) * n / len(workers); i < len(fns)*(n+1)/len(workers); i++ {
				if encs[i] == nil {
					encs[i] = w.assemble(&fns[i])
				}
			}
		})
	}
	working.Wait()
	for _, w := range workers {
		a.rep.faults = append(a.rep.faults, w.rep.faults...)
	}
	return encs
}

// interned gives the strings in functions symbols, and returns their texts in the order of
// their first use.
func interned(encs []*encoded) (texts []string) {
	symbols := map[string]string{}
	intern := func(sym *string) {
		text, ok := strings.CutPrefix(*sym, strPrefix)
		if !ok {
			return
		}
		if symbols[text] == "" {
			symbols[text] = "str." + strconv.Itoa(len(texts))
			texts = append(texts, text)
		}
		*sym = symbols[text]
	}
	for _, enc := range encs {
		for i := range enc.relocs {
			intern(&enc.relocs[i].sym)
		}
		for i := range enc.refs {
			intern(&enc.refs[i].sym)
		}
	}
	return texts
}
