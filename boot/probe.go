package boot

import (
	"context"
	"fmt"
	"sync"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/stubs"
)

// probed is what the probe found, once per process: it depends only on the host.
var probed struct {
	sync.Mutex
	done bool
	err  error
}

// ProbeKVM implements vm.Probe by this kernel: it boots an init of a few instructions under
// KVM, through the oldest entry.
func ProbeKVM(ctx context.Context) error {
	probed.Lock()
	defer probed.Unlock()
	if !probed.done {
		err := probeKVM(ctx)
		if ctx.Err() != nil {
			return err // which is about the user
		}
		probed.done, probed.err = true, err
	}
	return probed.err
}

func probeKVM(ctx context.Context) error {
	kernel, initrd, err := probeImage()
	if err != nil {
		return err
	}
	return vm.ProbeImage(kernel, initrd)(ctx)
}

// probeImage returns the paths of kernel and initramfs.
func probeImage() (kernel, initrd string, err error) {
	plain, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		return "", "", err
	}
	image, err := image.Build(image.Config{Variants: []stubs.Variant{plain}})
	if err != nil {
		return "", "", fmt.Errorf("generating the kernel: %w", err)
	}
	if kernel, err = cache.Keep("kernel", ".elf", image.ELF); err != nil {
		return "", "", err
	}
	program, err := smallProgram(probeStart)
	if err != nil {
		return "", "", err
	}
	archive, err := initramfs.Build(initramfs.Init(program))
	if err != nil {
		return "", "", err
	}
	initrd, err = cache.Keep("initramfs", ".cpio", archive)
	return kernel, initrd, err
}

// probeStart makes one system call that returns and one that does not. The process's
// calls reach the kernel only if SYSCALL arrives at CPL 0: at any other level the
// entry's SWAPGS is a #GP, which kills init.
var probeStart = FUNC("_start", "_start exits with status 0 if getpid returns 1, as it does for init.",
	MOVL(39, RAX).C("getpid"),
	SYSCALL(),
	LEAL(RAX.At(-1), RDI),
	MOVL(231, RAX).C("exit_group"),
	SYSCALL(),
	UD2(),
)
