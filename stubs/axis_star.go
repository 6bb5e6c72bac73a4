package stubs

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis star.
const (
	StarRPL3 Value = "star=rpl3"
	StarRPL0 Value = "star=rpl0"
)

var _ = Register(Axis{
	Name: "star", Rank: 210,
	Doc: "the selectors of SYSCALL and SYSRET (MSR_STAR), in the order of Linux's GDT: KERNEL_CS, KERNEL_DS; USER32_CS, USER_DS, USER_CS",
	Values: []Choice{
		{
			Value: StarRPL3, Since: "Linux 2.6", Star: star(x86.USER32_CS),
			Doc: "SYSRET's selector has the RPL 3, which AMD's CPUs take over into SS as it is",
		},
		{
			Value: StarRPL0, Since: "no release", Needs: layout.FeatureSYSRETRPL, Star: star(x86.USER32_CS &^ 3),
			Doc: "it has the RPL 0, as in kernels that were only run on CPUs of Intel: those put 3 into CS and SS by themselves. On AMD's ring 3 would go on with an SS of RPL 0, with which the next IRETQ faults",
		},
	},
})

// star is MSR_STAR with the selector that SYSRET counts from: SYSRETQ loads CS
// 16 and SS 8 above it (SDM volume 2, SYSRET).
func star(user uint64) uint64 { return user<<48 | x86.KERNEL_CS<<32 }

// Star is what the variant has in MSR_STAR.
func (v Axes) Star() uint64 {
	var star uint64
	for _, c := range v.choices {
		star |= c.Star
	}
	return star
}
