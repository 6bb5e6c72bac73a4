package layout

import (
	"fmt"
	"strings"
)

// Features is a set of CPU features that some CPUs lack, one bit each: those that a
// CPU has, or those that a variant needs.
type Features uint64

// The features.
const (
	// FeaturePCID means process-context identifiers, which keep the
	// translations of several page tables apart (SDM volume 3, 4.10.1).
	FeaturePCID Features = 1 << iota
	// FeatureIBRS means MSR_IA32_SPEC_CTRL and its bit IBRS (SDM volume 4, 48H).
	FeatureIBRS
	// FeatureSYSRETRPL means that SYSRET gives CS and SS the RPL 3 whatever MSR_STAR
	// holds (SDM volume 2, SYSRET); AMD's takes SS as it is (APM volume 3, SYSRET).
	FeatureSYSRETRPL
	// FeatureBHICtrl means MSR_IA32_SPEC_CTRL and its bit BHI_DIS_S (SDM volume 4, 48H).
	FeatureBHICtrl
	// FeatureIBPB means MSR_IA32_PRED_CMD and its bit IBPB (SDM volume 4, 49H).
	FeatureIBPB
	// FeatureFRED means Intel's flexible return and event delivery, and that the kernel
	// has seen it work: some emulators announce it and do not have it.
	FeatureFRED
	// FeatureFSGSBASE means RDGSBASE and WRGSBASE, with CR4.FSGSBASE (SDM volume 2).
	FeatureFSGSBASE
	// FeatureCETSS means shadow stacks, those of control-flow enforcement (SDM volume 1,
	// chapter 17).
	FeatureCETSS
)

// FeatureNames are the names of the features, by bit, as the manuals spell them.
var FeatureNames = []string{"PCID", "IBRS", "SYSRET-RPL", "BHI_CTRL", "IBPB", "FRED", "FSGSBASE", "CET_SS"}

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
