package image

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// dropsNone are the functions that load CR3 on the way between the user's page
// table and the kernel's, or before or after there is a user, and one that drops a
// translation of the kernel's.
var dropsNone = []string{
	"startup_32", "startup_64", "leave_long_mode", "answer_leave", "efi_return", "pti_load", "error_entry", "paranoid_body", "return_to_usermode",
	"alloc_thread_stack",
}

// TestUserFlush: wherever the kernel drops translations of the user's, it notes
// that those of the user's PCID are invalid too. No emulator here keeps what it
// should not have, so nothing else would tell.
func TestUserFlush(t *testing.T) {
	n, err := stubs.ParseVariant("linux-6.12+pti+pcid")
	if err != nil {
		t.Fatal(err)
	}
	image, err := Build(Config{Variants: []stubs.Variant{n}})
	if err != nil {
		t.Fatal(err)
	}
	mark := asm.MOVQ(1, asm.Fields[layout.PerCPU[asm.Mem]](asm.GS).UserPCIDFlushMask)
	drops := 0
	for _, l := range image.Object.Listings() {
		if _, _, ok := stubs.CutFuncName(l.Name); ok || slices.Contains(dropsNone, l.Name) {
			continue
		}
		rows := slices.DeleteFunc(slices.Clone(l.Rows), func(r asm.Row) bool { return r.Label != "" })
		for i, r := range rows {
			operands := r.Ins.Operands()
			if r.Ins.Mnemonic() != "INVLPG" && (len(operands) == 0 || operands[len(operands)-1] != asm.CR3) {
				continue
			}
			drops++
			if i+1 == len(rows) || !rows[i+1].Ins.Equal(mark) {
				t.Errorf("%s: %v is not followed by the mark", l.Name, r.Ins)
			}
		}
	}
	if drops < 5 {
		t.Errorf("only %d places drop translations", drops)
	}
}
