package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/kernel"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// followed is what is followed: a call, or if that is nil, an operation.
type followed struct {
	words     []string
	call      *wire.Call
	operation wire.Operation
}

// parseFollowed reads what is to be followed: getppid if there are no words.
func parseFollowed(args []string) (f followed, err error) {
	if len(args) == 0 {
		args = []string{nullCall}
	}
	f.words = args
	if i := slices.IndexFunc(wire.Operations, func(o wire.Operation) bool { return o.Op == args[0] }); i >= 0 {
		f.operation = wire.Operations[i]
		if len(args) > 1 {
			err = fmt.Errorf("%s is an operation, and takes no arguments", args[0])
		}
		return f, err
	}
	f.call, err = parseCall(args)
	return f, err
}

// operationNames are those of operations.
func operationNames() (names []string) {
	for _, o := range wire.Operations {
		names = append(names, o.Op)
	}
	return names
}

// operationList is the part of a help text that has the operations, by their names.
func operationList() string {
	var b strings.Builder
	for i, o := range wire.Operations {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "    %-25s%s", o.Op, o.Title)
	}
	return b.String()
}

// parseCall reads a call's name or number and its arguments.
func parseCall(args []string) (*wire.Call, error) {
	c := &wire.Call{}
	number, err := strconv.ParseUint(args[0], 0, 64)
	if err != nil {
		nr, ok := kernel.CallNumber(args[0])
		if !ok {
			known := slices.Concat(kernel.CallNames(), operationNames())
			return nil, fmt.Errorf("call %q: %swant one that the generated kernel has, or a number, or an operation", args[0], near.Hint(args[0], known))
		}
		number = uint64(nr)
	}
	c.Number = number
	if len(args) > 1+wire.MaxArguments {
		return nil, fmt.Errorf("%d arguments: a call has at most %d", len(args)-1, wire.MaxArguments)
	}
	for _, text := range args[1:] {
		a, err := wire.ParseArgument(text)
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, a)
	}
	return c, nil
}

// followLinux follows a prepared machine whose kernel is a Linux.
func (t *traced) followLinux(ctx context.Context, m vm.Config) (run *boot.Run, err error) {
	if t.call != nil {
		t.path, run, err = trace.Linux(ctx, m, nil)
		return run, err
	}
	if t.round, run, err = trace.LinuxOperation(ctx, m, t.operation.Op, nil); err == nil {
		t.path = t.round.Path
	}
	return run, err
}

// follow follows a prepared machine whose kernel is a generated one.
func (t *traced) follow(ctx context.Context, m vm.Config, list []stubs.Variant) error {
	if t.call == nil {
		round, err := trace.Operation(ctx, m, list[0].Name, t.operation.Op)
		if err == nil {
			t.round, t.path = round, round.Path
		}
		return err
	}
	paths, err := trace.Paths(ctx, list, m)
	if err == nil {
		t.path = paths[0]
	}
	return err
}
