package layout

import (
	"fmt"
	"strings"
)

// Features are what a CPU has, or what a variant needs of it: one bit each of
// those that not every CPU has.
type Features uint64

// The features.
const (
	// FeaturePCID is that of process-context identifiers, which keep the
	// translations of several page tables apart (SDM volume 3, 4.10.1).
	FeaturePCID Features = 1 << iota
	// FeatureIBRS is that of MSR_IA32_SPEC_CTRL and its bit IBRS (SDM volume 4,
	// 48H).
	FeatureIBRS
	// FeatureSYSRETRPL is that SYSRET gives CS and SS the RPL 3 whatever MSR_STAR has
	// (SDM volume 2, SYSRET); AMD's takes SS as it is (APM volume 3, SYSRET).
	FeatureSYSRETRPL
)

// FeatureNames are the names of the features, by bit, as the manuals spell them.
var FeatureNames = []string{"PCID", "IBRS", "SYSRET-RPL"}

// String lists the features' names.
func (f Features) String() string {
	var names []string
	for i, name := range FeatureNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
			f &^= 1 << i
		}
	}
	if f != 0 {
		names = append(names, fmt.Sprintf("features(%#x)", uint64(f)))
	}
	return strings.Join(names, ", ")
}
