package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// userTable returns the CR3 of the page table on which ring 3 must run.
func (o *oracle) userTable(sh *shadow) string {
	return fmt.Sprintf("(bvor %s %s)", sh.kernel.text, literal(layout.PTIUserBits, 64))
}

// claim states a claim in the solver's terms; ok is false if it does not depend on
// words of the machine.
func (o *oracle) claim(sh *shadow, c obligation) (text string, ok bool) {
	is := func(x bv) (string, bool) { return same(x.text, o.value(c.want).text), true }
	clear := func(x bv, mask uint64) (string, bool) { return clearIn(x, mask), true }
	n := c.key.n
	sysret := c.key.of == toUser[opSYSRET]
	popped := func(s layout.Slot) bv {
		if o.isolated() && sh.phase == inCall {
			return *o.named(&sh.trampoline[cellOf(s)])
		}
		at := cellOf(s)
		if rsp := sh.regs[rSP]; sh.phase == inCall && c.key.of == toUser[opIRET] && rsp.sum && rsp.base == sh.origin.base {
			at -= cellOf(layout.SlotIP) + 1 - int(sh.origin.off-rsp.off)/8 // it may be a copy
		}
		return *o.named(&sh.cells[at])
	}
	exit := func(s layout.Slot, r reg, constant uint64) (string, bool) {
		switch {
		case !sysret:
			return is(popped(s))
		case r != noReg:
			return is(sh.regs[r])
		}
		return is(word64(constant))
	}
	switch c.key.kind {
	case claimMemory:
		return "(and true " + strings.Join(sh.places, " ") + ")", true
	case claimTable:
		if o.byFrame() && len(sh.places) == 0 { // the number is x64_sys_call's argument
			return fmt.Sprintf("(bvule %s %s)", low(sh.regs[rSI].text, 32), literal(layout.SysCallMax, 32)), true
		}
		return sh.places[len(sh.places)-1], true
	case claimWindow:
		return not(sh.irq), true
	case claimIBRSWindow:
		return fmt.Sprintf("(or (not %s) %s)", sh.irq, same(sh.specCtrl.text, o.kernelSpecCtrlWord().text)), true
	case claimIBRS, claimIBRSBranch:
		return same(sh.specCtrl.text, o.kernelSpecCtrlWord().text), true
	case claimUserSpecCtrl:
		return same(sh.specCtrl.text, o.userSpecCtrl().text), true
	case claimSpecCtrl:
		return fmt.Sprintf("(or %s %s)", same(sh.specCtrl.text, o.kernelSpecCtrlWord().text), same(sh.specCtrl.text, o.userSpecCtrl().text)), sh.wroteMSR.text != ""
	case claimSTAR:
		return is(sh.msrs[msrSTAR])
	case claimLSTAR:
		return is(sh.msrs[msrLSTAR])
	case claimSFMASK:
		return is(sh.msrs[msrSFMASK])
	case claimEFER:
		return is(sh.msrs[msrEFER])
	case claimSetSpecCtrl:
		return is(sh.msrs[msrSpecCtrl])
	case claimFREDConfig:
		return is(sh.msrs[msrFREDConfig])
	case claimRSP0:
		return is(sh.rsp0)
	case claimRSP0Word:
		return same(sh.rsp0Word.text, sh.rsp0.text), true
	case claimSelectors:
		base := fmt.Sprintf("((_ extract 63 48) %s)", sh.msrs[msrSTAR].text)
		if o.needs&layout.FeatureSYSRETRPL != 0 {
			base = fmt.Sprintf("(bvor %s #x0003)", base)
		}
		return fmt.Sprintf("(and (= (bvadd %s #x0010) %s) (= (bvadd %s #x0008) %s))", base, literal(x86.USER_CS, 16), base, literal(x86.USER_DS, 16)), true
	case claimTrap:
		never, entry := clearIn(sh.seen, layout.TIFNever), clearIn(sh.seen, layout.TIFEntryWork)
		switch {
		case o.byFrame() && o.untraced:
			return fmt.Sprintf("(not (and %s %s))", never, clearIn(o.value(o.s.callWork.value()), layout.SyscallWorkEnter|layout.SyscallWorkExit)), true
		case o.byFrame():
			return not(never), true
		case o.untraced:
			return not(entry), true
		}
		return "false", true
	case claimEntryWork:
		if o.byFrame() {
			return clear(o.value(o.s.callWork.value()), layout.SyscallWorkEnter)
		}
		return clear(sh.seen, layout.TIFEntryWork)
	case claimResched:
		return not(clearIn(sh.seen, layout.TIFNeedResched)), true
	case claimTold:
		work, bits := *o.named(&sh.seen), uint64(layout.TIFEntryWork)
		if o.byFrame() {
			work, bits = o.value(o.s.callWork.value()), layout.SyscallWorkExit
		}
		return clearIn(work, bits), !c.ghost
	case claimNoWork:
		return clear(*o.named(&sh.work), layout.TIFAllWork)
	case claimCR3:
		masked := fmt.Sprintf("(bvand %s %s)", sh.loadedCR3.text, literal(^uint64(noFlush), 64))
		return fmt.Sprintf("(or (= %s %s) (= %s %s))", masked, sh.kernel.text, masked, o.userTable(sh)), sh.loadedCR3.text != "" && sh.kernel.text != literal(0, 64)
	case claimKernelCR3:
		return same(sh.cr3.text, sh.kernel.text), true
	case claimUserCR3:
		return same(sh.cr3.text, o.userTable(sh)), true
	case claimFlushMask:
		return fmt.Sprintf("(= %s (bvand %s %s))", sh.stored.text, sh.storedOver.text, literal(^uint64(asidBit), 64)), true
	case claimFlushed:
		return clearIn(*o.named(&sh.flushes), asidBit), c.key.of == nil
	case claimNoFlush:
		return clearIn(sh.loadedCR3, noFlush), !o.promises.Has(stubs.PromisePCID)
	case claimBase, claimEventBase:
		return is(sh.bases[n])
	case claimSelector:
		return is(sh.selectors[n])
	case claimXMM:
		return is(sh.xmm[n])
	case claimMXCSR:
		return is(sh.mxcsr)
	case claimX87:
		return is(sh.x87[n])
	case claimAligned:
		return sh.aligned, true
	case claimCount:
		op := map[uint8]string{countRaised: "bvadd", countLowered: "bvsub"}[n]
		return fmt.Sprintf("(= %s (%s %s %s))", low(sh.stored.text, 32), op, low(sh.storedOver.text, 32), literal(1, 32)), true
	case claimStatus:

		return is(sh.stored)
	case claimSlot:
		return is(*o.named(&sh.cells[cellOf(layout.Slot(n))]))
	case claimRoom:
		if sh.changed[n] == "" {
			return "true", true
		}
		return not(sh.changed[n]), true
	case claimArg:
		if c.key.of == contracts["do_notify_resume"] && reg(n) == rDX {
			return not(clearIn(sh.regs[rDX], layout.TIFDoNotify)), true
		}
		return is(sh.regs[n])
	case claimFrame, claimNextSP, claimReturnRSP:
		if c.want != (value{}) {
			return is(sh.regs[rSP])
		}
		return fmt.Sprintf("(bvule (bvsub %s %s) %s)", o.plus(sh.origin, -o.frameOf(c.key.of)).text, sh.regs[rSP].text, literal(sh.deepest(), 64)), true
	case claimAlign:
		return fmt.Sprintf("(= ((_ extract 2 0) (bvsub %s %s)) #b000)", sh.origin.text, sh.regs[rSP].text), true
	case claimKernelGS:
		return same(sh.bases[baseGS].text, o.value(o.s.area.value()).text), true
	case claimUserGS:
		return is(sh.bases[baseGS])
	case claimFlag:
		return not(sh.flags[n]), true
	case claimNumber:
		if o.byFrame() {
			return is(bv{text: wide(low(sh.regs[rSI].text, 32), 32, 64)})
		}
		return same(sh.target.text, o.entry(o.value(c.want).text)), true
	case claimCleared:
		text := fmt.Sprintf("(= %s %s)", sh.regs[n].text, literal(0, 64))
		if sh.regs[n].sum && sh.regs[n].base == sh.origin.base { // an address on the stack
			text += " true"
		}
		if c.key.of == handlers && o.byFrame() {
			text += fmt.Sprintf(" (= %s %s)", wide(low(sh.regs[n].text, 32), 32, 64), o.value(o.numberOf(sh.orig)).text)
		}
		for _, c := range o.residue(reg(n)) {
			text += fmt.Sprintf(" (= %s %s)", sh.regs[n].text, literal(c, 64))
		}
		return "(or " + text + ")", !c.ghost
	case claimIRQ:
		if c.ghost {
			return sh.irq, true
		}
		return not(sh.irq), true
	case claimIRQOff:
		return not(sh.irq), true
	case claimReg:
		if reg(n) == rSP {
			return exit(layout.SlotSP, rSP, 0)
		}
		return is(sh.regs[n])
	case claimIP:
		return exit(layout.SlotIP, rCX, 0)
	case claimRFLAGS:
		return exit(layout.SlotFlags, r11, 0)
	case claimCS:
		return exit(layout.SlotCS, noReg, x86.USER_CS)
	case claimSS:
		return exit(layout.SlotSS, noReg, x86.USER_DS)
	case claimCanonical:
		return fmt.Sprintf("(= ((_ sign_extend 16) ((_ extract 47 0) %s)) %s)", sh.regs[rCX].text, sh.regs[rCX].text), true
	case claimOwnExit:
		return clear(sh.regs[r11], singleStep)
	case claimNoStep:
		return clear(sh.regs[r11], x86.X86_EFLAGS_TF)
	case claimAnswered:
		number := o.numberOf(sh.orig)
		if n == 1 {
			number = o.x32NumberOf(sh.orig)
		}
		return fmt.Sprintf("(bvugt %s %s)", o.value(number).text, literal(layout.SysCallMax, 64)), !c.ghost
	case claimSaved:
		return is(*o.named(&sh.cells[slices.Index(switchFrame[:], reg(n))+1]))
	case claimNew:
		return not(clearIn(*o.named(&sh.work), layout.TIFFork)), true
	case claimSavedSP:
		if sh.saved[savedSP].text == "" { // nothing was stored there
			break
		}
		return is(sh.saved[savedSP])
	case claimKept:
		return is(sh.regs[n])
	case claimCanary:
		return same(o.named(&sh.canary).text, o.value(o.s.canary.value()).text), true
	case claimSavedSSP:
		return is(*o.named(&sh.saved[savedPL3SSP]))
	case claimShadowOff:
		return is(sh.shadow[shadowUCET])
	case claimShadow:
		return is(sh.shadow[n])
	case claimOwnScratch:
		return same(o.named(&sh.scratch[n]).text, o.value(o.s.scratch[n].value()).text), true
	}
	// A claim that does not depend on words fails whenever the path comes there.
	return "false", c.outcome == Refuted
}
