package verify

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// setUpChecks check the MSRs that govern SYSCALL and SYSRET. SYSRET's selectors are
// compared after every call.
var setUpChecks = []check{
	{"MSRs of SYSCALL", withControl(checkMSRs)},
	{"flags in a handler", withControl(checkHandlerFlags)},
}

// checkMSRs compares the MSRs with what the variant's axes say.
func checkMSRs(fx *fixture) error {
	c, got := fx.stats()
	fx.run(c)
	if err := fx.compare(c, fx.wantAfter(c, 0, 0), 0); err != nil {
		return err
	}
	want := fx.variant.Info
	var diffs []string
	for _, r := range []struct {
		name      string
		got, want layout.Word
	}{
		{"STAR", got.Star, want.Star},
		{"LSTAR", got.LSTAR, want.LSTAR},
		{"SFMASK", got.SFMask, want.SFMask},
		{"EFER", got.EFER, x86.EFER_SCE | x86.EFER_LME | x86.EFER_LMA | x86.EFER_NX},
	} {
		if fx.keeps && (r.name == "LSTAR" || r.name == "SFMASK") { // they mean nothing with FRED
			continue
		}
		if r.got != r.want {
			diffs = append(diffs, fmt.Sprintf("%s is %v, want %v", r.name, r.got, r.want))
		}
	}
	return join(diffs)
}

// checkHandlerFlags makes a handler return its own flags, with each set of the
// user's.
func checkHandlerFlags(fx *fixture) error {
	const kept = x86.X86_EFLAGS_DF | x86.X86_EFLAGS_NT | x86.X86_EFLAGS_AC | x86.X86_EFLAGS_ID
	const looked = kept | x86.X86_EFLAGS_TF | x86.X86_EFLAGS_IF | x86.X86_EFLAGS_IOPL | x86.X86_EFLAGS_RF
	for _, flags := range fx.flagPatterns() {
		c := fx.call(0, layout.SysFlags)
		c.In.Flags = flags
		fx.run(c)
		if err := fx.compare(c, fx.wantAfter(c, 0, c.Out.AX), 0); err != nil {
			return err
		}
		want := flags & kept &^ fx.variant.Info.ClearFlags
		if fx.variant.Info.IRQ != 0 {
			want |= x86.X86_EFLAGS_IF
		}
		if got := c.Out.AX & looked; got != want {
			return fmt.Errorf("with the user's flags %s the handler has %s, want %s", flagNames(flags), flagNames(got), flagNames(want))
		}
	}
	return nil
}
