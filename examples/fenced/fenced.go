// Fenced is a SYSCALL entry of a user's own module: it is proved, then booted and
// measured beside the preset that it changes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/entrylab/entrylab/boot"
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// fenced returns Linux 4.1's path with a fence behind SWAPGS, so that nothing runs ahead
// with the user's GS.
func fenced() (stubs.Variant, error) {
	n, err := stubs.ParseVariant("linux-4.1")
	v, gs := n.Axes, Fields[layout.PerCPU[Mem]](GS)
	n.Name = "fenced"
	n.Edit = func(p *Program) error {
		return p.Replace(FUNC(n.FuncName(stubs.Entry), "entry_SYSCALL_64 is where SYSCALL arrives.",
			SWAPGS(),
			LFENCE(),
			MOVQ(RSP, gs.RSPScratch).C("no stack yet"),
			MOVQ(gs.TopOfStack, RSP),
			FRAME(SizeOf[layout.PtRegs[Mem]]()),
			v.MakeFrame(),
			v.Dispatch(n.Name),
		).In("entry"))
	}
	return n, err
}

func run(ctx context.Context) error {
	mine, err := fenced()
	if err != nil {
		return err
	}
	proof, err := prove.Prove(mine)
	if err != nil {
		return err
	}
	fmt.Println(proof)
	if err := proof.Err(); err != nil {
		return err
	}
	base, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		return err
	}
	list := []stubs.Variant{base, mine}
	guest, err := boot.RunGuest(ctx, boot.Config{Variants: list, Args: []string{"verify", "measure"}}, nil)
	if err != nil {
		return err
	}
	for _, n := range list {
		null, ok := guest.Find(n.Name, record.Operations[0].Op)
		if !ok {
			return errors.New(n.Name + " was not measured")
		}
		fmt.Printf("%s: %d checks pass, %d fail; null call %v\n", n.Name, guest.Count(n.Name, wire.Pass), guest.Count(n.Name, wire.Fail), null.Median)
	}
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
