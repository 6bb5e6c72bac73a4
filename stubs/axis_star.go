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
			Doc: "SYSRET's selector has RPL 3, which AMD's CPUs copy into SS as it is",
		},
		{
			Value: StarRPL0, Since: "no release", Needs: layout.FeatureSYSRETRPL, Star: star(x86.USER32_CS &^ 3),
			Doc: "it has RPL 0, as in kernels that only ran on Intel's CPUs, which put 3 into CS and SS themselves. On AMD's, ring 3 would continue with an SS of RPL 0, with which the next IRETQ faults",
		},
	},
})

// star returns MSR_STAR with the selector that SYSRET counts from: SYSRETQ loads CS
// 16 and SS 8 above it (SDM volume 2, SYSRET).
func star(user uint64) uint64 { return user<<48 | x86.KERNEL_CS<<32 }

// Star returns the variant's value of MSR_STAR.
func (v Axes) Star() uint64 {
	var star uint64
	for _, c := range v.choices {
		star |= c.Star
	}
	return star
}
