package stubs_test

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// A variant is a preset, a preset with changes, or axes alone.
func ExampleParseVariant() {
	for _, name := range []string{"linux-4.1", "linux-4.1+exit=iret", "sp=frame,irq=frame"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(v.Axes)
	}
	// Output:
	// sp=frame,flags=flags,top=eager,build=push,regs=room,exit=sysret,irq=frame,work=test,slow=sysret,forceiret=notify
	// sp=frame,flags=flags,top=eager,build=push,regs=room,exit=iret,irq=frame,work=test,slow=sysret,forceiret=notify
	// sp=frame,flags=r11,top=lazy,build=mov,regs=partial,exit=sysret,irq=frame,work=careful
}

// What the architecture rules out is refused, with the reason.
func ExampleParseVariant_impossible() {
	_, err := stubs.ParseVariant("linux-3.19+irq=early+sp=frame")
	fmt.Println(err)
	// Output:
	// variant "linux-3.19+irq=early+sp=frame" is impossible: sp=frame with irq=early: an interrupt between the store to RSPScratch and the load of it lets another thread's SYSCALL overwrite it, and this thread returns on that thread's stack
}

// A variant says which slots of the frame its entry fills.
func ExampleAxes_Frame() {
	for _, name := range []string{"linux-3.19", "heukelum-v2"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		filled, room := v.Axes.Frame()
		fmt.Printf("%s: sp filled: %t, r15 has room: %t\n", name, filled.Has(layout.SlotSP), room.Has(layout.SlotR15))
	}
	// Output:
	// linux-3.19: sp filled: false, r15 has room: false
	// heukelum-v2: sp filled: true, r15 has room: false
}
