package verify

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// tableChecks check which page table ring 3 runs on right after a call, by an
// interrupt that returns the CR3 that it finds, and what that table maps of the
// kernel.
var tableChecks = []check{
	{"after a null call", withControl(tableAfter(syscall.SYS_GETPPID))},
	{"after an unknown call", withControl(tableAfter(600))},
	{"after a full-frame call", withControl(tableAfter(layout.SysFullFrame, 0))},
	{"after a call whose flags slot was changed", withControl(tableAfter(layout.SysSetFrame, uint64(layout.SlotFlags), flagsIdle))},
	{"after a call that sleeps", withWords(func(p uint64) func(*fixture) error {
		return withControl(tableAfter(syscall.SYS_NANOSLEEP, p, 0))
	})},
	{"after a signal", withControl(checkTableAfterSignal)},
	{"what ring 3's maps of the kernel", withControl(checkUserMap)},
}

// tableTries is the number of attempts of each: if the timer interrupts between the
// call and the question, that interrupt's return loads the right table.
const tableTries = 8

// entryCR3 returns a context whose interrupt returns the CR3 that it finds.
func (fx *fixture) entryCR3() *regs.Context {
	c := fx.call(0, layout.SysEntryCR3)
	c.Insn = regs.Address(0, regs.Interrupt)
	return c
}

// checkTable compares the result of entryCR3 with what the variant promises.
func (fx *fixture) checkTable(asked *regs.Context) error {
	cr3 := asked.Out.AX
	if cr3 == failure(syscall.ENOSYS) {
		return lines.Harness("the kernel does not return CR3")
	}
	users := cr3&layout.PTIUserPGTable != 0
	if want := fx.variant.Info.CR3 != layout.CR3Keep; users != want {
		name := map[bool]string{false: "the kernel's", true: "the user's"}
		return fmt.Errorf("ring 3 runs on %s page table, want %s: CR3 is %v", name[users], name[want], cr3)
	}
	return nil
}

func tableAfter(nr uint64, args ...uint64) func(*fixture) error {
	return func(fx *fixture) error {
		var contexts, asked []*regs.Context
		for range tableTries {
			asked = append(asked, fx.entryCR3())
			contexts = append(contexts, fx.call(0, nr, args...), asked[len(asked)-1])
		}
		fx.run(contexts...)
		for _, c := range asked {
			if err := fx.checkTable(c); err != nil {
				return err
			}
		}
		return nil
	}
}

func checkTableAfterSignal(fx *fixture) error {
	for range tableTries {
		restore, err := catch(syscall.SIGUSR2, regs.Action{})
		if err != nil {
			return err
		}
		signal, _ := fx.signalSelf()
		asked := fx.entryCR3()
		fx.run(signal, asked)
		restore()
		if err := fx.checkTable(asked); err != nil {
			return err
		}
	}
	return nil
}

// maxUserMap is the number of bytes of the kernel that the user's page table may
// map. The entry code, its stacks and the CPU's tables take less than half of it.
const maxUserMap = 128 << 10

// checkUserMap has the kernel walk the user's page table and adds up what the table
// maps. While a variant without page-table isolation is selected the table maps all
// of the kernel, since the exit of another variant may have left a thread on it.
func checkUserMap(fx *fixture) error {
	words := fx.mem.Words(2 * layout.UserMapMax)
	c := fx.call(0, layout.SysUserMap, uint64(address(words)))
	fx.run(c)
	n := int64(c.Out.AX)
	if n <= 0 || n > layout.UserMapMax {
		return lines.Harness(fmt.Sprintf("the kernel finds %d ranges", n))
	}
	ranges := unsafe.Slice((*layout.AddressRange[layout.Word])(unsafe.Pointer(&words[0])), n)
	total := layout.Word(0)
	if fx.variant.Info.CR3 == layout.CR3Keep {
		if ranges[0].Start != layout.PhysMap {
			return fmt.Errorf("it begins with %v to %v and does not map all RAM", ranges[0].Start, ranges[0].End)
		}
		return nil
	}
	for _, r := range ranges {
		if r.Start < layout.KernelBase || r.End <= r.Start {
			return fmt.Errorf("it maps %v to %v, which is not the kernel's image", r.Start, r.End)
		}
		total += r.End - r.Start
	}
	if total > maxUserMap {
		return fmt.Errorf("it maps %d KiB of the kernel, want %d at most", total>>10, maxUserMap>>10)
	}
	return nil
}
