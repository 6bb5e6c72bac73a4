package engine

import (
	"context"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
)

// Auto is the choice between engines that commands make by default.
const Auto = "auto"

func init() {
	Register(Engine{
		Name: Auto, About: "kvm where it is real, else icount",
		Choose: func(ctx context.Context) (Engine, string, error) {
			if err := vm.ICount.Available(ctx, nil); err != nil {
				return Engine{}, "", err
			}
			e, reason := vm.Auto(ctx, boot.ProbeKVM)
			return Of(string(e)), reason, nil
		},
	})
}
