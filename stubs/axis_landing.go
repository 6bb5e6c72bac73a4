package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis landing.
const (
	LandingNone  Value = "landing=none"
	LandingENDBR Value = "landing=endbr"
)

var _ = Register(Axis{
	Name: "landing", Rank: 170,
	Doc: "the first instruction of the entry",
	Values: []Choice{
		{Value: LandingNone, Since: "Linux 3.19", Doc: "SWAPGS at once"},
		{
			Value: LandingENDBR, Since: "Linux 5.18", Promises: PromiseLanding,
			Doc:  "ENDBR64, as indirect-branch tracking wants it",
			Puts: Puts{AtEntry: func(Axes) Block { return Block{ENDBR64()} }},
		},
	},
})
