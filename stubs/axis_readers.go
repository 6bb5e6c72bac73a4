package stubs

import "github.com/entrylab/entrylab/gen/layout"

// ReadersLinux is the first value of axis readers. Each of the others is that of a reader
// (ReadersBut).
const ReadersLinux Value = "readers=linux"

// ReadersBut returns the value with which one of layout.RSPReaders takes the user's RSP
// from where it should not, or, if Linux has it wrong, from where it should.
func ReadersBut(reader int) Value { return Value("readers=" + layout.RSPReaders[reader].Func) }

var _ = Register(Axis{
	Name: "readers", Rank: 430,
	Doc:    "where the kernel's readers of a thread's user RSP look: the audit that (a) needs",
	Values: readersValues(),
})

func readersValues() []Choice {
	list := []Choice{{Value: ReadersLinux, Since: "Linux 3.19", Doc: "as in Linux: with sp=percpu where 3.19 has them look, with sp=frame in the sp slot, as since 4.1"}}
	for n, r := range layout.RSPReaders {
		list = append(list, Choice{
			Value: ReadersBut(n), Since: "Linux 3.19",
			Doc: r.Func + " looks in the other place, as if (a) had been made without it, or it without (a): " + r.Doc,
		})
	}
	return list
}

// OldReaders returns, as bits, the readers that take the user's RSP from the words of
// sp=percpu.
func (v Axes) OldReaders() uint64 {
	var bits uint64
	if v.Is(SPPerCPU) {
		bits = layout.OldReaders319()
	}
	for n := range layout.RSPReaders {
		if v.Is(ReadersBut(n)) {
			bits ^= 1 << n
		}
	}
	return bits
}
