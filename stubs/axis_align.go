package stubs

// The values of axis align.
const (
	Align16 Value = "align=16"
	Align32 Value = "align=32"
	Align64 Value = "align=64"
)

var _ = Register(Axis{
	Name: "align", Rank: 400,
	Doc: "of how many bytes the entry's address is a multiple at least: the CPU fetches its instructions by lines of 64, and decodes them by 16 or 32",
	Values: []Choice{
		{Value: Align16, Since: "Linux 3.19", Doc: "of 16, as compilers and SYM_CODE_START have it"},
		{Value: Align32, Since: "proposed in 2026", Doc: "of 32"},
		{Value: Align64, Since: "proposed in 2026", Doc: "of 64, a cache line: L. Torvalds in the thread of 8aeb879baf12, June 2026"},
	},
})

// The values of axis pad.
const (
	Pad0  Value = "pad=0"
	Pad16 Value = "pad=16"
	Pad32 Value = "pad=32"
	Pad48 Value = "pad=48"
)

var _ = Register(Axis{
	Name: "pad", Rank: 410,
	Of: Align64, OfWhy: "it counts from a cache line",
	Doc: "how many bytes behind the start of a cache line the entry begins",
	Values: []Choice{
		{Value: Pad0, Since: "Linux 3.19", Doc: "none"},
		{Value: Pad16, Since: "no release", Doc: "16"},
		{Value: Pad32, Since: "no release", Doc: "32"},
		{Value: Pad48, Since: "no release", Doc: "48"},
	},
})

// placed returns what the entry's address is a multiple of, and how far behind that it is.
func (v Axes) placed() (align, skew int) {
	for i, value := range []Value{Align16, Align32, Align64} {
		if v.Is(value) {
			align = 16 << i
		}
	}
	for i, value := range []Value{Pad0, Pad16, Pad32, Pad48} {
		if v.Is(value) {
			skew = 16 * i
		}
	}
	return align, skew
}
