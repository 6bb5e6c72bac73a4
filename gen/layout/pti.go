package layout

// How, with page-table isolation, the page table that ring 3 runs on differs from the
// kernel's: the top-level tables lie side by side, and each has its own
// process-context identifier (Linux arch/x86/entry/calling.h,
// PTI_USER_PGTABLE_AND_PCID_MASK).
const (
	// PTIUserPGTable is set in the user's CR3: its table is the upper one of a
	// pair that is aligned to two pages.
	PTIUserPGTable = 1 << 12
	// PTIUserPCID is set in its PCID. A CPU without PCIDs ignores the bit.
	PTIUserPCID = 1 << 11
	// PTIUserBits are both.
	PTIUserBits = PTIUserPGTable | PTIUserPCID
	// CR3ASID are the bits of a kernel's CR3 that give the bit number in
	// PerCPU.UserPCIDFlushMask. All address spaces take turns at 0.
	CR3ASID = PTIUserPCID - 1
)

// The values of VariantInfo.CR3: the page table that ring 3 runs on while the variant is
// selected.
const (
	CR3Keep   = 0 // the kernel's page table
	CR3Switch = 1 // the user's, loaded each time
	CR3PCID   = 2 // the user's, whose translations a PCID keeps
)
