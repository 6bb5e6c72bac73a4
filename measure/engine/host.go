package engine

import (
	"context"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/gen/wire"
)

// The engine host boots nothing: its kernel is the one that this process runs on.
func init() {
	Register(Engine{
		Name: "host", About: "the kernel that runs here, for checks",
		Costless: "it only makes checks, with verify",
		Verify: func(ctx context.Context) (*wire.Results, error) {
			program, remove, err := boot.HostProgram()
			if err != nil {
				return nil, err
			}
			defer remove()
			return boot.RunHost(ctx, program)
		},
	})
}
